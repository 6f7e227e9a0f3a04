"""The limits as sockets keep them: messages with those of every other door, other frames by the connection."""

from typing import Final

from malgil.access.allowances import Rules
from malgil.access.limits import Ask, MemoryLimiter, Rule
from malgil.access.model import Caller
from malgil.app.limits import Limits, subject
from malgil.kit.clock import Clock
from malgil.realtime.throttle import CREATE

_MESSAGES: Final = frozenset({"message", "file"})
# Generous: against a client that has gone wild, not against people. A resume reads the log, the others touch little.
_RESUMES: Final = Rule("resume", 30)
_FRAMES: Final = Rule("frames", 1200)


class FrameThrottle:
    """The Throttle of `malgil.realtime`. A connection's own frames concern this process only."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._connections = MemoryLimiter(clock.monotonic)

    async def allow(self, caller: Caller, connection_id: str, kind: str) -> float | None:
        """None, or the seconds to wait."""
        rules = self._shared(caller, kind)
        if rules is not None:
            key = subject(caller)
            decisions = await self._limits.limiter.take_all([Ask(key, rule) for rule in rules])
        else:
            rule = _RESUMES if kind == "resume" else _FRAMES
            decisions = self._connections.decide((Ask(connection_id, rule),))
        allowed = all(one.allowed for one in decisions)
        self._limits.tally.count(allowed=allowed)
        return None if allowed else max(one.retry_after for one in decisions)

    def _shared(self, caller: Caller, kind: str) -> Rules | None:
        """The rules that hold at other doors too; None: the connection's own do."""
        if kind in _MESSAGES:
            return self._limits.allowed.of_message(caller.roles)
        if kind == CREATE:
            return self._limits.allowed.of_request("POST", "/api/chat/sessions", caller.roles)
        return None
