"""Pieces of messages with their marks, as HTML."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.chat.search.snippets import AROUND, cut, literal, snippet
from malgil.knowledge.terms import Vocabulary


@given(st.text(max_size=400), st.lists(st.tuples(st.integers(0, 400), st.integers(1, 30)), max_size=8))
def test_nothing_is_markup_but_marks_and_the_text_is_whole(text: str, raw: list[tuple[int, int]]) -> None:
    marks, at = [], 0
    for start, length in sorted(raw):
        if start >= at and start + length <= len(text):
            marks.append((start, start + length))
            at = start + length + 1
    shown = cut(text, marks)
    assert set(re.findall("<[^>]*>", shown)) <= {"<mark>", "</mark>"}
    plain = html.unescape(re.sub("</?mark>", "", shown)).strip("…")
    assert plain in "".join(" " if one.isspace() else one for one in text)
    if marks:
        start, end = marks[0]
        assert start + 2 * AROUND < end or "<mark>" in shown


@pytest.mark.parametrize(("text", "q", "shown"), [
    ("İstanbul 을", "을", "İstanbul <mark>을</mark>"), ("nothing", "z", "nothing"),
    ("A<b", "<B", "A<mark>&lt;b</mark>"),
])
def test_text_found_as_it_is(text: str, q: str, shown: str) -> None:
    assert literal(text, q) == shown


async def test_composed_and_wide_characters_are_shown_as_they_are_found(words: Vocabulary) -> None:
    assert snippet(words, "ｏｒｄｅｒ 완료", await words.sought("order")) == "<mark>order</mark> 완료"
    assert snippet(words, "no hit here", await words.sought("잠수함")) == "no hit here"
