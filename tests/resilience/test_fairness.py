"""The fair limiter: nobody's many keep the others out, and nobody waits longer than they want."""

import asyncio
import gc
from collections import Counter

import pytest

from malgil.resilience.fairness import Crowded, FairLimiter


async def test_of_each_key_one_and_never_more_than_agreed() -> None:
    limiter = FairLimiter(2)
    inside: Counter[str] = Counter()
    seen: list[Counter[str]] = []

    async def work(key: str) -> None:
        async with limiter.acquire(key):
            inside[key] += 1
            seen.append(inside.copy())
            await asyncio.sleep(0.001)
            inside[key] -= 1

    await asyncio.gather(*(work(key) for key in "aaaabbbcd"))
    assert len(seen) == 9
    assert max(one.total() for one in seen) == 2
    assert max(max(one.values()) for one in seen) == 1


async def test_many_of_one_key_keep_nobody_out() -> None:
    limiter = FairLimiter(2)
    leave = asyncio.Event()

    async def work() -> None:
        async with limiter.acquire("many"):
            await leave.wait()

    tasks = [asyncio.create_task(work()) for _ in range(10)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5), limiter.acquire("one"):
        assert not any(task.done() for task in tasks)
    leave.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("key", ["same", "other"])
async def test_who_waits_too_long_goes_and_leaves_the_place(key: str) -> None:
    limiter = FairLimiter(1)
    async with limiter.acquire("same"):
        with pytest.raises(Crowded):
            async with limiter.acquire(key, within=0.01):
                raise AssertionError("there is no place")
    async with limiter.acquire(key, within=5):
        pass


async def test_a_timeout_of_the_block_is_the_blocks_own() -> None:
    limiter = FairLimiter(1)
    with pytest.raises(TimeoutError):
        async with limiter.acquire("a", within=5):
            raise TimeoutError
    async with limiter.acquire("a", within=5):
        pass


async def test_who_is_cancelled_leaves_the_place_and_keys_are_forgotten() -> None:
    limiter = FairLimiter(1)

    async def work(key: str) -> None:
        async with limiter.acquire(key):
            raise AssertionError("there was no place")

    async with limiter.acquire("a"):
        waiting = [asyncio.create_task(work(key)) for key in "ab"]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    async with limiter.acquire("b", within=5):
        pass
    del waiting, task
    await asyncio.sleep(0)
    gc.collect()
    assert len(limiter._turns) == 0
