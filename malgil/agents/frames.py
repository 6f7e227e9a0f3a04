"""What each fact of a turn looks like on the wire (realtime.md, "Server → client")."""

from typing import Any

from malgil.agents import events
from malgil.log.model import Entry

Payload = dict[str, Any]


def _queued(e: Entry) -> Payload:
    return {"type": "turn", "turn_id": e.data["turn_id"], "message_id": e.data["message_id"], "state": "queued",
            "attempt": 0, "reply_to": e.data["prompt_id"]}


def _started(e: Entry) -> Payload:
    return {"type": "stream_start", "message_id": e.data["message_id"], "sender_type": "agent",
            "turn_id": e.data["turn_id"]}


def _resumed(e: Entry) -> Payload:
    return {"type": "turn", "turn_id": e.data["turn_id"], "message_id": e.data["message_id"], "state": "resumed",
            "attempt": e.data["attempt"]}


def _reset(e: Entry) -> Payload:
    return {"type": "stream_reset", "message_id": e.data["message_id"], "attempt": e.data["attempt"],
            "offset": e.data["offset"]}


def _tool(e: Entry, state: str) -> Payload:
    head = {"type": "tool", "message_id": e.data["message_id"], "call_id": e.data["call_id"], "name": e.data["name"]}
    return head | {"state": state} | {key: e.data[key] for key in ("arguments", "result") if key in e.data}


def _ended(e: Entry) -> Payload:
    frame = {"type": "stream_end", "message_id": e.data["message_id"], "tokens_used": e.data["tokens_used"],
             "latency_ms": e.data["latency_ms"], "finish_reason": e.data["finish_reason"],
             "length": len(e.data["content"])}
    return frame | ({"error": e.data["error"]} if e.data["error"] else {})


def _dropped(e: Entry) -> Payload:
    frame = {"type": "turn", "turn_id": e.data["turn_id"], "message_id": e.data["message_id"],
             "state": e.data["state"], "attempt": 0}
    return frame | ({"error": e.data["error"]} if e.data["error"] else {})


FRAMES = {
    events.TurnQueued.kind: _queued,
    events.TurnStarted.kind: _started,
    events.TurnResumed.kind: _resumed,
    events.AnswerReset.kind: _reset,
    events.ToolStarted.kind: lambda e: _tool(e, "started"),
    events.ToolFinished.kind: lambda e: _tool(e, "finished"),
    events.ToolFailed.kind: lambda e: _tool(e, "failed"),
    events.AnswerEnded.kind: _ended,
    events.TurnDropped.kind: _dropped,
}
