"""A stream that is erased: one entry stands for all that was, and nothing fenced is ever appended again."""

from collections.abc import Sequence

import pytest

from malgil.kit.clock import Clock
from malgil.log import actions, queries
from malgil.log.consumers import Consumed, consume
from malgil.log.errors import Fenced, StreamMissing
from malgil.log.model import SEALED, Append, Piece
from malgil.storage.database import Database, UnitOfWork
from tests.log.notes import Noted


async def filled(database: Database, clock: Clock, entries: int = 5) -> None:
    async with database.unit_of_work() as uow:
        await actions.settle_epoch(uow)
        await actions.create_stream(uow, "s", aggregate="Note", tenant="t")
        facts = [Noted(text=f"n{n}") for n in range(entries)]
        await actions.append(uow, Append("s", facts, new_fence=7), clock.now())
        await actions.append_pieces(uow, [Piece("s", 7, "m", 1, k, k, "x") for k in range(entries)], clock.now())


async def seqs(database: Database, after: int = 0) -> list[tuple[int, int]]:
    async with database.read() as conn:
        return [(e.from_seq, e.seq) for e in await queries.read(conn, "s", after=after)]


async def test_one_entry_stands_for_all(database: Database, clock: Clock) -> None:
    await filled(database, clock)
    async with database.unit_of_work() as uow:
        entry = await actions.erase(uow, "s", Noted(text="gone"), clock.now(), actor="kim")
    assert (entry.from_seq, entry.seq, entry.actor) == (1, 11, "kim")
    async with database.unit_of_work() as uow:
        assert await actions.forget(uow, "s", 3) == 6
    async with database.unit_of_work() as uow:
        while await actions.forget(uow, "s", 3):
            pass
    assert await seqs(database) == await seqs(database, 10) == [(1, 11)]
    assert await seqs(database, 11) == []
    async with database.read() as conn:
        assert (await queries.heads(conn, ["s"]))[1] == {"s": 11}
        assert await queries.read(conn, "s", after=0) == [entry]


async def test_no_fence_opens_it(database: Database, clock: Clock) -> None:
    await filled(database, clock)
    async with database.unit_of_work() as uow:
        await actions.erase(uow, "s", Noted(text="gone"), clock.now())
    async with database.unit_of_work() as uow:
        for one in (Append("s", [Noted(text="late")], fence=7), Append("s", [], new_fence=10**15)):
            with pytest.raises(Fenced):
                await actions.append(uow, one, clock.now())
        (refused,) = await actions.append_pieces(uow, [Piece("s", 7, "m", 1, 9, 9, "x")], clock.now())
        assert isinstance(refused, Fenced)
        assert (await actions.lock(uow, ["s"]))["s"].fence == SEALED


async def test_a_stream_that_is_not_erased_forgets_nothing(database: Database, clock: Clock) -> None:
    await filled(database, clock)
    async with database.unit_of_work() as uow:
        assert await actions.forget(uow, "s", 100) == 0
    assert len(await seqs(database)) == 10


async def test_a_stream_that_is_not_there(database: Database, clock: Clock) -> None:
    async with database.unit_of_work() as uow:
        with pytest.raises(StreamMissing):
            await actions.erase(uow, "nowhere", Noted(text="x"), clock.now())
        assert await actions.forget(uow, "nowhere", 5) == 0


async def test_a_consumer_meets_the_one_entry(database: Database, clock: Clock) -> None:
    await filled(database, clock)
    async with database.unit_of_work() as uow:
        await actions.erase(uow, "s", Noted(text="gone"), clock.now())
    async with database.unit_of_work() as uow:
        await actions.forget(uow, "s", 100)
    found: list[Consumed] = []

    async def handle(uow: UnitOfWork, entries: Sequence[Consumed]) -> None:
        found.extend(entries)

    assert await consume(database, "test", handle) == 1
    assert [(one.entry.from_seq, one.entry.seq, one.version) for one in found] == [(1, 11, 6)]
