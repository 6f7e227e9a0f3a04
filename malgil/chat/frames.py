"""What each fact of the chat room looks like on the wire (realtime.md, "Server → client")."""

from typing import Any

from malgil.chat import events
from malgil.chat.errors import SentAway
from malgil.chat.policy import can_post
from malgil.kit.clock import rfc3339
from malgil.log.model import Entry
from malgil.realtime.errors import Gone
from malgil.realtime.gate import Ruling

Payload = dict[str, Any]


def _message(e: Entry) -> Payload:
    shown = ("message_id", "sender_type", "sender_id", "message_type", "content", "metadata")
    frame = {"type": "message"} | {key: e.data[key] for key in shown} | {"timestamp": rfc3339(e.at)}
    # A device that sent it knows its own message again, and need not show it twice.
    optional = ("client_message_id", "client_time", "reply_to")
    return frame | {key: e.data[key] for key in optional if e.data.get(key) is not None}


def _created(e: Entry) -> Payload:
    face = {key: e.data[key] for key in ("title", "metadata", "agent_id")}
    if e.data.get("branched_from"):
        face["branched_from"] = e.data["branched_from"]
    return {"type": "system", "event": "session_created", "user_id": e.data["owner_id"], "timestamp": rfc3339(e.at),
            **face}


def _updated(e: Entry) -> Payload:
    face = {key: e.data[key] for key in ("title", "metadata", "status", "queue_policy")}
    return {"type": "system", "event": "session_updated", "user_id": e.data["user_id"], "timestamp": rfc3339(e.at),
            **face}


def _edited(e: Entry) -> Payload:
    return {"type": "message_updated", "message_id": e.data["message_id"], "content": e.data["content"],
            "is_edited": True, "edited_at": rfc3339(e.at)}


def _superseded(e: Entry) -> Payload:
    return {"type": "message_updated", "message_id": e.data["message_id"], "superseded_by": e.data["by"]}


def _deleted(e: Entry) -> Payload:
    return {"type": "message_deleted", "message_id": e.data["message_id"]}


def _joined(e: Entry) -> Payload:
    return _person("user_joined", e, "message_id", "role")


def _left(e: Entry) -> Payload:
    return _person("user_left", e, "message_id")


def _changed(e: Entry) -> Payload:
    return _person("role_changed", e, "role")


def _person(event: str, e: Entry, *more: str) -> Payload:
    shown = {key: e.data[key] for key in ("user_id", *more, "by")}
    return {"type": "system", "event": event, **shown, "timestamp": rfc3339(e.at)}


def _erased(e: Entry) -> Payload:
    return {"type": "system", "event": "session_erased", "user_id": e.data["by"], "timestamp": rfc3339(e.at)}


def _left_ruling(e: Entry) -> Ruling:
    return Ruling(e.data["user_id"], SentAway("You do not take part in this session any more."))


def _changed_ruling(e: Entry) -> Ruling:
    return Ruling(e.data["user_id"], read_only=not can_post(e.data["role"]))


def _erased_ruling(e: Entry) -> Ruling:
    return Ruling(None, Gone("The session has been erased."))


RULINGS = {
    events.ParticipantLeft.kind: _left_ruling,
    events.ParticipantChanged.kind: _changed_ruling,
    events.SessionErased.kind: _erased_ruling,
}
"""What facts do to the connections that are open in their session."""

FRAMES = {
    events.SessionCreated.kind: _created,
    events.SessionUpdated.kind: _updated,
    events.MessageCreated.kind: _message,
    events.ParticipantJoined.kind: _joined,
    events.ParticipantLeft.kind: _left,
    events.ParticipantChanged.kind: _changed,
    events.SessionErased.kind: _erased,
    events.MessageEdited.kind: _edited,
    events.MessageDeleted.kind: _deleted,
    events.AnswerSuperseded.kind: _superseded,
}
