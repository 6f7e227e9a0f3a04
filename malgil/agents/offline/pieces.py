"""Text in pieces of a wanted size that never part what a reader sees as one character."""

import unicodedata
from collections.abc import Iterator

_JOINER = "‍"
_GLUED = frozenset({"Mn", "Me", "Mc"})


def pieces(text: str, size: int) -> Iterator[str]:
    """The text in pieces of `size` characters or, where that would part a grapheme, some more."""
    begin = 0
    while begin < len(text):
        end = begin + size
        while end < len(text) and _together(text, end):
            end += 1
        yield text[begin:end]
        begin = end


def _together(text: str, at: int) -> bool:
    """Whether the characters before and at `at` belong to one grapheme (an approximation of UAX 29)."""
    before, after = text[at - 1], text[at]
    if before == "\r" and after == "\n":
        return True
    if _JOINER in (before, after) or unicodedata.category(after) in _GLUED:
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "ᅠ" <= after <= "ᇿ" or "\U000e0020" <= after <= "\U000e007f":
        return True
    return _flag(before) and _flag(after) and _flags_before(text, at) % 2 == 1


def _flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> int:
    start = at
    while start > 0 and _flag(text[start - 1]):
        start -= 1
    return at - start
