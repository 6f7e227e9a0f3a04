"""The analyst: a child process that takes Korean texts apart (korean.py), so that nothing here stands still meanwhile.

It is started when it is first needed and again when it died, and sent away when nobody asked for a while. Who asks
while there is none is told so at once. A text over which two of them failed is one without words.
"""

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Self

from pydantic import TypeAdapter

from malgil.kit import json
from malgil.knowledge.terms import Unready, Words

COMMAND: Final = (sys.executable, "-m", "malgil.knowledge.korean")
AT_ONCE: Final = 1_000
"""Characters of one question, if it is not one longer text: little, so that others soon have their turn."""
LINE_MOST: Final = 1024 * 1024
TRIES: Final = 2

_WORDS = TypeAdapter(list[list[str]])

_log = logging.getLogger(__name__)


class _Failed(Exception):
    """The child did not do what it should, and is of no use any more."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a child to load, for an answer, until an idle child is sent away, after a start that failed."""

    loading: float = 60.0
    answer: float = 10.0
    idle: float = 600.0
    again: float = 5.0


@dataclass(eq=False, slots=True)
class _Question:
    texts: Sequence[str]
    answer: "asyncio.Future[Words]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    tries: int = 0


class Analyst:
    """Use as a context manager: at its end there is no child any more."""

    def __init__(self, command: Sequence[str] = COMMAND, patience: Patience | None = None) -> None:
        self._command = command
        self._patience = patience or Patience()
        self._waiting: asyncio.Queue[_Question] = asyncio.Queue()
        self._asked: _Question | None = None
        self._up = False
        self._life: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait([self._life])

    async def words(self, texts: Sequence[str]) -> Words:
        """The content words of each text. Raises Unready at once while there is no child; one is started then."""
        self._begin()
        if not self._up:
            raise Unready
        questions = [_Question(some) for some in _parted(texts)]
        for question in questions:
            self._waiting.put_nowait(question)
        answers = await asyncio.gather(*(question.answer for question in questions))
        return [words for answer in answers for words in answer]

    async def ready(self) -> None:
        """Wait for the child. Raises Unready when that takes too long."""
        try:
            async with asyncio.timeout(self._patience.loading):
                while not self._up:
                    self._begin()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise Unready from None

    def _begin(self) -> None:
        if self._life is None or self._life.done():
            self._life = asyncio.create_task(self._run(), name="analyst")

    async def _run(self) -> None:
        """One child after the other, until nobody asks any more or none can be started."""
        try:
            while await self._wanted_again():
                pass
        finally:
            self._refuse()

    async def _wanted_again(self) -> bool:
        """The life of one child; whether another one is wanted."""
        try:
            async with self._child() as child:
                self._up = True
                while (question := self._asked or await self._next()) is not None:
                    self._asked = question
                    await self._ask(child, question)
                    self._asked = None
                self._up = False  # before it is sent away, which takes its time
            return False
        except _Failed as e:
            _log.warning("the analyst of Korean text failed: %s", e)
            if self._up:
                self._up = False
                self._blame()
                return True
            self._refuse()
            await asyncio.sleep(self._patience.again)
            return False
        finally:
            self._up = False

    async def _next(self) -> _Question | None:
        try:
            async with asyncio.timeout(self._patience.idle):
                return await self._waiting.get()
        except TimeoutError:
            return None

    async def _ask(self, child: Process, question: _Question) -> None:
        if question.answer.done():
            return  # who asked has gone
        assert child.stdin is not None
        try:
            async with asyncio.timeout(self._patience.answer):
                child.stdin.write(json.dumps(question.texts).encode() + b"\n")
                await child.stdin.drain()
        except (OSError, TimeoutError) as e:
            raise _Failed("it does not listen") from e
        words = await _heard(child, self._patience.answer)
        if len(words) != len(question.texts):
            raise _Failed("it answers something else")
        if not question.answer.done():
            question.answer.set_result(words)

    def _blame(self) -> None:
        """The child may have failed because of what it was asked: that is asked once more, not for ever."""
        question = self._asked
        if question is None:
            return
        question.tries += 1
        if question.tries >= TRIES:
            self._asked = None
            if not question.answer.done():
                question.answer.set_result([[] for _ in question.texts])

    def _refuse(self) -> None:
        """Nobody is there to answer what is waiting."""
        waiting = [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]
        for question in [self._asked, *waiting]:
            if question is not None and not question.answer.done():
                question.answer.set_exception(Unready())
        self._asked = None

    @asynccontextmanager
    async def _child(self) -> AsyncIterator[Process]:
        try:
            # In a session of its own: Ctrl-C is for its parent, with which it ends.
            child = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, limit=LINE_MOST, start_new_session=True
            )
        except OSError as e:
            raise _Failed(f"it cannot be started: {e}") from e
        try:
            if await _heard(child, self._patience.loading):
                raise _Failed("it begins with something else")
            yield child
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _heard(child: Process, seconds: float) -> list[list[str]]:
    """What the child says next."""
    assert child.stdout is not None
    try:
        async with asyncio.timeout(seconds):
            return _WORDS.validate_json(await child.stdout.readline())
    except TimeoutError as e:
        raise _Failed("it says nothing") from e
    except ValueError as e:
        # It has died, it says what is no answer, or it does not end its line.
        raise _Failed("it makes no sense") from e


def _parted(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    part: list[str] = []
    length = 0
    for text in texts:
        if part and length + len(text) > AT_ONCE:
            yield part
            part, length = [], 0
        part.append(text)
        length += len(text)
    if part:
        yield part
