"""Ids: opaque strings with a type prefix that sort by creation time (http-api.md).

The body is a ULID (48 bits of milliseconds, 80 of randomness, Crockford base 32), lower-cased and made
monotonic inside one process: two ids of one millisecond still sort in the order they were made.
"""

import secrets
import threading
from typing import NewType, Protocol

from malgil.kit.clock import Clock

SessionId = NewType("SessionId", str)
MessageId = NewType("MessageId", str)
TurnId = NewType("TurnId", str)
UserId = NewType("UserId", str)
TenantId = NewType("TenantId", str)
CallId = NewType("CallId", str)

SESSION = "sess"
MESSAGE = "msg"
TURN = "turn"
TRACE = "trace"
CALL = "call"
CONNECTION = "conn"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Two characters at a time: ids are made several times a message.
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_RANDOM_BITS = 80


class Ids(Protocol):
    """Where new ids come from; passed in, so that tests can know them beforehand."""

    def new(self, prefix: str) -> str:
        """A fresh id `<prefix>_<26 characters>`, greater than every id made before it here."""
        ...


class UlidIds:
    """Ids made from the clock and the system's randomness."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def new(self, prefix: str) -> str:
        millis = int(self._clock.now().timestamp() * 1000)
        value = (millis << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        with self._lock:
            # Same or earlier millisecond than last time (clocks step back): count on from the last id.
            value = value if value > self._last else self._last + 1
            self._last = value
        return f"{prefix}_{_base32(value)}"


def _base32(value: int) -> str:
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])
