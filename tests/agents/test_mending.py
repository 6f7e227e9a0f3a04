"""What a model gives is kept as it is, unless no store can keep it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.agents.mending import mended, mended_json
from malgil.kit import json
from malgil.kit.text import storable, storable_json

ANY_TEXT = st.text(st.characters(exclude_categories=[]))
ANY_JSON = st.recursive(
    ANY_TEXT | st.none() | st.booleans() | st.integers(-(2**40), 2**40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3), max_leaves=8,
)


@given(ANY_TEXT)
def test_whatever_comes_can_be_stored(text: str) -> None:
    assert storable(mended(text)) == mended(mended(text)) == mended(text)
    assert mended(text).encode().decode() == mended(text)


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_what_can_be_stored_is_left_alone(text: str) -> None:
    assert mended(text) == text


@pytest.mark.parametrize(("text", "kept"), [
    ("a\x00b", "a\ufffdb"), ("\x00\x00", "\ufffd\ufffd"), ("\ud800", "\ufffd"), ("a\udc00b", "a\ufffdb"),
    ("\ud800a", "\ufffda"), ("한\ud83d", "한\ufffd"), ("\ud83d\ude00", "😀"), ("\ude00\ud83d", "\ufffd\ufffd"),
    ("\ufeff안녕", "\ufeff안녕"), ("👩🏽\u200d💻", "👩🏽\u200d💻"), ("", ""),
])
def test_each_is_replaced_for_itself(text: str, kept: str) -> None:
    assert mended(text) == kept


@given(ANY_JSON)
def test_json_of_any_depth(value: Any) -> None:
    kept = mended_json(value)
    assert storable_json(kept) == kept
    assert json.loads(json.dumps(kept)) == kept
