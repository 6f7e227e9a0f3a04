"""Old state + entry = new state: what the tables must hold after each entry of a session's log.

The actions that change a session's face write what `evolve` gives; the hot ones (messages) do the same by counters,
and a property test holds the tables against this fold.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from malgil.agents.events import AnswerEnded
from malgil.chat.events import (
    AnswerSuperseded,
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    ParticipantChanged,
    ParticipantJoined,
    ParticipantLeft,
    SessionCreated,
    SessionErased,
    SessionUpdated,
)
from malgil.chat.model import Message, Role, Session, preview
from malgil.chat.notices import details, notice
from malgil.kit.ids import MessageId, SessionId, TenantId, UserId
from malgil.log.model import Entry

Revision = MessageEdited | MessageDeleted | AnswerSuperseded
"""What changes a message that is there."""
PeopleFact = ParticipantJoined | ParticipantLeft | ParticipantChanged
ChatFact = SessionCreated | SessionUpdated | SessionErased | MessageCreated | AnswerEnded | Revision | PeopleFact
_REVISIONS: dict[str, type[Revision]] = {
    fact.kind: fact for fact in (MessageEdited, MessageDeleted, AnswerSuperseded)
}
_FACTS: dict[str, type[ChatFact]] = {
    fact.kind: fact
    for fact in (
        SessionCreated, SessionUpdated, SessionErased, MessageCreated, AnswerEnded, *_REVISIONS.values(),
        ParticipantJoined, ParticipantLeft, ParticipantChanged,
    )
}


def evolve(state: Session | None, entry: Entry) -> Session | None:
    """The session after `entry`; entries that do not concern its row leave it as it was."""
    known = _FACTS.get(entry.kind)
    if known is None:
        return state
    fact = known.model_validate(entry.data)
    match fact:
        case SessionCreated():
            return _created(fact, entry)
        case SessionUpdated():
            return state and replace(
                state, title=fact.title, metadata=fact.metadata, status=fact.status, queue_policy=fact.queue_policy,
                last_activity=entry.at,
            )
        case MessageCreated() | AnswerEnded():
            return state and replace(
                state, message_count=state.message_count + 1, last_message=preview(fact.content),
                last_message_at=entry.at, last_activity=entry.at,
            )
        case MessageDeleted():
            return state and replace(state, message_count=state.message_count - 1)
        case ParticipantJoined() | ParticipantLeft():
            return state and replace(state, message_count=state.message_count + 1, last_activity=entry.at)
        case SessionErased():
            return state and replace(
                state, title=None, metadata={}, status="deleted", message_count=0, last_message=None,
                last_message_at=None, last_activity=entry.at,
            )
        case MessageEdited() | AnswerSuperseded() | ParticipantChanged():
            return state
        case _:
            assert_never(fact)


def people_after(people: Mapping[str, Role], entry: Entry) -> dict[str, Role]:
    """Who takes part, and how, after `entry`."""
    data = entry.data
    match entry.kind:
        case SessionCreated.kind:
            return {data["owner_id"]: "owner"}
        case ParticipantJoined.kind | ParticipantChanged.kind:
            return {**people, data["user_id"]: data["role"]}
        case ParticipantLeft.kind:
            return {user_id: role for user_id, role in people.items() if user_id != data["user_id"]}
        case _:
            return dict(people)


def settled(state: Session, newest: Message | None) -> Session:
    """The session with `newest` as its last message: what follows `evolve` when a message was edited or deleted."""
    if newest is None:
        return replace(state, last_message=None, last_message_at=None)
    return replace(state, last_message=preview(newest.content), last_message_at=newest.created_at)


def revised(message: Message, entry: Entry) -> Message:
    """The message after an entry about it."""
    known = _REVISIONS.get(entry.kind)
    if known is None:
        return message
    fact = known.model_validate(entry.data)
    match fact:
        case MessageEdited():
            return replace(message, content=fact.content, is_edited=True, edited_at=entry.at)
        case MessageDeleted():
            return replace(message, content="", metadata={}, deleted_at=entry.at)
        case AnswerSuperseded():
            return replace(message, superseded_by=MessageId(fact.by))
        case _:
            assert_never(fact)


def message_of(entry: Entry) -> Message | None:
    """The message that `entry` put into the session, if it is one that does."""
    match entry.kind:
        case MessageCreated.kind:
            return created_message(MessageCreated.model_validate(entry.data), entry)
        case AnswerEnded.kind:
            return answer_message(AnswerEnded.model_validate(entry.data), entry)
        case ParticipantJoined.kind:
            return notice_message(ParticipantJoined.model_validate(entry.data), entry)
        case ParticipantLeft.kind:
            return notice_message(ParticipantLeft.model_validate(entry.data), entry)
        case _:
            return None


def notice_message(fact: ParticipantJoined | ParticipantLeft, entry: Entry) -> Message:
    """The row of the message that somebody came or went."""
    return Message(
        MessageId(fact.message_id), SessionId(entry.stream), entry.seq, "system", fact.by, "system", notice(fact),
        details(fact), None, None, False, None, entry.at,
    )


def created_message(fact: MessageCreated, entry: Entry) -> Message:
    """The row of a message that somebody posted."""
    return Message(
        MessageId(fact.message_id), SessionId(entry.stream), entry.seq, fact.sender_type, fact.sender_id,
        fact.message_type, fact.content, fact.metadata, None, None, False, fact.client_message_id, entry.at,
        MessageId(fact.reply_to) if fact.reply_to else None,
    )


def answer_message(fact: AnswerEnded, entry: Entry) -> Message:
    """The row of an answer. Its metadata may hold more: what the facts before this one tell of the tools it used."""
    return Message(
        MessageId(fact.message_id), SessionId(entry.stream), entry.seq, "agent", agent_sender(fact.agent_id), "text",
        fact.content, {"turn_id": fact.turn_id, "finish_reason": fact.finish_reason}, fact.tokens_used,
        fact.latency_ms, False, None, entry.at, MessageId(fact.prompt_id),
    )


def agent_sender(agent_id: int) -> str:
    """An agent's `sender_id`."""
    return str(agent_id)


def _created(fact: SessionCreated, entry: Entry) -> Session:
    return Session(
        SessionId(entry.stream), TenantId(fact.tenant), UserId(fact.owner_id), fact.agent_id, fact.title,
        fact.metadata, "active", fact.queue_policy, 0, None, None, entry.at, entry.at,
    )
