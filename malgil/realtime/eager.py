"""Coroutines that are run at once, and become tasks only if they have to wait."""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


def start(coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
    """Run `coroutine` until it first waits. None when it never did; otherwise the task that does the rest.

    Sending to a socket that takes the bytes never waits, so a frame to a thousand listeners costs a thousand sends and
    not a thousand futures, wake-ups and task switches on top. (asyncio.eager_task_factory does this from 3.12 on, for
    a loop as a whole.) Until it first waits the coroutine runs as part of the caller: what it raises, the caller gets.
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    task = asyncio.create_task(_finish(_Rest(coroutine, awaited)))
    # A task cancelled before its first step never gets to the coroutine, which has begun and must be able to clean up.
    task.add_done_callback(lambda _: coroutine.close())
    return task


async def _finish(rest: "_Rest") -> None:
    await rest


class _Rest:
    """What is left of a coroutine that waits for `awaited`; behaves as if it had been awaited from the beginning."""

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = self._awaited
        while True:
            try:
                try:
                    value = yield awaited
                except GeneratorExit:
                    self._coroutine.close()
                    raise
                except BaseException as error:
                    awaited = self._coroutine.throw(error)
                else:
                    awaited = self._coroutine.send(value)
            except StopIteration:
                return
