"""Text is cut between what a reader sees as characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.agents.offline.pieces import pieces

WHOLE = ["👨‍👩‍👧‍👦", "👍🏽", "🇰🇷", "é", "각", "❤️", "\r\n", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]


@given(st.text(), st.integers(1, 12))
def test_the_pieces_are_the_text(text: str, size: int) -> None:
    found = list(pieces(text, size))

    assert "".join(found) == text
    assert all(found)
    assert all(len(piece) >= size for piece in found[:-1])


@pytest.mark.parametrize("grapheme", WHOLE)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_graphemes_stay_whole(grapheme: str, size: int) -> None:
    assert list(pieces(grapheme, size)) == [grapheme]


def test_flags_are_parted_in_pairs() -> None:
    assert list(pieces("🇰🇷🇺🇸🇫🇷", 1)) == ["🇰🇷", "🇺🇸", "🇫🇷"]


def test_sizes() -> None:
    assert list(pieces("가나다라마", 2)) == ["가나", "다라", "마"]
    assert list(pieces("", 10)) == []
