"""What the words of a text stand for: concepts of the lexicon where it knows them, else their stems."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from malgil.agents.offline.lexicon import CONCEPTS, PARTICLES_KO, STOP_EN, STOP_KO, SUFFIXES_KO

CONCEPT = "#"
"""Units that start with this are concepts; all others are stems."""

_TOKEN = re.compile(r"(?<![0-9])[가-힣]+|[a-z][a-z0-9'’]*|[^\W\d_a-z가-힣]+")
_NAME_BREAKS = re.compile(r"[_\-./]+|(?<=[a-z])(?=[A-Z])")
_DOUBLED = re.compile(r"(ll|pp|tt|nn|gg|mm|rr|dd)$")
_ENDINGS = (("ies", "y"), ("ings", ""), ("ing", ""), ("ed", ""), ("able", ""), ("es", ""), ("s", ""))
_WORD_MOST = 40


@dataclass(frozen=True, slots=True)
class Word:
    """A word as written, without its particle, and its units: none when it carries no meaning here."""

    text: str
    units: frozenset[str]


def stem(word: str) -> str:
    """An English word without its inflection: rough, but the same for `exchange`, `exchanges`, `exchanged`."""
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + instead
            break
    if _DOUBLED.search(word) and len(word) > 3:
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def stems_ko(word: str) -> list[str]:
    """A Korean word, and what stays of it when it loses one ending after the other."""
    found = [word]
    while len(found) <= 3:
        last = found[-1]
        ending = next((s for s in SUFFIXES_KO if last.endswith(s) and len(last) > len(s)), None)
        if ending is None:
            break
        found.append(last[: -len(ending)])
    return found


def bare(word: str) -> str:
    """A word as a value: a Korean one loses one particle when two syllables stay."""
    for particle in PARTICLES_KO:
        if word.endswith(particle) and len(word) - len(particle) >= 2:
            return word[: -len(particle)]
    return word


def spelled(name: str) -> str:
    """An identifier as words: `request_refund`, `requestRefund` → `request refund`."""
    return _NAME_BREAKS.sub(" ", name)


def _index() -> tuple[dict[str, set[str]], dict[str, set[str]], dict[str, str], re.Pattern[str]]:
    korean: dict[str, set[str]] = {}
    english: dict[str, set[str]] = {}
    phrases: dict[str, str] = {}
    for concept, (ko, en, both) in CONCEPTS.items():
        for word in ko.split():
            korean.setdefault(word, set()).add(CONCEPT + concept)
        for word in en.split():
            english.setdefault(stem(word), set()).add(CONCEPT + concept)
        phrases |= {re.sub(r"\s", "", phrase): CONCEPT + concept for phrase in both}
    patterns = sorted((p for _, _, both in CONCEPTS.values() for p in both), key=len, reverse=True)
    matcher = "|".join(
        rf"(?<![a-z]){re.escape(p)}(?![a-z])".replace(r"\ ", r"\s{1,3}") if p.isascii()
        else re.escape(p).replace(r"\ ", r"\s{0,3}")
        for p in patterns
    )
    return korean, english, phrases, re.compile(matcher)


_KOREAN, _ENGLISH, _PHRASES, _PHRASE = _index()
_LONGEST_KO = max(map(len, _KOREAN))


def words(text: str) -> list[Word]:
    """Every word of the text in order; phrases of the lexicon are one word each."""
    lowered = text.lower().replace("’", "'")
    found: list[tuple[int, Word]] = []

    def phrase(match: re.Match[str]) -> str:
        unit = _PHRASES[re.sub(r"\s", "", match.group())]
        found.append((match.start(), Word(match.group(), frozenset({unit}))))
        return " " * len(match.group())

    rest = _PHRASE.sub(phrase, lowered)
    found.extend((m.start(), _word(m.group()[:_WORD_MOST])) for m in _TOKEN.finditer(rest))
    return [word for _, word in sorted(found, key=lambda one: one[0])]


def units(text: str) -> frozenset[str]:
    """All units of a text."""
    return frozenset().union(*(word.units for word in words(text)))


def bigrams(stems: Iterable[str]) -> frozenset[str]:
    """The pairs of neighbouring syllables in the Korean ones of the stems."""
    return frozenset(pair for one in stems if is_korean(one) for pair in _pairs(one))


def is_korean(word: str) -> bool:
    return "가" <= word[:1] <= "힣"


def likeness(unit: str, pairs: frozenset[str]) -> float:
    """How far a Korean stem is made of the given pairs: 0 to 1."""
    own = list(_pairs(unit))
    return sum(pair in pairs for pair in own) / len(own) if own else 0.0


def _pairs(word: str) -> Iterator[str]:
    return (word[i : i + 2] for i in range(len(word) - 1))


@lru_cache(maxsize=4096)
def _word(token: str) -> Word:
    if is_korean(token):
        return _korean(token)
    if not token[:1].isascii():
        return Word(token, frozenset({token}))
    plain = token.partition("'")[0]
    if plain in STOP_EN:
        return Word(token, frozenset())
    base = stem(plain)
    return Word(plain, frozenset(_ENGLISH.get(base) or {base}))


def _korean(token: str) -> Word:
    stages = stems_ko(token)
    known = _concepts_in(token, len(stages[-1]))
    if known:
        return Word(bare(token), known)
    if not STOP_KO.isdisjoint(stages):
        return Word(token, frozenset())
    # The shortest stage that still is a word: of `바나나는` the stem is `바나`, of `비가` it is the whole.
    return Word(bare(token), frozenset({next((s for s in reversed(stages) if len(s) > 1), token)}))


def _concepts_in(token: str, base: int) -> frozenset[str]:
    """Concepts of the known words a Korean compound is made of.

    A known word counts at the beginning, right after another one, or as the end of the stem after two or more
    syllables; so `배송조회` is two, `무료배송` one, and `전주문화` holds no order.
    """
    units: set[str] = set()
    at, joined = 0, True
    while at < len(token):
        length = next((n for n in range(min(_LONGEST_KO, len(token) - at), 1, -1) if token[at : at + n] in _KOREAN), 0)
        ends = at >= 2 and at + length >= base
        if length and (joined or ends):
            units |= _KOREAN[token[at : at + length]]
            at += length
            joined = True
        else:
            at += 1
            joined = False
    return frozenset(units)
