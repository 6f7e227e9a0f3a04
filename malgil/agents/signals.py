"""How workers hear of turns: the announcements of the log, filtered onto one bus channel. Hints only: a worker that
hears nothing still finds queued turns and stopped ones at its next scan."""

from collections.abc import Sequence

from malgil.agents import events
from malgil.log.model import Entry
from malgil.log.scribe import Announce
from malgil.realtime.bus import TURNS, Bus, Message

_HEARD = frozenset({events.TurnQueued.kind}) | events.TERMINAL


def turn_announcer(bus: Bus) -> Announce:
    """An announcer that tells workers of turns queued and ended, and nothing else."""

    async def announce(entries: Sequence[Entry]) -> None:
        heard = tuple(entry for entry in entries if entry.kind in _HEARD)
        if heard:
            await bus.publish(TURNS, Message("turns", heard))

    return announce
