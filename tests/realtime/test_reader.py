"""The log in the database, as the hub reads it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from malgil.kit.errors import Unavailable
from malgil.log import actions
from malgil.log.model import Append, Entry, Fact
from malgil.realtime.announce import announcer
from malgil.realtime.bus import MemoryBus
from malgil.realtime.frames import Frames
from malgil.realtime.hub import Hub
from malgil.realtime.reader import DatabaseLog, Heads
from malgil.storage.database import Database
from tests.realtime.fakes import eventually


class Noted(Fact):
    kind = "test.noted"
    text: str


async def settled(database: Database) -> str:
    """The epoch; every stream test needs there to be one."""
    async with database.unit_of_work() as uow:
        await actions.create_stream(uow, "s", aggregate="Test", tenant="default")
        return await actions.settle_epoch(uow)


async def note(database: Database, *texts: str) -> Sequence[Entry]:
    async with database.unit_of_work() as uow:
        return await actions.append(uow, Append("s", [Noted(text=t) for t in texts]), datetime.now(UTC))


async def test_it_reads_what_was_committed_and_in_which_epoch(database: Database) -> None:
    epoch, log = await settled(database), DatabaseLog(database)
    assert await log.heads(["s", "nobody"]) == (epoch, {"s": 0})
    await note(database, *"abc")
    assert await log.heads(["s"]) == (epoch, {"s": 3})
    read_in, entries = await log.read("s", after=1, limit=1)
    assert (read_in, [(e.seq, e.data) for e in entries]) == (epoch, [(2, {"text": "b"})])
    assert (await log.weight("s", after=1, most=10))[0] == 2


async def test_questions_that_come_together_are_asked_together_and_answered_each(database: Database) -> None:
    epoch = await settled(database)
    await note(database, *"abc")
    log, asked = Counted(database), [["s"], ["nobody"], [], ["s", "nobody"]]
    answers = await asyncio.gather(*(log.heads(streams) for streams in asked))
    assert answers == [(epoch, {"s": 3}), (epoch, {}), (epoch, {}), (epoch, {"s": 3})]
    assert log.questions == 1


async def test_a_question_put_while_another_is_under_way_sees_what_was_committed_between(database: Database) -> None:
    epoch = await settled(database)
    log = Counted(database)
    first = asyncio.create_task(log.heads(["s"]))
    await eventually(lambda: log.questions == 1)
    await note(database, "a")
    assert await log.heads(["s"]) == (epoch, {"s": 1})
    await first


async def test_who_stops_waiting_harms_nobody_and_a_failure_is_everybodys(database: Database) -> None:
    epoch = await settled(database)
    log = DatabaseLog(database)
    impatient, patient = (asyncio.create_task(log.heads(["s"])) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == (epoch, {"s": 0})
    await database.close()
    for outcome in await asyncio.gather(*(log.heads(["s"]) for _ in range(3)), return_exceptions=True):
        assert isinstance(outcome, Unavailable)
    await database.open()
    assert await log.heads(["s"]) == (epoch, {"s": 0})


class Counted(DatabaseLog):
    """Counts its queries."""

    questions = 0

    async def _heads(self, streams: Sequence[str]) -> Heads:
        self.questions += 1
        return await super()._heads(streams)


async def test_a_follower_sees_hints_and_what_was_never_hinted(database: Database) -> None:
    await settled(database)
    bus = MemoryBus()
    async with Hub(DatabaseLog(database), bus, Frames(), interval=0.02) as hub, hub.watch("s") as tail:
        await announcer(bus)(await note(database, "told"))
        await note(database, "not told", "nor this")
        seen: list[str] = []
        async for batch in tail.follow(0):
            seen += [framed.entry.data["text"] for framed in batch]
            if len(seen) == 3:
                break
        assert seen == ["told", "not told", "nor this"]
