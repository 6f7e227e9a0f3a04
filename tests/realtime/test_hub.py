"""Whatever the bus does, a follower sees the dense sequence once."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from malgil.kit.errors import Unavailable
from malgil.log.errors import StreamMissing
from malgil.log.model import Entry
from malgil.realtime.bus import MemoryBus, Message, session_channel
from malgil.realtime.errors import Gone, Resync
from malgil.realtime.frames import Frames
from malgil.realtime.hub import Hub
from malgil.realtime.meter import SilentMeter
from malgil.realtime.tail import PAGE, RING_ENTRIES, Tail
from tests.realtime.fakes import FakeLog, eventually


class CountingMeter(SilentMeter):
    def __init__(self) -> None:
        self.gaps = 0
        self.lags = 0

    def gap_mended(self) -> None:
        self.gaps += 1

    def delivered(self, committed_at: object) -> None:
        self.lags += 1


def open_hub(log: FakeLog, bus: MemoryBus, interval: float | None = None) -> Hub:
    return Hub(log, bus, Frames(), interval=interval)


async def tell(bus: MemoryBus, entries: Sequence[Entry]) -> None:
    await bus.publish(session_channel("s"), Message("entries", tuple(entries)))


async def collect(tail: Tail, after: int, upto: int) -> list[int]:
    """The seqs a follower sees until it has seen `upto`."""
    seen: list[int] = []
    async with asyncio.timeout(5):
        async for batch in tail.follow(after):
            seen += [framed.seq for framed in batch]
            if seen[-1] >= upto:
                return seen
    return seen


FATE = st.sampled_from(["pass", "pass", "drop", "double", "late"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fates=st.lists(st.tuples(FATE, st.integers(1, 3)), min_size=1, max_size=30), seed=st.integers(0, 2**32))
async def test_lost_doubled_and_reordered_hints_cost_nothing(fates: list[tuple[str, int]], seed: int) -> None:
    log, bus, rng = FakeLog(), MemoryBus(), random.Random(seed)
    log.streams["s"] = []
    total = sum(n for _, n in fates)
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        followers = [asyncio.create_task(collect(tail, 0, total)) for _ in range(3)]
        late: list[list[Entry]] = []
        for fate, n in fates:
            entries = log.append("s", *["x"] * n)
            match fate:
                case "late":
                    late.append(entries)
                case "drop":
                    pass
                case _:
                    for _ in range(2 if fate == "double" else 1):
                        await tell(bus, entries)
            if late and rng.random() < 0.4:
                await tell(bus, late.pop(rng.randrange(len(late))))
            if rng.random() < 0.3:
                await asyncio.sleep(0)
        await hub.reconcile()
        assert await asyncio.gather(*followers) == [list(range(1, total + 1))] * 3


async def test_in_order_hints_need_no_read() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.streams["s"] = []
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        for _ in range(20):
            await tell(bus, log.append("s", "x"))
        assert await collect(tail, 0, 20) == list(range(1, 21))
        assert log.reads == 0


async def test_a_gap_costs_one_read() -> None:
    log, bus, meter = FakeLog(), MemoryBus(), CountingMeter()
    log.streams["s"] = []
    async with Hub(log, bus, Frames(), meter=meter, interval=None) as hub, hub.watch("s") as tail:
        entries = log.append("s", *"abcdefgh")
        await tell(bus, entries[:2])
        await tell(bus, entries[5:6])
        await tell(bus, entries[6:])
        assert await collect(tail, 0, 8) == list(range(1, 9))
        assert (log.reads, meter.gaps) == (1, 1)
        assert meter.lags > 0


async def test_what_commits_while_the_head_is_being_read_is_not_lost() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        reading.set()
        await go_on.wait()

    async with open_hub(log, bus) as hub:
        log.pause = pause

        async def watch() -> list[int]:
            async with hub.watch("s") as tail:
                return await collect(tail, 1, 2)

        watching = asyncio.create_task(watch())
        await reading.wait()
        entries = log.append("s", "b")
        heads = log.heads
        log.heads = lambda streams: _stale(heads, streams)
        await tell(bus, entries)
        log.pause = None
        go_on.set()
        assert await watching == [2]


async def _stale(heads: object, streams: Sequence[str]) -> tuple[str, dict[str, int]]:
    return "e1", dict.fromkeys(streams, 1)


async def test_a_look_finds_what_nobody_told() -> None:
    log = FakeLog()
    log.append("s", "a")
    async with Hub(log, MemoryBus(), Frames(), interval=None) as hub, hub.watch("s") as tail:
        log.append("s", "b", "c")
        tail.look()
        await eventually(lambda: tail.head == 3)


async def test_a_look_before_the_beginning_counts_too() -> None:
    log = FakeLog()
    log.append("s", "a", "b")
    tail = Tail("s", log, Frames(), SilentMeter())
    tail.look()
    await eventually(lambda: log.heads_asked == 1)
    tail.begin(log.epoch, 1)
    await eventually(lambda: tail.head == 2)


async def test_reconciliation_alone_delivers() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.streams["s"] = []
    async with open_hub(log, bus, interval=0.01) as hub, hub.watch("s") as tail:
        log.append("s", *"abc")
        assert await collect(tail, 0, 3) == [1, 2, 3]


async def test_without_hints_and_without_reconciliation_nothing_comes() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.streams["s"] = []
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        log.append("s", *"abc")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tail.wait(0), 0.05)
        await hub.reconcile()
        await asyncio.wait_for(tail.wait(0), 5)


async def test_a_follower_from_long_ago_is_served_in_pages() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", *["x"] * (2 * PAGE + 10))
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        assert await collect(tail, 0, 2 * PAGE + 10) == list(range(1, 2 * PAGE + 11))
        assert log.reads == 3


async def test_the_ring_is_bounded_and_serves_whom_it_reaches() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.streams["s"] = []
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        for _ in range(RING_ENTRIES + 50):
            await tell(bus, log.append("s", "x"))
        found = tail.recent(50)
        assert found is not None
        assert [f.seq for f in found] == list(range(51, RING_ENTRIES + 51))
        assert tail.recent(49) is None
        assert not tail.recent(tail.head)


async def test_the_ring_is_bounded_in_bytes_too() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.streams["s"] = []
    frames = Frames({"note": lambda e: {"type": "note", "text": e.data["text"]}})
    async with Hub(log, bus, frames, interval=None) as hub, hub.watch("s") as tail:
        for _ in range(8):
            await tell(bus, log.append("s", "x" * 300_000))
        assert tail.recent(4) is None
        assert tail.recent(5) is not None


async def test_a_new_epoch_ends_every_follower_and_the_next_one_starts_anew() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        waiting = asyncio.create_task(tail.wait(1))
        await asyncio.sleep(0)
        log.epoch = "e2"
        await hub.reconcile()
        with pytest.raises(Resync):
            await waiting
        with pytest.raises(Resync):
            await tail.wait(0)
        async with hub.watch("s") as fresh:
            assert fresh.epoch == "e2"
        assert hub.sessions == 0


async def test_a_page_of_another_epoch_is_not_shown() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", *"abc")
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        log.epoch = "e2"
        with pytest.raises(Resync):
            await tail.after(0)


async def test_who_comes_after_a_gap_showed_a_new_epoch_starts_anew() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        log.epoch = "e2"
        await tell(bus, log.append("s", "b", "c")[1:])
        with pytest.raises(Resync):
            await tail.wait(1)
        async with hub.watch("s") as fresh:
            assert (fresh.epoch, fresh.head) == ("e2", 3)
            await tell(bus, log.append("s", "d"))
            assert await collect(fresh, 3, 4) == [4]
    assert bus._channels == {}


async def test_a_log_that_lost_its_end_ends_every_follower() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", *"abc")
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        log.streams["s"].pop()
        await hub.reconcile()
        with pytest.raises(Resync):
            await tail.wait(3)


async def test_a_hint_that_overtakes_the_comparison_is_no_regress() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    asked, go_on = asyncio.Event(), asyncio.Event()
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        truth = await log.heads(["s"])

        async def slow(streams: Sequence[str]) -> tuple[str, dict[str, int]]:
            asked.set()
            await go_on.wait()
            return truth

        log.heads = slow
        comparing = asyncio.create_task(hub.reconcile())
        await asked.wait()
        await tell(bus, log.append("s", "b"))
        go_on.set()
        await comparing
        assert tail.fault is None
        assert tail.head == 2


async def test_an_erased_session_is_gone() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        del log.streams["s"]
        await hub.reconcile()
        with pytest.raises(Gone):
            await tail.wait(1)


async def test_an_unknown_session_cannot_be_watched() -> None:
    async with open_hub(FakeLog(), MemoryBus()) as hub:
        with pytest.raises(StreamMissing):
            async with hub.watch("nobody"):
                pass
        assert hub.sessions == 0


async def test_a_database_that_is_down_is_said_to_everybody_and_the_next_try_is_a_new_one() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    log.down = True

    async def watch() -> int:
        async with hub.watch("s") as tail:
            return tail.head

    async with open_hub(log, bus) as hub:
        results = await asyncio.gather(watch(), watch(), return_exceptions=True)
        assert [type(r) for r in results] == [Unavailable, Unavailable]
        log.down = False
        assert await watch() == 1


async def test_a_gap_that_cannot_be_read_now_is_read_later(caplog: pytest.LogCaptureFixture) -> None:
    log, bus = FakeLog(), MemoryBus()
    log.streams["s"] = []
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        entries = log.append("s", *"abc")
        log.down = True
        await tell(bus, entries[2:])
        await eventually(lambda: log.reads == 1)
        log.down = False
        await hub.reconcile()
        assert await collect(tail, 0, 3) == [1, 2, 3]
    assert "will try again" in caplog.text


async def test_reconciliation_outlives_a_database_that_is_down(caplog: pytest.LogCaptureFixture) -> None:
    log, bus = FakeLog(), MemoryBus()
    log.streams["s"] = []
    async with open_hub(log, bus, interval=0.01) as hub, hub.watch("s") as tail:
        log.down = True
        asked = log.heads_asked
        await eventually(lambda: log.heads_asked > asked + 1)
        log.down = False
        log.append("s", "a")
        assert await collect(tail, 0, 1) == [1]


async def test_many_watchers_share_one_tail_and_the_last_one_closes_it() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    async with open_hub(log, bus) as hub:
        async with hub.watch("s") as one:
            async with hub.watch("s") as two:
                assert one is two
                assert log.heads_asked == 1
            assert hub.sessions == 1
        assert hub.sessions == 0
        await tell(bus, log.append("s", "b"))
        assert one.head == 1, "nobody here listens any more"


async def test_the_first_watcher_may_give_up_while_others_wait() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    go_on = asyncio.Event()
    log.pause = go_on.wait

    async def watch() -> int:
        async with hub.watch("s") as tail:
            return tail.head

    async with open_hub(log, bus) as hub:
        first, second = asyncio.create_task(watch()), asyncio.create_task(watch())
        await eventually(lambda: log.heads_asked == 1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        go_on.set()
        assert await second == 1


async def test_closing_the_hub_ends_every_follower() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    hub = open_hub(log, bus)
    async with hub.watch("s") as tail:
        async with hub:
            waiting = asyncio.create_task(tail.wait(1))
            await asyncio.sleep(0)
        with pytest.raises(Resync):
            await waiting


@pytest.mark.parametrize(("after", "seq"), [("start", 0), ("e1.0", 0), ("e1.2", 2), ("e1.3", 3)])
async def test_a_cursor_is_located(after: str, seq: int) -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", *"abc")
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        assert await tail.locate(after) == seq


@pytest.mark.parametrize("after", ["e2.1", "e1.4"])
async def test_a_cursor_of_another_history_or_of_none_yet_means_resync(after: str) -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", *"abc")
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        with pytest.raises(Resync):
            await tail.locate(after)


async def test_a_cursor_that_another_replica_gave_before_the_hint_came_here_is_good() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        log.append("s", *"bcd")
        assert await tail.locate("e1.3") == 3
        await asyncio.wait_for(tail.wait(3), 5)


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    log, bus = FakeLog(), MemoryBus()
    log.append("s", "a")
    async with open_hub(log, bus) as hub, hub.watch("s") as tail:
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(tail.wait(1), 0.001)
        assert tail._waiters == []
