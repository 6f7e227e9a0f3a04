"""`asyncio.gather` with a limit, that leaves nothing running behind."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar, overload

T = TypeVar("T")


@overload
async def gather_with_concurrency(
    limit: int, *coroutines: Coroutine[Any, Any, T], return_exceptions: Literal[False] = False
) -> list[T]: ...


@overload
async def gather_with_concurrency(
    limit: int, *coroutines: Coroutine[Any, Any, T], return_exceptions: bool
) -> list[T | BaseException]: ...


async def gather_with_concurrency(
    limit: int, *coroutines: Coroutine[Any, Any, T], return_exceptions: bool = False
) -> list[T] | list[T | BaseException]:
    """Run the coroutines, at most `limit` at a time; their results in the order given.

    The first error cancels the rest, waits for them to end and is raised; with `return_exceptions` every coroutine
    runs and its error stands in the place of its result. Cancelling the call cancels them all.
    """
    if limit < 1:
        for coroutine in coroutines:
            coroutine.close()
        raise ValueError(f"the limit must be at least 1, not {limit}")
    slots = asyncio.Semaphore(limit)

    async def run(coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            async with slots:
                return await coroutine
        finally:
            coroutine.close()  # one that never began would warn that nobody awaited it

    tasks = [asyncio.ensure_future(run(coroutine)) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks, return_exceptions=return_exceptions)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
