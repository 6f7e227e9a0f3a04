"""RetryPolicy: only what may pass by itself is tried again, after waits that grow and differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.resilience.retry import RetryPolicy

POLICY = RetryPolicy(worth=lambda e: isinstance(e, ConnectionError), retries=3, base=1.0, most=5.0)


class Flaky:
    """Fails with the given errors, one an attempt, then answers how many attempts it took."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.attempts = 0

    async def __call__(self) -> int:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.attempts


async def waits_of(policy: RetryPolicy, work: Flaky, share: float = 1.0) -> tuple[int | Exception, list[float]]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    try:
        return await policy.run(work, random=lambda: share, sleep=sleep), waits
    except Exception as e:
        return e, waits


async def test_the_first_success_ends_it() -> None:
    assert await waits_of(POLICY, Flaky()) == (1, [])
    assert await waits_of(POLICY, Flaky(ConnectionError(), ConnectionError())) == (3, [1.0, 2.0])


async def test_after_the_last_attempt_its_error_is_raised() -> None:
    last = ConnectionError("fourth")
    work = Flaky(*(ConnectionError() for _ in range(3)), last)
    assert await waits_of(POLICY, work) == (last, [1.0, 2.0, 4.0])
    assert work.attempts == 4


async def test_errors_that_will_not_pass_are_not_tried_again() -> None:
    fatal = ValueError("400")
    work = Flaky(ConnectionError(), fatal)
    assert await waits_of(POLICY, work) == (fatal, [1.0])
    assert work.attempts == 2


async def test_without_retries_there_is_one_attempt() -> None:
    work = Flaky(ConnectionError())
    result, waits = await waits_of(RetryPolicy(worth=POLICY.worth, retries=0), work)
    assert isinstance(result, ConnectionError)
    assert (work.attempts, waits) == (1, [])


@given(attempt=st.integers(0, 10_000), share=st.floats(0, 1))
def test_a_wait_is_a_share_of_a_growing_bounded_time(attempt: int, share: float) -> None:
    assert 0 <= POLICY.delay(attempt, share) <= min(5.0, 2.0 ** min(attempt, 10))


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 0.5), (1, 1.0), (2, 2.0), (3, 2.5), (9, 2.5)])
def test_the_times_double_up_to_the_most(attempt: int, seconds: float) -> None:
    assert POLICY.delay(attempt, 0.5) == seconds
