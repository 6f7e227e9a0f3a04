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
    sentences = [
        (sentence.strip(), number)
        for number, passage in enumerate(passages, 1) for sentence in _SENTENCE.split(passage.text) if sentence.strip()
    ][:_MOST_LOOKED_AT]
    scored = [(len(wanted & units(sentence[:_LONGEST])), -order) for order, (sentence, _) in enumerate(sentences)]
    best = sorted((one for one in scored if one[0]), reverse=True)[:_MOST_SENTENCES]
    return [(sentences[-order][0][:_LONGEST], sentences[-order][1]) for _, order in best]
