import asyncio
from dataclasses import replace

from malgil.realtime.bus import MemoryBus, Message, typing_channel
from malgil.realtime.settings import RealtimeSettings
from malgil.realtime.typing import Typing, typing_frame
from tests.realtime.fakes import eventually

SOON = replace(RealtimeSettings(), typing_seconds=0.03)


async def test_the_others_hear_it_on_every_replica() -> None:
    bus = MemoryBus()
    one, two = Typing(bus, RealtimeSettings()), Typing(bus, RealtimeSettings())
    heard: list[tuple[str, str]] = []
    one.join("s", "c1", lambda user, frame: heard.append(("c1", frame)))
    one.join("s", "c2", lambda user, frame: heard.append(("c2", frame)))
    two.join("s", "c3", lambda user, frame: heard.append(("c3", frame)))
    two.join("other", "c4", lambda user, frame: heard.append(("c4", frame)))
    await one.say("s", "c1", "kim", is_typing=True)
    assert sorted(heard) == [("c2", typing_frame("kim", True)), ("c3", typing_frame("kim", True))]


async def test_who_says_nothing_more_has_stopped() -> None:
    bus = MemoryBus()
    typing, heard = Typing(bus, SOON), []
    typing.join("s", "c2", lambda user, frame: heard.append(frame))
    await bus.publish(
        typing_channel("s"), Message("typing", data={"user_id": "kim", "is_typing": True, "connection_id": "dead"})
    )
    await eventually(lambda: len(heard) == 2)
    assert heard == [typing_frame("kim", True), typing_frame("kim", False)]


async def test_saying_it_again_prolongs_it() -> None:
    typing, heard = Typing(MemoryBus(), replace(SOON, typing_seconds=0.1)), []
    typing.join("s", "c2", lambda user, frame: heard.append(frame))
    for _ in range(4):
        await typing.say("s", "c1", "kim", is_typing=True)
        await asyncio.sleep(0.05)
    assert typing_frame("kim", False) not in heard


async def test_stopping_ends_the_wait() -> None:
    typing, heard = Typing(MemoryBus(), SOON), []
    typing.join("s", "c2", lambda user, frame: heard.append(frame))
    await typing.say("s", "c1", "kim", is_typing=True)
    await typing.say("s", "c1", "kim", is_typing=False)
    await asyncio.sleep(0.06)
    assert heard == [typing_frame("kim", True), typing_frame("kim", False)]


async def test_the_last_to_leave_stops_listening() -> None:
    bus = MemoryBus()
    typing, heard = Typing(bus, SOON), []
    typing.join("s", "c2", lambda user, frame: heard.append(frame))
    await typing.say("s", "c1", "kim", is_typing=True)
    typing.leave("s", "c2")
    typing.leave("s", "c2")
    assert bus._channels == {}
    await asyncio.sleep(0.06)
    assert heard == [typing_frame("kim", True)]
