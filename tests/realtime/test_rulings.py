"""What entries do to connections, and entries that stand for all that was before them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from malgil.kit.errors import Forbidden
from malgil.log.model import Entry
from malgil.realtime.announce import announcer
from malgil.realtime.bus import MemoryBus
from malgil.realtime.frames import Frames
from malgil.realtime.gate import Entered, Ruling
from malgil.realtime.hub import Hub
from tests.realtime.fakes import FakeLog, eventually, note

AWAY = Forbidden("Away.")


def test_a_ruling_is_obeyed_by_whom_it_is_about() -> None:
    lee = Entered("s", user_id="lee", joined=5)
    assert lee.obey(Ruling("lee", AWAY), 6) is AWAY
    assert lee.obey(Ruling(None, AWAY), 1) is AWAY
    for ruling, seq in ((Ruling("lee", AWAY), 5), (Ruling("lee", AWAY), 3), (Ruling("kim", AWAY), 6)):
        assert lee.obey(ruling, seq) is None
    assert lee.obey(Ruling("lee", read_only=True), 7) is None
    assert lee.read_only
    lee.obey(Ruling("kim"), 8)
    assert lee.read_only
    lee.obey(Ruling("lee"), 9)
    assert not lee.read_only


def test_only_kinds_with_a_ruler_rule() -> None:
    frames = Frames(rulings={"gone": lambda entry: Ruling(entry.actor, AWAY)})
    assert frames.ruling(note("s", 1)) is None
    assert frames.ruling(Entry("s", 1, 1, "gone", {}, datetime.now(UTC), "kim")) == Ruling("kim", AWAY)


@pytest.mark.parametrize("behind", [0, 1, 4, 5])
async def test_who_is_behind_gets_what_stands_for_all(behind: int) -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", *"abcde")
    seen: list[Any] = []
    async with Hub(log, bus, Frames(), interval=None) as hub, hub.watch("s") as tail:
        tail.want(5)
        await eventually(lambda: tail.head == 5)
        log.append("s", "sixth")
        last = Entry("s", 7, 1, "gone", {}, datetime.now(UTC), "kim")
        log.streams["s"] = [last]
        await announcer(bus)([last])
        assert tail.head == 7

        async def follow() -> None:
            async for batch in tail.follow(behind):
                seen.extend((one.from_seq, one.seq) for one in batch)

        task = asyncio.create_task(follow())
        await eventually(lambda: bool(seen))
        task.cancel()
    assert seen == [(1, 7)]
