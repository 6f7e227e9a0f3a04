"""Korean words by Kiwi, a morphological analyser. Loaded by app when the first Korean text comes: it takes a second,
and 250 MiB of memory, which a process without Korean text need not pay.
"""

from collections.abc import Iterator

from kiwipiepy import Kiwi

_NOUNS = frozenset({"NNG", "NNP", "NR", "XR", "SH"})
_VERBS = frozenset({"VV", "VA"})
_ENDING = "다"


class KoreanWords:
    """The content words of Korean text. May be called from any thread."""

    def __init__(self) -> None:
        # One thread, and the small dictionary: names it does not know are found by their pairs of syllables.
        self._kiwi = Kiwi(num_workers=1, load_default_dict=False, load_typo_dict=False, load_multi_dict=False)

    def __call__(self, text: str) -> Iterator[str]:
        """Nouns as they are, verbs and adjectives in their dictionary form."""
        for token in self._kiwi.tokenize(text):
            tag = token.tag.partition("-")[0]
            if tag in _NOUNS:
                yield token.form
            elif tag in _VERBS:
                yield token.form + _ENDING
