"""Errors as a WebSocket client sees them: close codes for what ends a connection, `error` frames for what does not."""

import math

from malgil.kit import json
from malgil.kit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    MalgilError,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedType,
)
from malgil.realtime.errors import Gone, Resync

TOO_MANY_FAULTS = 1008
INTERNAL = 1011
GOING_AWAY = 1012
FULL = 1013
SLOW = 4001
RESYNC = 4002
SILENT = 4003
EXPIRED = 4006
NOT_FOUND = 4404

# The first class that fits decides, so the narrower ones stand first.
_CLOSE_CODES: list[tuple[type[MalgilError], int]] = [
    (Unauthenticated, 4401),
    (Forbidden, 4403),
    (Gone, 4410),
    (NotFound, NOT_FOUND),
    (Invalid, NOT_FOUND),  # an id that no session can have
    (RateLimited, 4429),
    (Resync, RESYNC),
    (Unavailable, FULL),
]

_CODES: list[tuple[type[MalgilError], str]] = [
    (RateLimited, "RATE_LIMIT"),
    (Invalid, "INVALID_MESSAGE"),
    (UnsupportedType, "INVALID_MESSAGE"),
    (TooLarge, "TOO_LARGE"),
    (NotFound, "NOT_FOUND"),
    (Forbidden, "FORBIDDEN"),
    (Unauthenticated, "FORBIDDEN"),
    (Conflict, "BUSY"),
]

_PUBLIC = frozenset({"SESSION_ARCHIVED", "AGENT_UNAVAILABLE"})
"""Codes of single errors that are frame codes too."""


def close_code(error: MalgilError) -> int:
    """With which code a connection ends that `error` refuses."""
    if error.code == Gone.code:
        return 4410
    return next((code for kind, code in _CLOSE_CODES if isinstance(error, kind)), INTERNAL)


def error_frame(error: MalgilError, frame: dict[str, object] | None = None) -> str:
    """The `error` frame for what became of `frame`; names its client_message_id so that the sender knows which."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "INTERNAL")
    reply: dict[str, object] = {"type": "error", "code": code, "message": error.detail}
    if error.code in _PUBLIC:
        reply["code"] = error.code
    if isinstance(error, RateLimited | Unavailable):
        reply["retry_after"] = math.ceil(error.retry_after * 1000)
    if frame and frame.get("client_message_id") is not None:
        reply["client_message_id"] = frame["client_message_id"]
    return json.dumps(reply)


def close_reason(text: str) -> str:
    """`text` cut to what a close frame can hold: 123 bytes."""
    return text.encode()[:123].decode(errors="ignore")
