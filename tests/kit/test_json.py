"""JSON: exact both ways, and strict about what is not JSON."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from malgil.kit import json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_there_and_back(value: object) -> None:
    assert json.loads(json.dumps(value)) == value


def test_it_is_compact_and_keeps_korean() -> None:
    assert json.dumps({"말": [1, "길"]}) == '{"말":[1,"길"]}'


def test_moments_and_models() -> None:
    class Point(BaseModel):
        x: int

    assert json.dumps({"at": datetime(2026, 1, 1, tzinfo=UTC), "p": Point(x=1)}) == (
        '{"at":"2026-01-01T00:00:00Z","p":{"x":1}}'
    )


def test_what_is_no_number_becomes_null() -> None:
    assert json.dumps([float("nan"), float("inf")]) == "[null,null]"


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "-Infinity", "{'a': 1}", '"\\ud800"', b"\xff", "1 2"])
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        json.loads(text)
