"""Health: named checks, run together, each with a limit of time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from malgil.kit.clock import Clock
from malgil.kit.errors import MalgilError

Status = Literal["healthy", "degraded", "unhealthy"]
Check = Callable[[], Awaitable[str | None]]

TIMEOUT_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class Degraded(Exception):
    """Raised by a check whose part works, but not as it should; its text is shown."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found. `detail` is for people and holds nothing of our inside."""

    status: Status
    latency_ms: float
    detail: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """All results, the worst of them, and the names that keep the server from being ready."""

    status: Status
    checks: dict[str, Result]
    failing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Registered:
    check: Check
    vital: bool
    timeout: float


class HealthChecks:
    """The checks of one application, in the order they were added."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._checks: dict[str, _Registered] = {}

    def add(self, name: str, check: Check, *, vital: bool = True, timeout: float = TIMEOUT_SECONDS) -> None:
        """`check` answers a detail or None, raises Degraded, or raises anything else when its part does not work.

        Without a part that is not `vital` the server is degraded, still ready. `timeout` is in seconds.
        """
        if name in self._checks:
            raise ValueError(f"there is a check {name!r} already")
        self._checks[name] = _Registered(check, vital, timeout)

    async def run(self) -> Report:
        """Run every check at once; takes at most the longest of their timeouts and never raises."""
        results = await asyncio.gather(*(self._one(name, one) for name, one in self._checks.items()))
        checks = dict(zip(self._checks, results, strict=True))
        failing = tuple(
            name for name, one in self._checks.items() if one.vital and checks[name].status == "unhealthy"
        )
        worst: Status = "healthy"
        if failing:
            worst = "unhealthy"
        elif any(result.status != "healthy" for result in results):
            worst = "degraded"
        return Report(worst, checks, failing)

    async def _one(self, name: str, registered: _Registered) -> Result:
        begun = self._clock.monotonic()
        status: Status = "unhealthy"
        detail: str | None
        try:
            async with asyncio.timeout(registered.timeout):
                detail = await registered.check()
            status = "healthy"
        except Degraded as e:
            status, detail = "degraded", str(e)
        except TimeoutError:
            detail = f"no answer within {registered.timeout:g} s"
        except MalgilError as e:
            detail = e.detail
        except Exception as e:
            _log.warning("health check %s failed", name, exc_info=e)
            detail = type(e).__name__
        return Result(status, round((self._clock.monotonic() - begun) * 1000, 2), detail)
