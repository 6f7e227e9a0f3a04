"""The pen of one attempt: what the model gives becomes pieces in the log.

The first piece goes at once; after that one goes every 40 ms, at 1 KiB, or at a block's end (realtime.md). One piece
is under way at a time, so pieces keep their order while pieces of many sessions share one commit.
"""

import asyncio
from collections.abc import Sequence

from malgil.agents.mending import mended
from malgil.agents.model import Turn
from malgil.agents.settings import TurnSettings
from malgil.kit import failpoints
from malgil.log.model import Entry, Piece
from malgil.log.scribe import Scribe
from malgil.storage.database import Database, UnitOfWork
from malgil.storage.group_commit import GroupCommit

PieceCommits = GroupCommit[Piece, Entry]
"""Where the pieces of all the answers that are being made here become one transaction after the other."""


def piece_commits(database: Database, scribe: Scribe) -> PieceCommits:
    """The group commit of pieces; a piece with an old fence is refused alone."""

    async def write(uow: UnitOfWork, pieces: Sequence[Piece]) -> list[Entry | Exception]:
        failpoints.reach("pieces.before_append")
        return await scribe.record_pieces(uow, pieces)

    return GroupCommit(database, write)


class AnswerWriter:
    """Buffers text and logs it under the turn's fence, each piece as it stood when its time came.

    `text` is what the answer begins with, `index` that of the next piece: it counts on within an attempt.
    """

    def __init__(
        self, pieces: PieceCommits, turn: Turn, settings: TurnSettings, *, text: str, index: int = 0
    ) -> None:
        self._pieces = pieces
        self._turn = turn
        self._settings = settings
        self._said = [text] if text else []
        self._offset = len(text)
        self.index = index
        self._buffer: list[str] = []
        self._size = 0
        self._due: str | None = None
        self._ready = True
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._failure: Exception | None = None
        self._task = asyncio.create_task(self._run(), name="answer-writer")

    @property
    def text(self) -> str:
        """The whole answer as given so far."""
        return "".join(self._said)

    def write(self, text: str) -> None:
        """Take text from the model. Raises what the log said (Fenced, Unavailable) to an earlier piece."""
        if self._failure is not None:
            raise self._failure
        if not text:
            return
        clean = mended(text)
        self._said.append(clean)
        self._buffer.append(clean)
        self._size += len(clean)
        self._idle.clear()
        if self._ready:
            # The first piece is what there is now, not what a model that never waits will have added by the time
            # that our task runs: the first word is to be seen at once.
            self._ready = False
            self._due = self._take()
            self._wake.set()
        elif self._size >= self._settings.flush_size:
            self._hurry.set()

    async def flush(self) -> None:
        """Return when everything written is in the log. Raises Fenced when the turn has been taken over."""
        if self._buffer:
            self._hurry.set()
        await self._idle.wait()
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Stop; text that has not been flushed is not logged."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def _take(self) -> str:
        content = "".join(self._buffer)
        self._buffer, self._size = [], 0
        return content

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                await self._log(self._due or self._take())
                self._due = None
                if not self._buffer:
                    self._idle.set()
                await self._pause()
                if not self._buffer:
                    self._wake.clear()
                    self._ready = True
        except Exception as e:
            self._failure = e
            self._idle.set()

    async def _log(self, content: str) -> None:
        failpoints.reach("turn.before_append")
        turn = self._turn
        await self._pieces.submit(Piece(
            turn.session_id, turn.fence, turn.answer_id, turn.attempt, self.index, self._offset, content
        ))
        self._offset += len(content)
        self.index += 1

    async def _pause(self) -> None:
        try:
            # Not wait_for: before Python 3.12 it swallows a cancellation that comes together with the hurry.
            async with asyncio.timeout(self._settings.flush_every):
                await self._hurry.wait()
        except TimeoutError:
            return
        finally:
            self._hurry.clear()
