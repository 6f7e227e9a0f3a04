"""How often a client may speak: a transport asks before it carries out a frame. App answers from the limits."""

from typing import Protocol

from malgil.access.model import Caller


class Throttle(Protocol):
    """Counts frames. Never raises."""

    async def allow(self, caller: Caller, connection_id: str, kind: str) -> float | None:
        """Count a frame of that `type`; None, or the seconds after which it may come again."""
        ...


class NoThrottle:
    """Lets everything through."""

    async def allow(self, caller: Caller, connection_id: str, kind: str) -> float | None:
        return None
