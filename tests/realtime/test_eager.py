import asyncio
import gc

import pytest

from malgil.realtime.eager import start


async def test_what_never_waits_never_becomes_a_task() -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    assert start(work()) is None
    assert done == [1]


async def test_what_waits_goes_on_as_a_task() -> None:
    gate, done = asyncio.Event(), []

    async def work() -> None:
        done.append("began")
        await gate.wait()
        await asyncio.sleep(0)
        done.append("ended")

    task = start(work())
    assert task is not None
    assert done == ["began"]
    gate.set()
    await task
    assert done == ["began", "ended"]


async def test_errors_go_to_the_caller_before_the_first_wait_and_to_the_task_after_it() -> None:
    async def early() -> None:
        raise ValueError("early")

    async def late() -> None:
        await asyncio.sleep(0)
        raise ValueError("late")

    with pytest.raises(ValueError, match="early"):
        start(early())
    task = start(late())
    assert task is not None
    with pytest.raises(ValueError, match="late"):
        await task


@pytest.mark.parametrize("rounds", [0, 1, 3])
async def test_a_cancelled_task_cleans_up(rounds: int) -> None:
    cleaned: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    task = start(work())
    assert task is not None
    for _ in range(rounds):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()
    assert cleaned == [True]


async def test_a_wait_that_is_over_before_the_task_begins() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    got: list[int] = []

    async def work() -> None:
        got.append(await future)

    task = start(work())
    future.set_result(7)
    assert task is not None
    await task
    assert got == [7]


async def test_errors_of_what_is_awaited_reach_the_coroutine() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    caught: list[str] = []

    async def work() -> None:
        try:
            await future
        except OSError as error:
            caught.append(str(error))

    task = start(work())
    future.set_exception(OSError("gone"))
    assert task is not None
    await task
    assert caught == ["gone"]
