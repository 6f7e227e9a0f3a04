"""The piece of a message that shows why it was found, as HTML in which nothing is markup but `<mark>`."""

import re
from html import escape

from malgil.knowledge.terms import Sought, Vocabulary, level

AROUND = 60
"""Characters before the first hit; twice as many from there on."""
LOOK = 32_768


def snippet(vocabulary: Vocabulary, content: str, sought: Sought) -> str:
    """Some 180 characters around the first hit, on one line; the beginning where no word can be pointed at."""
    text = level(content[:LOOK])
    marks = vocabulary.marks(text, sought)
    return cut(text, marks)


def literal(content: str, q: str) -> str:
    """The same for a text that was found as it is."""
    found = re.search(re.escape(q), content, re.IGNORECASE)
    return cut(content, [found.span()] if found else [])


def cut(text: str, marks: list[tuple[int, int]]) -> str:
    """The piece around the first of the marks."""
    first = marks[0][0] if marks else 0
    begin = max(0, first - AROUND)
    end = min(len(text), first + 2 * AROUND)
    shown, at = ["…" if begin else ""], begin
    for start, stop in marks:
        if stop > end:
            break
        shown += [_plain(text[at:start]), "<mark>", _plain(text[start:stop]), "</mark>"]
        at = stop
    shown += [_plain(text[at:end]), "…" if end < len(text) else ""]
    return "".join(shown)


def _plain(text: str) -> str:
    return escape("".join(" " if one.isspace() else one for one in text))
