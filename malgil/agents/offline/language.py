"""In which of its two languages the offline model answers."""

import re
from collections.abc import Iterable
from typing import Literal

Language = Literal["ko", "en"]

_HANGUL = re.compile("[ᄀ-ᇿ㄰-㆏가-힣]")
_LETTER = re.compile(r"[^\W\d_]")
_ENOUGH = 0.2
_LOOK = 2_000


def language_of(texts: Iterable[str], otherwise: Language) -> Language:
    """The language of the first text that has letters: Korean when a fifth of them is Hangul, else English."""
    for text in texts:
        letters = len(_LETTER.findall(text[:_LOOK]))
        if letters:
            return "ko" if len(_HANGUL.findall(text[:_LOOK])) >= _ENOUGH * letters else "en"
    return otherwise
