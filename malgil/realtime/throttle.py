"""How often a client may speak: a transport asks before it carries out a frame. App answers from the limits."""

from typing import Final, Protocol

from malgil.access.model import Caller

CREATE: Final = "create"
"""What is asked about, as the type of no frame, before a session of the client's own naming is made."""


class Throttle(Protocol):
    """Counts frames. Never raises."""

    async def allow(self, caller: Caller, connection_id: str, kind: str) -> float | None:
        """Count a frame of the type `kind`; None, or the seconds after which it may come again."""
        ...


class NoThrottle:
    """Lets everything through."""

    async def allow(self, caller: Caller, connection_id: str, kind: str) -> float | None:
        return None
