"""Cursors and facts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from malgil.kit.errors import Invalid
from malgil.log.model import Cursor, Position
from tests.log.notes import Noted

EPOCHS = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=16)


@given(EPOCHS, st.integers(0, 10**18 - 1))
def test_a_cursor_reads_as_it_was_written(epoch: str, seq: int) -> None:
    cursor = Cursor(epoch, seq)
    assert str(cursor) == f"{epoch}.{seq}"
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize("text", [
    "", ".", "e", "e.", ".1", "1", "start", "e.01", "e.-1", "e.+1", "e.1.2", "e.1 ", " e.1", "e.1\n", "E.1", "é.1",
    "e.١", "e.1e3", "e.0x1", "e.1_0", "e e.1", "e.1000000000000000000", "a" * 17 + ".1", "e.1\x00", "e..1", "\ud800.1",
])
def test_anything_else_is_no_cursor(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        Cursor.parse(text)
    assert refused.value.code == "INVALID_CURSOR"
    assert text == "" or text not in refused.value.detail or len(text) < 3


@given(st.text())
def test_a_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except Invalid:
        return
    assert str(cursor) == text


def test_a_fact_never_changes_and_is_closed() -> None:
    fact = Noted(text="once")
    with pytest.raises(ValidationError):
        fact.text = "twice"  # what the model refuses is what is tested
    with pytest.raises(ValidationError):
        Noted.model_validate({"text": "a", "more": 1})
    assert (fact.kind, fact.v) == ("test.noted", 1)
    assert fact.model_dump() == {"text": "once"}, "kind and version are the entry's, not data"


def test_positions_are_compared_transaction_first() -> None:
    assert (Position(1, 9).xid, Position(1, 9).number) < (Position(2, 1).xid, Position(2, 1).number)
