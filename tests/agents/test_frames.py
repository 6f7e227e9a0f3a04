"""Each fact of a turn on the wire, as realtime.md writes it."""

import inspect
from datetime import UTC, datetime
from typing import Any

import pytest

from malgil.agents import events
from malgil.agents.frames import FRAMES
from malgil.log.model import Entry, Fact

IDS: dict[str, Any] = {"turn_id": "turn_1", "message_id": "msg_2"}
TOOL: dict[str, Any] = {**IDS, "call_id": "call_3", "name": "look"}
ENDED: dict[str, Any] = {**IDS, "prompt_id": "msg_1", "agent_id": 1, "tokens_used": 150, "latency_ms": 2341,
                         "attempt": 1}
CASES: list[tuple[Fact, dict[str, Any]]] = [
    (
        events.TurnQueued(**IDS, prompt_id="msg_1", agent_id=1, user_id="kim"),
        {"type": "turn", **IDS, "state": "queued", "attempt": 0, "reply_to": "msg_1"},
    ),
    (
        events.TurnStarted(**IDS, agent_id=1, attempt=1),
        {"type": "stream_start", **IDS, "sender_type": "agent"},
    ),
    (events.TurnResumed(**IDS, attempt=2), {"type": "turn", **IDS, "state": "resumed", "attempt": 2}),
    (
        events.AnswerReset(**IDS, attempt=2, offset=7),
        {"type": "stream_reset", "message_id": "msg_2", "attempt": 2, "offset": 7},
    ),
    (
        events.ToolStarted(**TOOL, arguments={"n": 1}, attempt=1, step=0, offset=3),
        {"type": "tool", "message_id": "msg_2", "call_id": "call_3", "name": "look", "state": "started",
         "arguments": {"n": 1}},
    ),
    (
        events.ToolFinished(**TOOL, result={"r": 1}),
        {"type": "tool", "message_id": "msg_2", "call_id": "call_3", "name": "look", "state": "finished",
         "result": {"r": 1}},
    ),
    (
        events.ToolFailed(**TOOL, result={"error": {}}, unknown=True),
        {"type": "tool", "message_id": "msg_2", "call_id": "call_3", "name": "look", "state": "failed",
         "result": {"error": {}}},
    ),
    (
        events.AnswerEnded(**ENDED, content="끝 👩🏽‍💻", finish_reason="stop"),
        {"type": "stream_end", "message_id": "msg_2", "tokens_used": 150, "latency_ms": 2341, "finish_reason": "stop",
         "length": 6},
    ),
    (
        events.AnswerEnded(**ENDED, content="", finish_reason="failed", error={"code": "X"}),
        {"type": "stream_end", "message_id": "msg_2", "tokens_used": 150, "latency_ms": 2341,
         "finish_reason": "failed", "length": 0, "error": {"code": "X"}},
    ),
    (
        events.TurnDropped(**IDS, prompt_id="msg_1", state="stopped"),
        {"type": "turn", **IDS, "state": "stopped", "attempt": 0},
    ),
    (
        events.TurnDropped(**IDS, prompt_id="msg_1", state="failed", error={"code": "X"}),
        {"type": "turn", **IDS, "state": "failed", "attempt": 0, "error": {"code": "X"}},
    ),
]


@pytest.mark.parametrize(("fact", "frame"), CASES, ids=lambda case: getattr(case, "kind", ""))
def test_a_fact_on_the_wire(fact: Fact, frame: dict[str, Any]) -> None:
    entry = Entry("s", 5, 5, fact.kind, fact.model_dump(), datetime(2026, 1, 1, tzinfo=UTC))
    assert FRAMES[fact.kind](entry) == frame


def test_every_fact_of_this_room_has_a_frame_and_a_case() -> None:
    facts = {one.kind for _, one in inspect.getmembers(events, inspect.isclass) if issubclass(one, Fact)
             and one is not Fact}
    assert set(FRAMES) == facts == {fact.kind for fact, _ in CASES}
