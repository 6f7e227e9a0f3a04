"""Text that may enter the product: any Unicode but NUL and lone surrogates, which no UTF-8 store can keep."""

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` itself; raises ValueError naming the position of a NUL or of a lone surrogate."""
    found = _UNSTORABLE.search(text)
    if found:
        what = "NUL" if found.group() == "\x00" else "lone surrogate"
        raise ValueError(f"text must not contain a {what} (at character {found.start()})")
    return text


def storable_json(value: Any) -> Any:
    """`value` itself when every string inside it, keys too, is storable and every number finite; else ValueError."""
    match value:
        case str():
            storable(value)
        case dict():
            for key, item in value.items():
                storable(key)
                storable_json(item)
        case list():
            for item in value:
                storable_json(item)
        case float() if not math.isfinite(value):
            raise ValueError("a number is too large")
        case _:
            pass
    return value


Text = Annotated[str, AfterValidator(storable)]
"""A request field of storable text."""

JsonObject = Annotated[dict[str, Any], AfterValidator(storable_json)]
"""A request field of free JSON that can be stored as it is."""
