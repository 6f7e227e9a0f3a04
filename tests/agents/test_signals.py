"""What workers are told of."""

from datetime import UTC, datetime

import pytest

from malgil.agents.signals import turn_announcer
from malgil.log.model import Entry
from malgil.realtime.bus import TURNS, MemoryBus, Message


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def heard(bus: MemoryBus) -> list[Message]:
    messages: list[Message] = []
    bus.subscribe(TURNS, messages.append)
    return messages


def entry(kind: str, seq: int = 1) -> Entry:
    return Entry("s", seq, seq, kind, {}, datetime(2026, 1, 1, tzinfo=UTC))


async def test_workers_hear_of_turns_queued_and_ended_and_of_nothing_else(bus: MemoryBus, heard: list[Message]) -> None:
    kinds = ["message.created", "turn.queued", "turn.started", "answer.delta", "tool.started", "answer.ended",
             "turn.dropped"]
    await turn_announcer(bus)([entry(kind, seq) for seq, kind in enumerate(kinds, 1)])
    (message,) = heard
    assert [one.kind for one in message.entries] == ["turn.queued", "answer.ended", "turn.dropped"]


async def test_without_news_nothing_is_told(bus: MemoryBus, heard: list[Message]) -> None:
    await turn_announcer(bus)([entry("answer.delta"), entry("message.created")])
    await turn_announcer(bus)([])
    assert heard == []
