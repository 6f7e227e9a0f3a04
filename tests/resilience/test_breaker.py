"""The circuit breaker: closed, open, one trial, closed again."""

import asyncio
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from malgil.resilience.breaker import AsyncCircuitBreaker, CircuitOpen
from tests.fixtures.time import FakeClock


@pytest.fixture
def breaker(clock: FakeClock) -> AsyncCircuitBreaker:
    return AsyncCircuitBreaker(failure_threshold=3, recovery_timeout=60.0, monotonic=clock.monotonic)


async def work() -> str:
    return "done"


async def fail() -> str:
    raise ConnectionError("down")


async def failing(breaker: AsyncCircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError):
            await breaker.call(fail)


async def test_it_takes_a_coroutine_or_a_function(breaker: AsyncCircuitBreaker) -> None:
    assert await breaker.call(work) == "done"
    assert await breaker.call(work()) == "done"
    assert breaker.get_state() == {
        "state": "CLOSED", "failure_count": 0, "success_count": 2, "rejected_count": 0, "retry_after": 0.0,
    }


async def test_failures_in_a_row_open_it_and_nothing_is_started_then(breaker: AsyncCircuitBreaker) -> None:
    await failing(breaker, 2)
    await breaker.call(work)  # the row is broken
    await failing(breaker, 3)
    assert breaker.get_state()["state"] == "OPEN"
    with pytest.raises(CircuitOpen) as caught:
        await breaker.call(work())  # closed unawaited, without a warning
    assert caught.value.retry_after == 60.0
    assert breaker.get_state()["rejected_count"] == 1


async def test_after_a_while_one_trial_decides(breaker: AsyncCircuitBreaker, clock: FakeClock) -> None:
    await failing(breaker, 3)
    clock.advance(59.9)
    assert breaker.get_state()["state"] == "OPEN"
    clock.advance(0.1)
    assert breaker.get_state()["state"] == "HALF_OPEN"
    await failing(breaker, 1)
    assert breaker.get_state()["state"] == "OPEN"
    clock.advance(60)
    assert await breaker.call(work) == "done"
    assert breaker.get_state()["state"] == "CLOSED"


async def test_only_one_trial_at_a_time(breaker: AsyncCircuitBreaker, clock: FakeClock) -> None:
    await failing(breaker, 3)
    clock.advance(60)
    go = asyncio.Event()
    trial = asyncio.create_task(breaker.call(go.wait))
    await asyncio.sleep(0)
    with pytest.raises(CircuitOpen):
        await breaker.call(work)
    go.set()
    await trial
    assert await breaker.call(work) == "done"


async def test_a_cancelled_trial_lets_the_next_one_try(breaker: AsyncCircuitBreaker, clock: FakeClock) -> None:
    await failing(breaker, 3)
    clock.advance(60)
    trial = asyncio.create_task(breaker.call(asyncio.Event().wait))
    await asyncio.sleep(0)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert breaker.get_state()["state"] == "HALF_OPEN"
    assert await breaker.call(work) == "done"


@pytest.mark.parametrize("succeeds", [True, False])
async def test_a_straggler_of_before_neither_closes_nor_prolongs(
    breaker: AsyncCircuitBreaker, clock: FakeClock, succeeds: bool
) -> None:
    go = asyncio.Event()

    async def slow() -> None:
        await go.wait()
        if not succeeds:
            raise ConnectionError

    straggler = asyncio.create_task(breaker.call(slow))
    await asyncio.sleep(0)
    await failing(breaker, 3)
    clock.advance(30)
    go.set()
    await asyncio.wait([straggler])
    assert straggler.exception() is None or not succeeds
    assert breaker.get_state()["retry_after"] == 30.0


async def test_errors_that_are_not_the_callees_fault_do_not_count(clock: FakeClock) -> None:
    breaker = AsyncCircuitBreaker(1, is_failure=lambda e: not isinstance(e, KeyError), monotonic=clock.monotonic)

    async def not_found() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await breaker.call(not_found)
    assert breaker.get_state()["state"] == "CLOSED"


@pytest.mark.parametrize("bad", [{"failure_threshold": 0}, {"recovery_timeout": 0.0}, {"recovery_timeout": -1.0}])
def test_senseless_limits_are_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        AsyncCircuitBreaker(**bad)


class Machine(RuleBasedStateMachine):
    """Against a model in three lines: failures in a row, and the time it opened."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.breaker = AsyncCircuitBreaker(3, 10.0, monotonic=self.clock.monotonic)
        self.row = 0
        self.opened: float | None = None

    def lets_through(self) -> bool:
        return self.opened is None or self.clock.monotonic() >= self.opened + 10

    @rule(fails=st.booleans())
    def call(self, fails: bool) -> None:
        async def attempt() -> str:
            try:
                return await self.breaker.call(fail if fails else work)
            except ConnectionError:
                return "failed"
            except CircuitOpen:
                return "rejected"

        through = self.lets_through()
        outcome = asyncio.run(attempt())
        assert outcome == (("failed" if fails else "done") if through else "rejected")
        if through and not fails:
            self.row, self.opened = 0, None
        elif through:
            self.row += 1
            if self.row >= 3 or self.opened is not None:
                self.opened = self.clock.monotonic()

    @rule(seconds=st.floats(0.1, 15))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def its_state_is_what_it_does(self) -> None:
        state = self.breaker.get_state()["state"]
        assert (state != "OPEN") == self.lets_through()
        assert (state == "CLOSED") == (self.opened is None)


def test_it_behaves_like_its_model() -> None:
    run_state_machine_as_test(Machine)
