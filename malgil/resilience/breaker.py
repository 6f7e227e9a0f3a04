"""The circuit breaker: stop calling what is broken, look now and then whether it works again.

    CLOSED ──(failure_threshold failures in a row)──► OPEN ──(recovery_timeout)──► HALF_OPEN
       ▲                                               ▲                              │
       └───────────(a trial call succeeds)─────────────┼──────────────────────────────┤
                                                       └──────(a trial call fails)────┘
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal, TypedDict, TypeVar

T = TypeVar("T")

State = Literal["CLOSED", "OPEN", "HALF_OPEN"]


class CircuitOpen(Exception):
    """The call was not made. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the circuit is open for another {retry_after:.1f} s")
        self.retry_after = retry_after


class BreakerState(TypedDict):
    """`retry_after`: seconds until a trial call is let through; 0 when calls go through."""

    state: State
    failure_count: int
    success_count: int
    rejected_count: int
    retry_after: float


class AsyncCircuitBreaker:
    """Opens after `failure_threshold` failures in a row; after `recovery_timeout` seconds one trial call decides."""

    def __init__(
        self, failure_threshold: int = 5, recovery_timeout: float = 60.0, *,
        is_failure: Callable[[Exception], bool] = lambda error: True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_failure`: which errors speak against the callee (a 404 does not); the others count as success."""
        if failure_threshold < 1 or recovery_timeout <= 0:
            raise ValueError("failure_threshold must be at least 1 and recovery_timeout above 0")
        self._threshold = failure_threshold
        self._recovery = recovery_timeout
        self._is_failure = is_failure
        self._monotonic = monotonic
        self._failures = self._successes = self._rejected = 0
        self._open_until: float | None = None
        self._trial = False

    async def call(self, work: Coroutine[Any, Any, T] | Callable[[], Awaitable[T]]) -> T:
        """The result of `work`, a coroutine or a function that makes one. Raises CircuitOpen without starting it."""
        try:
            trial = self._enter()
        except CircuitOpen:
            if isinstance(work, Coroutine):
                work.close()
            raise
        try:
            result = await (work if isinstance(work, Coroutine) else work())
        except Exception as e:
            self._leave(trial, failed=self._is_failure(e))
            raise
        except asyncio.CancelledError:
            self._trial = self._trial and not trial  # says nothing about the callee; the next call may try
            raise
        self._leave(trial, failed=False)
        return result

    def get_state(self) -> BreakerState:
        """Where the breaker stands. `failure_count` is of failures in a row, the other counts since it was made."""
        return {
            "state": self._state(),
            "failure_count": self._failures,
            "success_count": self._successes,
            "rejected_count": self._rejected,
            "retry_after": self._wait(),
        }

    def _wait(self) -> float:
        return 0.0 if self._open_until is None else max(0.0, self._open_until - self._monotonic())

    def _state(self) -> State:
        if self._open_until is None:
            return "CLOSED"
        return "OPEN" if self._wait() > 0 else "HALF_OPEN"

    def _enter(self) -> bool:
        """Let a call in; whether it is the trial call."""
        state = self._state()
        if state == "OPEN" or (state == "HALF_OPEN" and self._trial):
            self._rejected += 1
            raise CircuitOpen(self._wait())
        self._trial = state == "HALF_OPEN"
        return self._trial

    def _leave(self, trial: bool, *, failed: bool) -> None:
        if trial:
            self._trial = False
        elif self._open_until is not None:
            return  # it began before the circuit opened: the trial call decides, not a straggler
        if not failed:
            self._successes += 1
            self._failures = 0
            self._open_until = None
            return
        self._failures += 1
        if trial or self._failures >= self._threshold:
            self._open_until = self._monotonic() + self._recovery
