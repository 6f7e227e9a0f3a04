from malgil.realtime.announce import announcer
from malgil.realtime.bus import MemoryBus, Message
from tests.realtime.fakes import note


async def test_entries_go_to_their_sessions_in_order() -> None:
    bus = MemoryBus()
    one: list[Message] = []
    two: list[Message] = []
    bus.subscribe("chat:session:s1", one.append)
    bus.subscribe("chat:session:s2", two.append)
    a, b, c = note("s1", 1), note("s2", 1), note("s1", 2)
    await announcer(bus)([a, b, c])
    assert one == [Message("entries", (a, c))]
    assert two == [Message("entries", (b,))]


async def test_nothing_is_told_of_nothing() -> None:
    bus = MemoryBus()
    await announcer(bus)([])
