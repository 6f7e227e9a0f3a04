"""Korean words by Kiwi, a morphological analyser. A program of its own, `python -m malgil.knowledge.korean`, because
loading Kiwi takes a second, half of it with Python's lock held, and 250 MiB that a process without Korean text need
not pay. `knowledge/analyst.py` starts it.

It says `[]` when it is ready, then answers lines with lines: a JSON array of texts, an array with the words of each.
It ends with its standard input, so with who started it, however that ended.
"""

import os
import signal
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final

from kiwipiepy import Kiwi

from malgil.kit import json

NICER: Final = 2
SECONDS_MOST: Final = 60
"""For one line; then the system ends this process, whatever it is lost in."""

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


def answer(questions: BinaryIO, answers: BinaryIO) -> None:
    """Until `questions` end."""
    signal.alarm(SECONDS_MOST)
    words = KoreanWords()
    _say(answers, [])
    while line := questions.readline():
        signal.alarm(SECONDS_MOST)
        _say(answers, [list(words(text)) for text in json.loads(line)])


def _say(answers: BinaryIO, value: list[list[str]]) -> None:
    answers.write(json.dumps(value).encode() + b"\n")
    answers.flush()
    signal.alarm(0)


def main() -> None:
    """The program. What else anybody prints goes to standard error."""
    os.nice(NICER)
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            answer(sys.stdin.buffer, answers)
        except BrokenPipeError:
            os._exit(0)  # nobody listens any more, and what is left unsaid cannot be flushed


if __name__ == "__main__":
    main()
