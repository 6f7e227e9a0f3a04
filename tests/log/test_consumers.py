"""Consumers of the whole log: nothing skipped however transactions commit, nothing twice however consumers die."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from malgil.log import actions
from malgil.log.consumers import Consumed, consume
from malgil.log.model import Append, Position
from malgil.storage.database import Connection, Database, UnitOfWork
from tests.log.notes import NOW, Noted, create, note, pieces, spoken, until


class Seen:
    """A consumer whose effect is a row of its own, in the transaction it is given."""

    def __init__(self, database: Database, name: str = "seen") -> None:
        self.database = database
        self.name = name
        self.batches: list[list[Consumed]] = []

    async def __call__(self, uow: UnitOfWork, entries: Sequence[Consumed]) -> None:
        self.batches.append(list(entries))
        for one in entries:
            await uow.conn.execute("INSERT INTO seen (consumer, text) VALUES ($1, $2)", self.name,
                                   one.entry.data["text"])

    async def once(self, limit: int = 500) -> int:
        return await consume(self.database, self.name, self, limit=limit)

    async def texts(self) -> list[str]:
        async with self.database.read() as conn:
            rows = await conn.fetch("SELECT text FROM seen WHERE consumer = $1 ORDER BY at", self.name)
        return [row["text"] for row in rows]

    async def until(self, count: int, limit: int = 500) -> list[str]:
        """Consume until that many effects are there. Other work of the server (an autovacuum) may hold it up."""
        async def enough() -> bool:
            await self.once(limit)
            return len(await self.texts()) >= count

        await until(enough)
        assert await self.once() == 0
        return await self.texts()


class NaiveReader:
    """The ablation: remembers the greatest number of the SEQUENCE it has seen, and asks for what is greater."""

    def __init__(self) -> None:
        self.last = 0
        self.texts: list[str] = []

    async def read(self, conn: Connection) -> None:
        rows = await conn.fetch("SELECT number, data FROM log_events WHERE number > $1 ORDER BY number", self.last)
        self.texts += [row["data"]["text"] for row in rows]
        self.last = rows[-1]["number"] if rows else self.last


@pytest.fixture
async def log(database: Database) -> Database:
    await create(database, "a", "b", "c")
    async with database.read() as conn:
        await conn.execute("CREATE TABLE seen (at bigserial, consumer text, text text)")
    return database


@asynccontextmanager
async def begun(database: Database, stream: str | None = None, text: str = "") -> AsyncIterator[UnitOfWork]:
    """A transaction that has its id, and has appended when a stream is named, but commits only after the block."""
    async with database.unit_of_work() as uow:
        await uow.conn.fetchval("SELECT pg_current_xact_id()::text")
        if stream:
            await actions.append(uow, Append(stream, [Noted(text=text)]), NOW)
        yield uow


async def test_every_durable_entry_comes_once_in_order_with_what_it_belongs_to(log: Database) -> None:
    seen = Seen(log)
    assert await seen.once() == 0
    await note(log, "a", "1", "2")
    await pieces(log, *spoken("a", "not consumed"))
    await note(log, "b", "3")
    assert await seen.until(3, limit=2) == ["1", "2", "3"]
    flat = [one for batch in seen.batches for one in batch]
    assert [(one.entry.stream, one.entry.seq, one.version) for one in flat] == [("a", 1, 1), ("a", 2, 2), ("b", 1, 1)]
    assert {(one.aggregate, one.tenant) for one in flat} == {("Test", "acme")}
    places = [(one.position.xid, one.position.number) for one in flat]
    assert places == sorted(set(places))
    assert seen.batches[0][0].entry.at == NOW


async def test_nothing_is_skipped_where_a_sequence_cursor_skips(log: Database) -> None:
    """The old transaction draws its number first and commits last: a reader by greatest number never sees it."""
    seen, naive = Seen(log), NaiveReader()
    async with begun(log, "a", "old"):
        await note(log, "b", "young")
        async with log.read() as conn:
            await naive.read(conn)
        assert await seen.once() == 0, "below the oldest running transaction nothing is missing yet"
    async with log.read() as conn:
        await naive.read(conn)
    assert await seen.until(2) == ["old", "young"]
    assert naive.texts == ["young"], "if this reader did not skip, the schedule would prove nothing"


async def test_a_transaction_that_appends_late_is_not_skipped_either(log: Database) -> None:
    """Its id is older, its number is greater: the order is by transaction, and both come."""
    seen = Seen(log)
    async with begun(log) as old:
        await note(log, "b", "young")
        assert await seen.once() == 0
        await actions.append(old, Append("a", [Noted(text="old")]), NOW)
    assert await seen.until(2) == ["old", "young"]


async def test_entries_of_one_stream_may_come_in_another_order_than_their_seq(log: Database) -> None:
    """The price of the order by transaction; `seq` tells."""
    seen = Seen(log)
    async with begun(log) as old:
        await note(log, "a", "seq 1")
        await actions.append(old, Append("a", [Noted(text="seq 2")]), NOW)
    assert await seen.until(2) == ["seq 2", "seq 1"]
    assert sorted(one.entry.seq for batch in seen.batches for one in batch) == [1, 2]


async def test_one_transaction_appending_twice_around_another_keeps_its_place(log: Database) -> None:
    seen = Seen(log)
    async with begun(log, "a", "first") as old:
        await note(log, "b", "between")
        await actions.append(old, Append("c", [Noted(text="second")]), NOW)
        assert await seen.once() == 0
    assert await seen.until(3) == ["first", "second", "between"]


async def test_what_was_rolled_back_never_comes_and_holds_nothing_up(log: Database) -> None:
    seen = Seen(log)
    with pytest.raises(ZeroDivisionError):
        async with begun(log, "a", "never"):
            raise ZeroDivisionError
    await note(log, "b", "next")
    assert await seen.until(1) == ["next"]


async def test_a_consumer_that_fails_sees_the_same_again_and_its_effect_is_undone(log: Database) -> None:
    seen = Seen(log)
    await note(log, "a", "1", "2")

    async def fails(uow: UnitOfWork, entries: Sequence[Consumed]) -> None:
        await seen(uow, entries)
        raise RuntimeError("after the effect")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            await until(lambda: consume(log, "seen", fails))
        assert await seen.texts() == []
    assert await seen.until(2) == ["1", "2"]


async def test_a_consumer_killed_after_its_effect_leaves_no_effect(log: Database) -> None:
    seen = Seen(log)
    await note(log, "a", "1")
    reached = asyncio.Event()

    async def hangs(uow: UnitOfWork, entries: Sequence[Consumed]) -> None:
        await seen(uow, entries)
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(until(lambda: consume(log, "seen", hangs)))
    await asyncio.wait_for(reached.wait(), 10)
    task.cancel()
    await asyncio.wait([task])
    assert await seen.until(1) == ["1"]


async def test_two_processes_of_one_name_share_the_work(log: Database, database_url: str) -> None:
    other = Database(database_url, pool_size=2, max_overflow=2)
    await other.open()
    processes = [Seen(log), Seen(other)]
    writing = asyncio.gather(*(note(log, stream, f"{stream}{n}") for n in range(40) for stream in "abc"))

    async def work(process: Seen) -> None:
        while not writing.done() or await process.once(limit=7) or len(await process.texts()) < 120:
            await process.once(limit=7)
            await asyncio.sleep(0)

    async with asyncio.timeout(20):
        await asyncio.gather(writing, *(work(process) for process in processes))
    await other.close()
    texts = await processes[0].texts()
    assert len(texts) == 120
    assert len(set(texts)) == 120
    assert all(process.batches for process in processes)
    async with log.read() as conn:
        rows = await conn.fetch("SELECT data FROM log_events ORDER BY xid, number")
    assert texts == [row["data"]["text"] for row in rows], "taking turns keeps the order"


async def test_names_are_independent(log: Database) -> None:
    await note(log, "a", "1")
    assert await Seen(log, "one").until(1) == ["1"]
    await note(log, "a", "2")
    assert await Seen(log, "two").until(2, limit=1) == ["1", "2"]


async def test_an_old_transaction_anywhere_holds_consumers_up_and_nothing_more(log: Database) -> None:
    """Writers never wait for it; consumers go on by themselves when it ends."""
    seen = Seen(log)
    async with begun(log):
        for n in range(3):
            await note(log, "a", f"{n}")
        assert await seen.once() == 0
    assert await seen.until(3) == ["0", "1", "2"]


async def test_the_position_is_stored(log: Database) -> None:
    seen = Seen(log)
    await note(log, "a", "1")
    await seen.until(1)
    async with log.read() as conn:
        row = await conn.fetchrow("SELECT xid::text, number FROM log_consumers WHERE name = 'seen'")
    assert row is not None
    assert Position(int(row["xid"]), row["number"]) == seen.batches[-1][-1].position
