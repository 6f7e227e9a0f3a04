"""JSON as the product reads and writes it: UTF-8, no NaN, no lone surrogates (jiter refuses them)."""

from typing import Any

from pydantic_core import from_json, to_json


def dumps(value: Any) -> str:
    """`value` as compact JSON text; datetimes become RFC 3339, pydantic models their fields."""
    return to_json(value, inf_nan_mode="null").decode()


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for what is not JSON (NaN and Infinity included)."""
    return from_json(text, allow_inf_nan=False)
