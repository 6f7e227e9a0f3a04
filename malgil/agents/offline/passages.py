"""Answering by quotation: the sentences of retrieved passages that fit the question best, each with where it stands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from malgil.agents.offline.reading import shorten
from malgil.agents.offline.words import units

_SENTENCE = re.compile(r"(?<=[.!?。？！])[\"'”’)\]]*\s+|\n+")
_MOST_SENTENCES, _MOST_LOOKED_AT = 3, 200
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved piece of a document."""

    text: str
    title: str
    page: int | None


def quote(passages: Sequence[Passage], question: str) -> list[tuple[str, int]]:
    """Up to three (sentence, number of its passage from 1), best first; none that shares no word with the question."""
    wanted = units(shorten(question))
    sentences = _promising([
        (sentence.strip(), number)
        for number, passage in enumerate(passages, 1) for sentence in _SENTENCE.split(passage.text) if sentence.strip()
    ], shorten(question))
    scored = [(len(wanted & units(sentence[:_LONGEST])), -order) for order, (sentence, _) in enumerate(sentences)]
    best = sorted((one for one in scored if one[0]), reverse=True)[:_MOST_SENTENCES]
    return [(sentences[-order][0][:_LONGEST], sentences[-order][1]) for _, order in best]


def _promising(sentences: list[tuple[str, int]], question: str) -> list[tuple[str, int]]:
    """Of very many sentences those that share the most pairs of letters with the question, in their order: to read
    each for its meaning would take too long."""
    if len(sentences) <= _MOST_LOOKED_AT:
        return sentences
    pairs = {question[at : at + 2].lower() for at in range(len(question) - 1) if question[at : at + 2].isalnum()}
    shared = [sum(pair in sentence[:_LONGEST].lower() for pair in pairs) for sentence, _ in sentences]
    best = sorted(range(len(sentences)), key=lambda place: (-shared[place], place))[:_MOST_LOOKED_AT]
    return [sentences[place] for place in sorted(best)]
