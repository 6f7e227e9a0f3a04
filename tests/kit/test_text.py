"""Text that a database can keep."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from malgil.kit.text import JsonObject, Text, storable, storable_json


class Form(BaseModel):
    text: Text = ""
    data: JsonObject = {}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_other_text_is_kept_as_it_is(text: str) -> None:
    assert storable(text) == text
    assert text.encode().decode() == text


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "말\udfff길"])
def test_nul_and_lone_surrogates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at character"):
        storable(text)
    with pytest.raises(ValidationError):
        Form(text=text)


def test_the_place_is_named() -> None:
    with pytest.raises(ValueError, match=r"a NUL \(at character 2\)"):
        storable("ab\0")
    with pytest.raises(ValueError, match=r"a lone surrogate \(at character 1\)"):
        storable("말\ud800")


@pytest.mark.parametrize("value", [{"a": "\0"}, {"\0": 1}, {"a": [{"b": ["\ud800"]}]}, {"a": [float("inf")]}])
def test_strings_at_any_depth_are_looked_at(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        storable_json(value)
    with pytest.raises(ValidationError):
        Form(data=value)


def test_good_json_is_kept() -> None:
    value = {"a": [1, None, 2.5, True, {"말": "길 👩‍👩‍👧"}]}
    assert storable_json(value) == value
    assert Form(data=value).data == value
