"""Sessions, participants and messages as values, and the limits on them. Pure, no I/O."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypedDict

from malgil.access.model import Caller
from malgil.kit.ids import MessageId, SessionId, TenantId, UserId

Status = Literal["active", "archived", "deleted"]
SenderType = Literal["user", "agent", "system"]
MessageType = Literal["text", "stream", "file", "system"]
Role = Literal["owner", "member", "viewer"]
QueuePolicy = Literal["enqueue", "reject", "interrupt"]
"""What a message does that arrives while an answer is being made."""

CONTENT_MOST: Final = 32_768
TITLE_MOST: Final = 200
CLIENT_ID_MOST: Final = 128
METADATA_BYTES_MOST: Final = 16 * 1024
PREVIEW_MOST: Final = 200
SEQ_MOST: Final = 2**62
UNREAD_MOST: Final = 100
"""Unread messages are counted up to here: 100 means a hundred or more."""

_SESSION_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_OUR_ID = re.compile(r"[a-z]+_[0-9a-hjkmnp-tv-z]{26}", re.ASCII)


def valid_session_id(text: str) -> bool:
    """Whether a session could have this id at all; anything else never reaches the database."""
    return _SESSION_ID.fullmatch(text) is not None


def client_may_choose(session_id: str) -> bool:
    """Whether a client may name a new session so: not like the ids that the server gives out, of any type."""
    return valid_session_id(session_id) and not session_id.startswith("sess_") and not _OUR_ID.fullmatch(session_id)


def preview(content: str) -> str:
    """A message as a line in a list of sessions."""
    return " ".join(content[: PREVIEW_MOST * 2].split())[:PREVIEW_MOST]


SendKey = tuple[str, str, str]
"""(session, sender, client_message_id)"""


class Face(TypedDict, total=False):
    """The parts of a session that its owner may change."""

    title: str | None
    metadata: dict[str, Any]
    status: Status
    queue_policy: QueuePolicy


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its row holds it."""

    session_id: SessionId
    tenant: TenantId
    owner_id: UserId
    agent_id: int | None
    title: str | None
    metadata: dict[str, Any]
    status: Status
    queue_policy: QueuePolicy
    message_count: int
    last_message: str | None
    last_message_at: datetime | None
    last_activity: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A message as its row holds it. `seq` is that of the log entry that holds it too."""

    message_id: MessageId
    session_id: SessionId
    seq: int
    sender_type: SenderType
    sender_id: str
    message_type: MessageType
    content: str
    metadata: dict[str, Any]
    tokens_used: int | None
    latency_ms: int | None
    is_edited: bool
    client_message_id: str | None
    created_at: datetime
    reply_to: MessageId | None = None
    superseded_by: MessageId | None = None
    edited_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """The message of another session up to which a session's history was copied."""

    session_id: SessionId
    message_id: MessageId


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to be made for `caller`. `session_id` None: the server names it."""

    caller: Caller
    agent_id: int | None
    title: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    queue_policy: QueuePolicy = "enqueue"
    session_id: SessionId | None = None
    branched_from: Branch | None = None


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be posted. `caller` may enter the session, `sender` speaks: two users in development mode only."""

    caller: Caller
    sender: Caller
    session_id: SessionId
    content: str
    message_type: MessageType = "text"
    metadata: dict[str, Any] = field(default_factory=dict)
    client_message_id: str | None = None
    client_time: str | int | float | None = None
    wants_answer: bool = False
    """Refused in a session without an agent, since the sender is going to wait for the answer."""
    agent_id: int | None = None
    """Refused in a session that another agent answers."""

    @property
    def key(self) -> SendKey | None:
        """What makes two sends the same message; None when the client gave it no id."""
        return (self.session_id, self.sender.user_id, self.client_message_id) if self.client_message_id else None

    @property
    def users(self) -> set[str]:
        """Who must take part in the session: either of them."""
        return {self.caller.user_id, self.sender.user_id}


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that is in the log. `duplicate`: it was there before this send."""

    session_id: SessionId
    message_id: MessageId
    seq: int
    created_at: datetime
    duplicate: bool = False
