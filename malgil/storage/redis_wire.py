"""One connection to Redis that is kept, and on which everything that is asked at the same time goes together.

While one round trip is under way the next questions gather (as in `storage.group_commit`): a crowd of requests opens no
crowd of connections, and costs a round trip or two. The connection mends itself; while it cannot, nobody waits.
"""

import asyncio
import random
from types import TracebackType
from typing import Any, Final, Self

from malgil.resilience.retry import RetryPolicy
from malgil.storage.redis import FAULTS, AbstractConnection, Redis, RedisConnectionError, ResponseError, side_connection

SILENCE_SECONDS: Final = 1.0
MOST: Final = 256
"""Commands in one round trip."""
_LOOKS: Final = 10
_BACKOFF: Final = RetryPolicy(worth=lambda error: True, base=0.05, most=1.0)

_Question = tuple[tuple[str | int, ...], "asyncio.Future[Any]"]


class RedisWire:
    """Use as a context manager: it is connected when that is entered, unless Redis is away. The client stays its own.

    Redis is taken for away when it refuses us, or is silent for `silence` seconds while this process listens. The
    process looks ten times in that time, and a look that came late because its own event loop was held up counts as
    one: a busy machine makes no dead Redis, and an answer that has come is used however late it is seen.
    """

    def __init__(self, client: Redis, *, silence: float = SILENCE_SECONDS) -> None:
        self._client = client
        self._silence = silence
        self._waiting: list[_Question] = []
        self._batch: list[_Question] = []
        self._work = asyncio.Event()
        self._open = False
        self._works = False
        self._failures = 0
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Return when Redis was reached, or has turned out to be away: a start does not depend on it."""
        self._task = asyncio.create_task(self._keep(), name="redis-wire")
        await self._tried.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._let_go(RedisConnectionError("the connection was closed"))

    async def ask(self, *command: str | int) -> Any:
        """Redis' answer. Raises ResponseError when that is an error, another of FAULTS when there is none.

        A command whose connection broke is sent once more on a new one, so it may have been done twice.
        """
        if not self._open:
            raise RedisConnectionError("Redis is away")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        self._work.set()
        return await answer

    async def _keep(self) -> None:
        """Serve on a connection, and on a new one whenever that breaks."""
        while True:
            try:
                connection = await side_connection(self._client)
                try:
                    self._open = True
                    self._tried.set()
                    await self._serve(connection)
                finally:
                    await connection.disconnect(nowait=True)
            except FAULTS as fault:
                if self._works and not isinstance(fault, TimeoutError):
                    self._works = False  # Redis was started again, say; what was under way goes out once more
                    continue
                self._let_go(fault)
            await asyncio.sleep(_BACKOFF.delay(self._failures, random.random()))
            self._failures += 1

    async def _serve(self, connection: AbstractConnection) -> None:
        while True:
            if not self._batch:
                await self._work.wait()
                self._batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                if not self._waiting:
                    self._work.clear()
            answers = await self._exchange(connection, [command for command, _ in self._batch])
            self._works, self._failures = True, 0
            answered, self._batch = self._batch, []
            for (_, future), answer in zip(answered, answers, strict=True):
                _settle(future, answer)

    async def _exchange(self, connection: AbstractConnection, commands: list[tuple[str | int, ...]]) -> list[Any]:
        talking = asyncio.create_task(_talk(connection, commands))
        try:
            for _ in range(_LOOKS):
                await asyncio.wait([talking], timeout=self._silence / _LOOKS)
                if talking.done():
                    return talking.result()
        finally:
            talking.cancel()
        raise TimeoutError(f"Redis was silent for {self._silence:g} s")

    def _let_go(self, fault: Exception) -> None:
        """Nobody waits for a Redis that is away."""
        self._open = self._works = False
        self._tried.set()
        waiting, self._batch, self._waiting = self._batch + self._waiting, [], []
        self._work.clear()
        for _, future in waiting:
            _settle(future, RedisConnectionError(str(fault) or type(fault).__name__))


async def _talk(connection: AbstractConnection, commands: list[tuple[str | int, ...]]) -> list[Any]:
    packed: Any = connection.pack_commands(commands)
    await connection.send_packed_command(packed)
    return [await _answer(connection) for _ in commands]


async def _answer(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _settle(future: "asyncio.Future[Any]", answer: Any) -> None:
    if future.done():
        return  # its caller has gone
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
