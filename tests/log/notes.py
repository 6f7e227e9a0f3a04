"""What the tests of the log write: two facts, pieces, and what a reader makes of them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import ClassVar

from malgil.log import actions, queries
from malgil.log.model import DELTA, Append, Entry, Fact, Piece
from malgil.storage.database import Database

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Noted(Fact):
    """Something to remember."""

    kind: ClassVar[str] = "test.noted"
    text: str


class Cut(Fact):
    """A message's text from `offset` on is void."""

    kind: ClassVar[str] = "test.cut"
    v: ClassVar[int] = 2
    message_id: str
    offset: int


@dataclass(frozen=True)
class View:
    """What a reader knows who has read up to some seq: the notes in order, and the messages' texts."""

    notes: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)

    def apply(self, entry: Entry) -> "View":
        data = entry.data
        if entry.kind == Noted.kind:
            return replace(self, notes=(*self.notes, data["text"]))
        before = self.texts.get(data["message_id"], "")[: data["offset"]]
        return replace(self, texts={**self.texts, data["message_id"]: before + data.get("content", "")})

    def apply_all(self, entries: Iterable[Entry]) -> "View":
        view = self
        for entry in entries:
            view = view.apply(entry)
        return view


async def until(true: Callable[[], Awaitable[object]], seconds: float = 10.0) -> None:
    """Return as soon as `true()` is; fail when that takes too long."""
    async with asyncio.timeout(seconds):
        while True:
            if await true():
                return
            await asyncio.sleep(0.005)


async def create(database: Database, *streams: str) -> None:
    """Empty streams."""
    async with database.unit_of_work() as uow:
        for stream in streams:
            await actions.create_stream(uow, stream, aggregate="Test", tenant="acme")


async def append(database: Database, one: Append) -> list[Entry]:
    """One append in a transaction of its own."""
    async with database.unit_of_work() as uow:
        return await actions.append(uow, one, NOW)


async def note(database: Database, stream: str, *texts: str) -> list[Entry]:
    """Notes in one append."""
    return await append(database, Append(stream, [Noted(text=text) for text in texts]))


async def pieces(database: Database, *given: Piece) -> list[Entry | Exception]:
    """Pieces in one transaction."""
    async with database.unit_of_work() as uow:
        return await actions.append_pieces(uow, given, NOW)


def spoken(stream: str, *contents: str, message_id: str = "msg_1", fence: int = 0, attempt: int = 1) -> list[Piece]:
    """The pieces of one message, from its beginning."""
    found: list[Piece] = []
    offset = 0
    for index, content in enumerate(contents):
        found.append(Piece(stream, fence, message_id, attempt, index, offset, content))
        offset += len(content)
    return found


async def read_all(database: Database, stream: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
    """Everything after a seq, read in pages of `limit`, as a reader would."""
    found: list[Entry] = []
    async with database.read() as conn:
        while page := await queries.read(conn, stream, after=after, limit=limit):
            assert page[0].seq > after, "a reader would never come to the end"
            found += page
            after = page[-1].seq
    return found


def assert_dense(entries: Iterable[Entry], *, first: int = 1) -> None:
    """No gap, nothing twice: each entry begins where the one before it ended."""
    for entry in entries:
        assert entry.from_seq == first, entry
        assert entry.seq >= entry.from_seq
        first = entry.seq + 1


def same_payload(read: Entry, written: list[Entry]) -> bool:
    """Whether `read` is the one entry written, or stands for the pieces written and says what they said."""
    if len(written) == 1:
        return read == written[0]
    first = written[0].data
    joined = {**first, "content": "".join(entry.data["content"] for entry in written)}
    one_answer = {(e.kind, e.data["message_id"], e.data["attempt"]) for e in written}
    return one_answer == {(DELTA, first["message_id"], first["attempt"])} and read.data == joined
