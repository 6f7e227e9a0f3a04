"""gather_with_concurrency: in order, bounded, nothing left behind."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.resilience.gather import gather_with_concurrency


@given(numbers=st.lists(st.integers(), max_size=20), limit=st.integers(1, 25))
async def test_results_stand_in_the_order_given_and_the_limit_holds(numbers: list[int], limit: int) -> None:
    inside = most = 0

    async def work(place: int, number: int) -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        for _ in range(-place % 5):  # the later ones may end first
            await asyncio.sleep(0)
        inside -= 1
        return number

    works = [work(place, number) for place, number in enumerate(numbers)]
    assert await gather_with_concurrency(limit, *works) == numbers
    assert most <= limit


async def forever(begun: list[str], ended: list[str], name: str) -> None:
    begun.append(name)
    try:
        await asyncio.Event().wait()
    finally:
        ended.append(name)


async def fail() -> None:
    raise ValueError("first")


async def test_the_first_error_cancels_the_rest_and_waits_for_them() -> None:
    begun: list[str] = []
    ended: list[str] = []
    with pytest.raises(ValueError, match="first"):
        # The third never gets a slot, and must not warn that it was never awaited (warnings are errors here).
        await gather_with_concurrency(2, forever(begun, ended, "a"), fail(), forever(begun, ended, "b"),
                                      forever(begun, ended, "c"))
    assert set(ended) == set(begun)
    assert len(asyncio.all_tasks()) == 1


async def test_with_return_exceptions_all_run_and_errors_stand_in_their_places() -> None:
    async def one() -> int:
        return 1

    results = await gather_with_concurrency(1, one(), fail(), one(), return_exceptions=True)
    assert (results[0], results[2]) == (1, 1)
    assert isinstance(results[1], ValueError)


async def test_cancelled_from_outside_it_leaves_nothing_running() -> None:
    begun: list[str] = []
    ended: list[str] = []
    task = asyncio.create_task(gather_with_concurrency(1, forever(begun, ended, "a"), forever(begun, ended, "b")))
    for _ in range(3):  # its own first step, the step of the first coroutine, one to spare
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (begun, ended) == (["a"], ["a"])


async def test_of_nothing_comes_nothing() -> None:
    assert await gather_with_concurrency(5) == []


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_below_one_is_refused_without_a_warning(limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        await gather_with_concurrency(limit, fail())
