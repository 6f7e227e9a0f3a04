"""The facts this room appends to a session's log. Closed, versioned, frozen."""

from typing import Any, ClassVar

from malgil.chat.model import MessageType, QueuePolicy, SenderType, Status
from malgil.log.model import Fact


class SessionCreated(Fact):
    """Always the first entry. Its owner is the first participant."""

    kind: ClassVar[str] = "session.created"
    tenant: str
    owner_id: str
    agent_id: int | None
    title: str | None
    metadata: dict[str, Any]
    queue_policy: QueuePolicy


class SessionUpdated(Fact):
    """What the session's face looks like from here on, whole; archiving and restoring are this too."""

    kind: ClassVar[str] = "session.updated"
    user_id: str
    title: str | None
    metadata: dict[str, Any]
    status: Status
    queue_policy: QueuePolicy


class MessageCreated(Fact):
    """Somebody said something. `client_time` is what the client's clock claimed: kept, never trusted."""

    kind: ClassVar[str] = "message.created"
    message_id: str
    sender_type: SenderType
    sender_id: str
    message_type: MessageType
    content: str
    metadata: dict[str, Any]
    client_message_id: str | None = None
    client_time: str | int | float | None = None
