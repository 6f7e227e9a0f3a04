"""Old state + entry = new state: what the tables must hold after each entry of a session's log.

The actions that change a session's face write what `evolve` gives; the hot ones (messages) do the same by counters,
and a property test holds the tables against this fold.
"""

from dataclasses import replace
from typing import assert_never

from malgil.agents.events import AnswerEnded
from malgil.chat.events import MessageCreated, SessionCreated, SessionUpdated
from malgil.chat.model import Message, Session, preview
from malgil.kit.ids import MessageId, SessionId, TenantId, UserId
from malgil.log.model import Entry

ChatFact = SessionCreated | SessionUpdated | MessageCreated | AnswerEnded
_FACTS: dict[str, type[ChatFact]] = {
    fact.kind: fact for fact in (SessionCreated, SessionUpdated, MessageCreated, AnswerEnded)
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
        case _:
            assert_never(fact)


def message_of(entry: Entry) -> Message | None:
    """The message that `entry` put into the session, if it is one that does."""
    match entry.kind:
        case MessageCreated.kind:
            return created_message(MessageCreated.model_validate(entry.data), entry)
        case AnswerEnded.kind:
            return answer_message(AnswerEnded.model_validate(entry.data), entry)
        case _:
            return None


def created_message(fact: MessageCreated, entry: Entry) -> Message:
    """The row of a message that somebody posted."""
    return Message(
        MessageId(fact.message_id), SessionId(entry.stream), entry.seq, fact.sender_type, fact.sender_id,
        fact.message_type, fact.content, fact.metadata, None, None, False, fact.client_message_id, entry.at,
    )


def answer_message(fact: AnswerEnded, entry: Entry) -> Message:
    """The row of an answer. Its metadata may hold more: what the facts before this one tell of the tools it used."""
    return Message(
        MessageId(fact.message_id), SessionId(entry.stream), entry.seq, "agent", agent_sender(fact.agent_id), "text",
        fact.content, {"turn_id": fact.turn_id, "finish_reason": fact.finish_reason}, fact.tokens_used,
        fact.latency_ms, False, None, entry.at,
    )


def agent_sender(agent_id: int) -> str:
    """An agent's `sender_id`."""
    return str(agent_id)


def _created(fact: SessionCreated, entry: Entry) -> Session:
    return Session(
        SessionId(entry.stream), TenantId(fact.tenant), UserId(fact.owner_id), fact.agent_id, fact.title,
        fact.metadata, "active", fact.queue_policy, 0, None, None, entry.at, entry.at,
    )
