"""Masking: what must never be read in a log, taken out of text and of values however deep.

Better too much than too little: a masked harmless word costs a moment, a readable password costs an account.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

HIDDEN: Final = "***"
MOST_DEPTH: Final = 8

_WORDS: Final = (
    r"password|passwd|passphrase|secret|secret[_-]?key|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|encryption[_-]?key|authorization|cookie|credential"
)
_SECRET_NAME: Final = re.compile(rf"(?:{_WORDS})s?$", re.IGNORECASE)

# In this order: the later ones may not eat the beginnings of the earlier ones. Every pattern begins with a literal or
# behind a boundary, or looks ahead a bounded way, so none goes quadratic on a long run of letters.
_RULES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # scheme://user:password@host; up to the last @, because a raw password may hold any sign
    (re.compile(r"(?<![\w+.-])([a-z][\w+.-]{0,30}://[^\s:/@]{0,200}:)[^\s\"'<>]{0,500}@", re.IGNORECASE),
     rf"\1{HIDDEN}@"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"(?<![\w-])ey[\w-]{8,}\.[\w-]+(?:\.[\w-]*)+"), HIDDEN),
    (re.compile(r"(?<![A-Za-z0-9])(?:mk_|sk-|gh[pousr]_|xox[abeprs]-|AKIA|AIza)[\w-]{8,}"), HIDDEN),
    (re.compile(rf"({_WORDS})(s?\\?[\"']?\s*[=:]\s*)(\\?\"[^\"]*\"|'[^']*'|[^\s&\"',;)}}\]]+)", re.IGNORECASE),
     rf"\1\2{HIDDEN}"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"(?<![\w.+%-])([\w+%-])[\w.+%-]*@([\w-]+(?:\.[\w-]+)+)"), rf"\1{HIDDEN}@\2"),
)


def mask_text(text: str) -> str:
    """`text` without tokens, keys, passwords, and with e-mail addresses as `a***@example.com`."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def mask(value: Any, depth: int = 0) -> Any:
    """`value` as JSON-able data with everything secret masked; a foreign object becomes its masked repr."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return mask_text(value)
        case _ if depth >= MOST_DEPTH:
            return mask_text(repr(value))
        case Mapping():
            return {mask_text(str(key)): mask_item(str(key), item, depth + 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [mask(item, depth + 1) for item in value]
        case date():
            return value.isoformat()
        case _:
            return mask_text(repr(value))


def mask_item(name: str, value: Any, depth: int = 0) -> Any:
    """A named value: hidden whole when its name says that it is a secret."""
    is_count = isinstance(value, int | float) and name.lower().endswith("tokens")
    if value is not None and _SECRET_NAME.search(name) and not is_count:
        return HIDDEN
    return mask(value, depth)
