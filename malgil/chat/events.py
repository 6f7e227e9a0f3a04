"""The facts this room appends to a session's log. Closed, versioned, frozen."""

from typing import Any, ClassVar

from malgil.chat.model import Branch, MessageType, QueuePolicy, Role, SenderType, Status
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
    branched_from: Branch | None = None


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
    reply_to: str | None = None
    """Of an answer that was copied into this session: the copy of its prompt."""


class MessageEdited(Fact):
    """Its author says it in other words."""

    kind: ClassVar[str] = "message.edited"
    message_id: str
    content: str
    user_id: str


class MessageDeleted(Fact):
    """It was taken back, by its author or by the session's owner."""

    kind: ClassVar[str] = "message.deleted"
    message_id: str
    user_id: str


class AnswerSuperseded(Fact):
    """Another answer to the same prompt, `by`, is the current one: a newer one, or an older one that this one, which
    failed or says nothing, does not take the place of. It stays to be looked at."""

    kind: ClassVar[str] = "answer.superseded"
    message_id: str
    by: str


class ParticipantJoined(Fact):
    """Somebody takes part from here on. `message_id`: joining is also a message in the list."""

    kind: ClassVar[str] = "participant.joined"
    message_id: str
    user_id: str
    role: Role
    by: str


class ParticipantLeft(Fact):
    """Somebody takes part no more: gone of their own will (`by` themselves), or sent away."""

    kind: ClassVar[str] = "participant.left"
    message_id: str
    user_id: str
    by: str


class ParticipantChanged(Fact):
    """A participant's role is another one from here on."""

    kind: ClassVar[str] = "participant.changed"
    user_id: str
    role: Role
    by: str


class SessionErased(Fact):
    """Always the last entry, and soon the only one: it stands for all that was."""

    kind: ClassVar[str] = "session.erased"
    by: str
