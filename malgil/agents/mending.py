"""What a model gives, as it may enter the log: no store can keep NUL and lone surrogates."""

from typing import Any

REPLACEMENT = "\ufffd"


def mended(text: str) -> str:
    """`text` with each NUL and lone surrogate replaced; a pair of surrogates becomes the character it stands for."""
    if "\x00" not in text and text.isascii():
        return text
    return text.replace("\x00", REPLACEMENT).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def mended_json(value: Any) -> Any:
    """A JSON value with every string in it mended, keys too."""
    match value:
        case str():
            return mended(value)
        case dict():
            return {mended(key): mended_json(item) for key, item in value.items()}
        case list():
            return [mended_json(item) for item in value]
        case _:
            return value
