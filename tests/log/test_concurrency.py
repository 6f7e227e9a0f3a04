"""Many writers on connections of their own: no deadlock, no gap, no writer's order lost."""

import asyncio
import random

from malgil.log import actions, queries
from malgil.log.errors import Fenced
from malgil.log.model import DELTA, Append, Entry, Piece
from malgil.storage.database import Database, UnitOfWork
from tests.log.notes import NOW, Noted, append, assert_dense, create, note, pieces, read_all, spoken, until

STREAMS = ["s0", "s1", "s2", "s3"]
WRITERS = 12
ROUNDS = 25


class Writer:
    """Writes numbered notes and the pieces of one message a stream, in batches of every shape."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.name = name
        self.random = random.Random(name)
        self.notes = dict.fromkeys(STREAMS, 0)
        self.pieces = dict.fromkeys(STREAMS, 0)

    async def work(self) -> None:
        for _ in range(ROUNDS):
            async with self.database.unit_of_work() as uow:
                await self.random.choice([self.one, self.several, self.speak, self.locked])(uow)

    async def one(self, uow: UnitOfWork) -> None:
        await actions.append(uow, self.append_to(self.random.choice(STREAMS), 2), NOW)

    async def several(self, uow: UnitOfWork) -> None:
        some = self.random.sample(STREAMS, 3)
        await actions.append_many(uow, [self.append_to(stream, 1) for stream in some], NOW)

    async def speak(self, uow: UnitOfWork) -> None:
        some = [self.random.choice(STREAMS) for _ in range(4)]
        results = await actions.append_pieces(uow, [self.piece(stream) for stream in some], NOW)
        assert all(isinstance(result, Entry) for result in results)

    async def locked(self, uow: UnitOfWork) -> None:
        """Several statements in one transaction need the locks first; then their order is free."""
        some = self.random.sample(STREAMS, 2)
        await actions.lock(uow, some)
        for stream in some:
            await actions.append(uow, self.append_to(stream, 1), NOW)

    def append_to(self, stream: str, count: int) -> Append:
        begin = self.notes[stream]
        self.notes[stream] += count
        return Append(stream, [Noted(text=f"{begin + k}") for k in range(count)], actor=self.name)

    def piece(self, stream: str) -> Piece:
        offset = self.pieces[stream]
        self.pieces[stream] += 1
        return Piece(stream, 0, self.name, 1, offset, offset, "x")


async def test_many_writers(database: Database) -> None:
    await create(database, *STREAMS)
    writers = [Writer(database, f"w{n}") for n in range(WRITERS)]
    async with asyncio.timeout(30):
        await asyncio.gather(*(writer.work() for writer in writers))
    for stream in STREAMS:
        entries = await read_all(database, stream)
        assert_dense(entries)
        for writer in writers:
            own = [int(e.data["text"]) for e in entries if e.actor == writer.name]
            assert own == list(range(writer.notes[stream]))
            said = [e.data["offset"] for e in entries if e.kind == DELTA and e.data["message_id"] == writer.name]
            assert said == list(range(writer.pieces[stream]))
    async with database.unit_of_work() as uow:
        for stream, head in (await actions.lock(uow, STREAMS)).items():
            assert head.version == sum(writer.notes[stream] for writer in writers)
            assert head.head == head.version + sum(writer.pieces[stream] for writer in writers)


async def test_of_two_appends_with_one_expected_version_one_is_taken(database: Database) -> None:
    await create(database, "s")
    results = await asyncio.gather(
        *(append(database, Append("s", [Noted(text=f"{n}")], expected_version=0)) for n in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, list) for result in results) == 1
    assert len(await read_all(database, "s")) == 1


async def test_a_fence_raised_while_an_append_waits_refuses_it(database: Database) -> None:
    """The check stands in the append itself: what the waiting statement saw when it began does not count."""
    await create(database, "s")
    async with database.unit_of_work() as taker:
        await actions.append(taker, Append("s", [], new_fence=1), NOW)
        late = [
            asyncio.create_task(append(database, Append("s", [Noted(text="late")], fence=0))),
            asyncio.create_task(pieces(database, *spoken("s", "late", fence=0))),
        ]
        await waiting_for_locks(database, 2)
    refused, answered = await asyncio.gather(*late, return_exceptions=True)
    assert isinstance(refused, Fenced)
    assert isinstance(answered, list)
    assert isinstance(answered[0], Fenced)
    assert await read_all(database, "s") == []


async def test_an_append_that_waited_goes_on_from_the_new_head(database: Database) -> None:
    await create(database, "s")
    async with database.unit_of_work() as first:
        await actions.append(first, Append("s", [Noted(text="a"), Noted(text="b")]), NOW)
        later = asyncio.create_task(note(database, "s", "c"))
        await waiting_for_locks(database, 1)
    assert [e.seq for e in await later] == [3]
    assert [e.data["text"] for e in await read_all(database, "s")] == ["a", "b", "c"]


async def test_a_reader_never_sees_a_gap_that_fills_later(database: Database) -> None:
    await create(database, "s")
    async with database.unit_of_work() as uow:
        await actions.settle_epoch(uow)
    done = asyncio.Event()

    async def watch() -> list[Entry]:
        seen: list[Entry] = []
        while True:
            last = done.is_set()
            async with database.read() as conn:
                seen += await queries.read(conn, "s", after=len(seen), limit=7)
                _, heads = await queries.heads(conn, ["s"])
            assert_dense(seen)
            if last and heads["s"] == len(seen):
                return seen

    readers = [asyncio.create_task(watch()) for _ in range(3)]
    await asyncio.gather(*(
        work for n in range(60)
        for work in (note(database, "s", f"{n}"), pieces(database, *spoken("s", "p", message_id=f"m{n}")))
    ))
    done.set()
    for seen in await asyncio.gather(*readers):
        assert len(seen) == 120


async def test_a_reader_during_compaction_sees_every_seq_once(database: Database) -> None:
    await create(database, "s")
    await pieces(database, *spoken("s", *("ab" for _ in range(200))))
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            entries = await read_all(database, "s")
            assert_dense(entries)
            assert "".join(e.data["content"] for e in entries) == "ab" * 200

    readers = [asyncio.create_task(watch()) for _ in range(3)]
    for last in range(2, 201, 22):
        async with database.unit_of_work() as uow:
            await actions.compact(uow, "s", "msg_1", 1, last)
    done.set()
    await asyncio.gather(*readers)


async def waiting_for_locks(database: Database, count: int) -> None:
    """Return when that many statements of this database wait for a lock."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def enough() -> bool:
        return int(await conn.fetchval(sql)) >= count

    async with database.read() as conn:
        await until(enough)
