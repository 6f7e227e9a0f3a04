"""What is announced, and when: after the commit, never without one."""

from collections.abc import Sequence

import pytest

from malgil.log import actions
from malgil.log.errors import Fenced
from malgil.log.model import Append, Entry
from malgil.log.scribe import Scribe
from malgil.storage.database import Database
from tests.fixtures.time import CountedIds, FakeClock
from tests.log.notes import Noted, create, read_all, spoken


class Told:
    """Remembers what was announced, and what of it could be read by others at that moment."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.entries: list[Entry] = []
        self.calls = 0
        self.committed: list[bool] = []
        self.fails = False

    async def __call__(self, entries: Sequence[Entry]) -> None:
        self.calls += 1
        self.entries += entries
        for entry in entries:
            self.committed.append(entry in await read_all(self.database, entry.stream))
        if self.fails:
            raise ConnectionError("the bus is down")


@pytest.fixture
async def told(database: Database) -> Told:
    await create(database, "s", "t")
    return Told(database)


@pytest.fixture
def scribe(told: Told, ids: CountedIds, clock: FakeClock) -> Scribe:
    return Scribe(ids, clock, told)


def noted(stream: str, *texts: str, fence: int | None = None) -> Append:
    return Append(stream, [Noted(text=text) for text in texts], fence=fence)


async def test_nothing_is_told_before_the_commit_and_everything_after(told: Told, scribe: Scribe) -> None:
    async with told.database.unit_of_work() as uow:
        written = await scribe.record(uow, noted("s", "a", "b"))
        written += [e for e in await scribe.record_pieces(uow, spoken("s", "c")) if isinstance(e, Entry)]
        assert told.calls == 0
    assert told.entries == written
    assert [e.seq for e in written] == [1, 2, 3]
    assert told.committed == [True, True, True]


async def test_after_a_rollback_nothing_is_told(told: Told, scribe: Scribe) -> None:
    with pytest.raises(ZeroDivisionError):
        async with told.database.unit_of_work() as uow:
            await scribe.record(uow, noted("s", "a"))
            await scribe.record_many(uow, [noted("t", "b")])
            await scribe.record_pieces(uow, spoken("s", "c"))
            raise ZeroDivisionError
    assert told.calls == 0
    assert await read_all(told.database, "s") == []


async def test_a_commit_that_fails_tells_nothing(told: Told, scribe: Scribe) -> None:
    async with told.database.read() as conn:
        await conn.execute("CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(Exception, match="late_n_key"):
        async with told.database.unit_of_work() as uow:
            await scribe.record(uow, noted("s", "a"))
            await uow.conn.execute("INSERT INTO late VALUES (1), (1)")
    assert told.calls == 0


async def test_what_was_refused_is_not_told(told: Told, scribe: Scribe) -> None:
    async with told.database.unit_of_work() as uow:
        await actions.append(uow, Append("t", [], new_fence=5), scribe.now())
    async with told.database.unit_of_work() as uow:
        with pytest.raises(Fenced):
            await scribe.record(uow, noted("t", "x", fence=4))
        many = await scribe.record_many(uow, [noted("t", "x", fence=4), noted("s", "y")])
        some = await scribe.record_pieces(uow, [*spoken("t", "old", fence=4), *spoken("t", "new", fence=5)])
    assert [type(result) for result in many] == [Fenced, list]
    assert [type(result) for result in some] == [Fenced, Entry]
    assert [e.data.get("text") or e.data["content"] for e in told.entries] == ["y", "new"]


async def test_nothing_written_is_nothing_told(told: Told, scribe: Scribe) -> None:
    async with told.database.unit_of_work() as uow:
        assert await scribe.record(uow, Append("s", [], new_fence=1)) == []
        assert await scribe.record_many(uow, []) == []
        assert await scribe.record_pieces(uow, []) == []
    assert told.calls == 0


async def test_an_announcement_that_is_lost_loses_nothing(
    told: Told, scribe: Scribe, caplog: pytest.LogCaptureFixture
) -> None:
    told.fails = True
    async with told.database.unit_of_work() as uow:
        await scribe.record(uow, noted("s", "a"))
        await scribe.record(uow, noted("t", "b"))
    assert told.calls == 2, "the one that failed does not take the next one with it"
    assert len(await read_all(told.database, "s")) == 1
    assert "effect after commit failed" in caplog.text


async def test_time_and_ids_are_those_it_was_given(told: Told, scribe: Scribe, clock: FakeClock) -> None:
    clock.advance(60)
    assert scribe.now() == clock.now()
    assert scribe.new_id("turn") == "turn_00000000000000000000000001"
    async with told.database.unit_of_work() as uow:
        (entry,) = await scribe.record(uow, noted("s", "a"))
    assert entry.at == clock.now()
