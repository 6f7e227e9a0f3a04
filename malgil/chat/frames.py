"""What each fact of the chat room looks like on the wire (realtime.md, "Server → client")."""

from typing import Any

from malgil.chat import events
from malgil.kit.clock import rfc3339
from malgil.log.model import Entry

Payload = dict[str, Any]


def _message(e: Entry) -> Payload:
    shown = ("message_id", "sender_type", "sender_id", "message_type", "content", "metadata")
    frame = {"type": "message"} | {key: e.data[key] for key in shown} | {"timestamp": rfc3339(e.at)}
    # A device that sent it knows its own message again, and need not show it twice.
    optional = ("client_message_id", "client_time")
    return frame | {key: e.data[key] for key in optional if e.data.get(key) is not None}


def _created(e: Entry) -> Payload:
    face = {key: e.data[key] for key in ("title", "metadata", "agent_id")}
    return {"type": "system", "event": "session_created", "user_id": e.data["owner_id"], "timestamp": rfc3339(e.at),
            **face}


def _updated(e: Entry) -> Payload:
    face = {key: e.data[key] for key in ("title", "metadata", "status", "queue_policy")}
    return {"type": "system", "event": "session_updated", "user_id": e.data["user_id"], "timestamp": rfc3339(e.at),
            **face}


FRAMES = {
    events.SessionCreated.kind: _created,
    events.SessionUpdated.kind: _updated,
    events.MessageCreated.kind: _message,
}
