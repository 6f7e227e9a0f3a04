"""Tells the bus of committed entries, one message a session."""

from collections.abc import Awaitable, Callable, Sequence

from malgil.log.model import Entry
from malgil.realtime.bus import Bus, Message, session_channel


def announcer(bus: Bus) -> Callable[[Sequence[Entry]], Awaitable[None]]:
    """A function that publishes entries on the channels of their sessions, those of one session in their order."""

    async def announce(entries: Sequence[Entry]) -> None:
        by_stream: dict[str, list[Entry]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, []).append(entry)
        for stream, own in by_stream.items():
            await bus.publish(session_channel(stream), Message("entries", tuple(own)))

    return announce
