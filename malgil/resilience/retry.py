"""Trying again: exponential backoff with full jitter, so that clients of one failed server do not return together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`retries` more attempts after the first; waits of a random share of base, 2·base, 4·base, …, at most `most`.

    Times are in seconds. `worth` says which errors may pass by themselves: connection errors, 429 and 5xx, not a 400.
    """

    worth: Callable[[Exception], bool]
    retries: int = 3
    base: float = 1.0
    most: float = 30.0

    async def run(
        self, work: Callable[[], Awaitable[T]], *, random: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> T:
        """The result of the first attempt that succeeds; otherwise the error of the last. `random` gives 0 ≤ r < 1."""
        for attempt in range(self.retries):
            try:
                return await work()
            except Exception as e:
                if not self.worth(e):
                    raise
            await sleep(self.delay(attempt, random()))
        return await work()

    def delay(self, attempt: int, share: float) -> float:
        """Seconds to wait after the failure of `attempt` (0 for the first), for a random `share` between 0 and 1."""
        # The exponent is held down: 2.0 ** 1100 would be an OverflowError long after `most` has decided.
        return share * min(self.most, self.base * 2.0 ** min(attempt, 64))
