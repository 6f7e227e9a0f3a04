"""A limit of time with something to fall back on."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
D = TypeVar("D")


def run_with_timeout(
    coroutine: Awaitable[T], timeout: float = 5.0, default: D | None = None
) -> Coroutine[Any, Any, T | D | None]:
    """Await it: the result of `coroutine`, or `default` when that takes longer than `timeout` seconds (cancelled then).

    Its own errors are raised, a TimeoutError of its own among them.
    """
    return _run(coroutine, timeout, default)


async def _run(coroutine: Awaitable[T], seconds: float, default: D | None) -> T | D | None:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await coroutine
    except TimeoutError:
        if limit.expired():
            return default
        raise
