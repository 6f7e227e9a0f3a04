"""Terms: what a text is found by, Korean and English alike.

Korean is found by its content words (korean.py) and by the pairs of neighbouring syllables of each run, so that a
word inside a longer one is found and a name that no dictionary holds too. English is found by stems, ids and numbers
whole and by their parts, other scripts that write without spaces by pairs of characters.
"""

import asyncio
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from threading import Lock
from typing import Protocol

from malgil.kit.errors import Unavailable

TERMS_MOST = 4096
"""Different terms of one text; what comes later in a text of more is not found by it."""

ANALYSED_MOST = 8_192
"""Characters of one text that are taken apart into words; the rest is found by pairs of syllables alone."""

WORD_MOST = 64

QUESTION_SECONDS = 0.15
"""How long a question waits for its Korean words; then it is asked without them, by its pairs of syllables."""

Words = Sequence[Sequence[str]]
Stem = Callable[[str], str]
"""The stem of an English word in lower case."""


class Unready(Unavailable):
    """The words of a language cannot be had at the moment."""

    def __init__(self) -> None:
        super().__init__("Korean words cannot be read at the moment.")


class Korean(Protocol):
    """Who takes Korean texts apart. Texts are bounded by ANALYSED_MOST."""

    async def words(self, texts: Sequence[str]) -> Words:
        """The content words of each text. Raises Unready, without waiting for it."""

    async def ready(self) -> None:
        """Wait until `words` may be asked again. Raises Unready when that takes too long."""

_STOP_EN = """
a about after again all also am an and any are as at be because been before being both but by can could did do does
doing don down during each few for from further had has have having he her here hers him his how i if in into is it its
itself just ll me more most my myself no nor not now of off on once only or other our ours out over own re s same she
should so some such t than that the their theirs them then there these they this those through to too under until up ve
very was we were what when where which while who whom why will with would you your yours
"""
_STOP_KO = "하다 있다 되다 없다 않다 이다 같다 싶다 주다 오다 가다 보다 것 수 때 등 그렇다 이렇다 어떻다"
STOP_WORDS = frozenset((_STOP_EN + _STOP_KO).split())

_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_HANGUL = re.compile("[가-힣]+")
_TOKEN = re.compile(
    r"(?P<hangul>[가-힣]+)|(?P<pairs>[\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+)"
    r"|(?P<id>[a-z0-9]+(?:[-_.][a-z0-9]+)+)|(?P<word>[^\W_가-힣\u3040-\u30ff\u3400-\u9fff]+(?:'[a-z]+)?)"
)
_PART = re.compile(r"[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Sought:
    """A query: a text that holds all of `required` is a hit; `terms` are all that speak for one."""

    required: tuple[str, ...]
    terms: tuple[str, ...]


class NoKorean:
    """Where nobody knows Korean: pairs of syllables alone."""

    async def words(self, texts: Sequence[str]) -> Words:
        return [()] * len(texts)

    async def ready(self) -> None:
        pass


class Vocabulary:
    """Texts to terms. `stem` gives the tool when it is first needed, once; that may take a moment."""

    def __init__(self, korean: Korean | None = None, stem: Callable[[], Stem] | None = None) -> None:
        self._korean = korean or NoKorean()
        self._stem = _Lazy(stem or (lambda: _as_it_is))

    async def ready(self) -> None:
        """Wait until texts can be read again. Raises Unready when that takes too long."""
        await self._korean.ready()

    async def terms(self, texts: Sequence[str]) -> Sequence[Mapping[str, int]]:
        """How often each term occurs in each text, TERMS_MOST of them at most. Raises Unready, at once."""
        texts = await asyncio.to_thread(lambda: [normal(text) for text in texts])
        words = await self._korean_words(texts)
        return await asyncio.to_thread(lambda: list(map(self._terms, texts, words)))

    async def sought(self, text: str) -> Sought:
        """What a text must hold to be what `text` asks for."""
        text = normal(text)
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                (words,) = await self._korean_words([text])
        except (Unready, TimeoutError):
            words = ()
        return await asyncio.to_thread(self._sought, text, words)

    async def _korean_words(self, texts: Sequence[str]) -> Words:
        korean = [text[:ANALYSED_MOST] for text in texts if _HANGUL.search(text)]
        found = iter(await self._korean.words(korean) if korean else ())
        return [
            [word for word in next(found) if word not in STOP_WORDS] if _HANGUL.search(text) else () for text in texts
        ]

    def _terms(self, text: str, words: Iterable[str]) -> Mapping[str, int]:
        found = Counter(words)
        pairs = Counter(pair for run in _HANGUL.findall(text) for pair in _pairs(run))
        for pair, times in pairs.items():
            found[pair] = max(found[pair], times)
        for _, _, own in self._others(text):
            found.update(own)
        return dict(list(found.items())[:TERMS_MOST]) if len(found) > TERMS_MOST else found

    def _sought(self, text: str, words: Collection[str]) -> Sought:
        required = dict.fromkeys(words)
        terms: dict[str, None] = {}
        for run in _HANGUL.findall(text):
            pairs = list(_pairs(run))
            terms |= dict.fromkeys(pairs)
            if not any(word.removesuffix("다") in run or word in run for word in required):
                required |= dict.fromkeys(pair for pair in pairs if len(run) <= 3)
        for _, _, own in self._others(text):
            # An order number is that one or none; of a name with a number in it the parts are better than nothing.
            numbered = any(map(str.isdigit, own[0]))
            required |= dict.fromkeys(own[:1] if numbered else own)
            terms |= dict.fromkeys(own[:1] if numbered and not own[0].isalnum() else own)
        return Sought(tuple(required), tuple(required | terms))

    def marks(self, text: str, sought: Sought) -> list[tuple[int, int]]:
        """Where in `text` (as `level` made it) the words are for which it was found, in order, not overlapping."""
        text = "".join(low if len(low := one.lower()) == 1 else one for one in text)  # every place stays where it is
        words = [one.removesuffix("다") if _HANGUL.match(one) and len(one) > 1 else one for one in sought.required]
        spans = list(_spots(text, [word for word in words if _HANGUL.match(word)]))
        if not spans:
            spans = list(_spots(text, [term for term in sought.terms if _HANGUL.match(term)]))
        heads = {term[:2] for term in sought.terms}
        wanted = frozenset(sought.terms)
        for start, end, own in self._others(text, heads):
            if not wanted.isdisjoint(own):
                spans.append((start, end))
        return _merged(spans)

    def _others(self, text: str, heads: Set[str] | None = None) -> Iterator[tuple[int, int, list[str]]]:
        """(start, end, terms) of what is not Hangul; the first term is the strictest. Only words that begin as one of
        `heads` does, if there are any."""
        for match in _TOKEN.finditer(text):
            kind, token = match.lastgroup, match.group()
            if kind == "hangul" or (heads is not None and token[:2] not in heads and kind != "pairs"):
                continue
            own = list(_pairs(token)) if kind == "pairs" else self._word(token, whole=kind == "id")
            if own:
                yield match.start(), match.end(), own

    def _word(self, token: str, *, whole: bool) -> list[str]:
        """The terms of a word or an id: an id with a digit whole, and the stems of its parts."""
        plain = token.partition("'")[0][:WORD_MOST]
        digits = any(map(str.isdigit, plain))
        parts = _PART.findall(plain) if whole or (digits and not plain.isdigit()) else []
        own = [plain] if digits or not parts else []
        return [self._stemmed(one) for one in dict.fromkeys([*own, *parts]) if one not in STOP_WORDS]

    def _stemmed(self, word: str) -> str:
        return self._stem()(word) if word.isascii() and word.isalpha() else word


class _Lazy:
    """Made when first asked for, by whichever thread asks; the others wait for it."""

    def __init__(self, make: Callable[[], Stem]) -> None:
        self._make = make
        self._lock = Lock()
        self._made: list[Stem] = []

    def __call__(self) -> Stem:
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]


def _as_it_is(word: str) -> str:
    return word


def level(text: str) -> str:
    """`text` in Unicode's compatible composed form: the one that terms and marks are found in."""
    return unicodedata.normalize("NFKC", text).replace("’", "'")


def normal(text: str) -> str:
    """`text` as terms are read from it: level, in lower case, numbers without commas."""
    return _COMMA.sub("", level(text).lower())


@lru_cache(maxsize=65_536)
def key_of(term: str) -> int:
    """The number of a term, the same everywhere and for ever, as PostgreSQL's bigint."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "big", signed=True)


def keys_of(terms: Sequence[str]) -> list[int]:
    """The numbers of the terms, in their order."""
    return [key_of(term) for term in terms]


def _pairs(run: str) -> Iterable[str]:
    """Neighbouring characters two by two; a single one alone."""
    return (first + second for first, second in pairwise(run)) if len(run) > 1 else (run,)


def _spots(text: str, words: Iterable[str]) -> Iterator[tuple[int, int]]:
    for word in words:
        at = text.find(word)
        while at >= 0:
            yield at, at + len(word)
            at = text.find(word, at + len(word))


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
