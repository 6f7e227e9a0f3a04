"""Asking for another answer: a new turn for a message that has had one, or should have."""

from dataclasses import dataclass

from malgil.access.model import Caller
from malgil.agents import actions as agents
from malgil.agents import queries as agent_queries
from malgil.agents.model import NewTurn, Queued
from malgil.agents.transcript import Transcript
from malgil.chat import actions, policy, queries, store
from malgil.chat.errors import AgentBusy, MessageNotFound, NoAgent, NothingToAnswer
from malgil.chat.model import Message, Session
from malgil.kit.ids import MessageId
from malgil.log import actions as log
from malgil.log.model import Append
from malgil.log.scribe import Scribe
from malgil.storage.database import Connection, UnitOfWork


@dataclass(frozen=True, slots=True)
class Again:
    """Another answer is wanted: to the message of that id, or in the place of the answer of that id.

    `caller` may enter the session, `asker` asks: two users in development mode only. Tools act for the asker.
    """

    caller: Caller
    asker: Caller
    session_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Regenerated:
    """The turn that will answer, and the answer that it is to take the place of."""

    turn: NewTurn
    replaces: MessageId | None


async def regenerate(uow: UnitOfWork, scribe: Scribe, transcript: Transcript, wanted: Again) -> Regenerated:
    """Queue another answer. The old one is superseded when the new one has ended, and only if that is worth it.

    A message whose answer is still being made is not answered a second time beside it: AgentBusy, unless the
    session's policy is to interrupt. Raises also SessionNotFound, MessageNotFound, ReadOnly, SessionArchived, NoAgent,
    NothingToAnswer.
    """
    session_id = wanted.session_id
    await store.lock_session(uow.conn, session_id)
    session, _ = await _asked(uow.conn, wanted)
    await actions.make_way(uow, scribe, transcript, session)
    await log.lock(uow, [session_id])
    session, prompt = await _asked(uow.conn, wanted)
    if session.agent_id is None:
        raise NoAgent(session_id)
    if await agent_queries.being_answered(uow.conn, prompt.message_id):
        raise AgentBusy(session_id)
    turn = agents.plan_turn(
        scribe, session_id=session_id, tenant=session.tenant, user_id=wanted.asker.user_id,
        agent_id=session.agent_id, prompt_id=prompt.message_id,
    )
    old = await store.current_answer(uow.conn, prompt.message_id)
    (entry,) = await scribe.record(uow, Append(session_id, [turn.fact], actor=wanted.asker.user_id))
    await agents.enqueue(uow, scribe, [Queued(turn, prompt.seq, entry.seq)])
    return Regenerated(turn, old["message_id"] if old else None)


async def _asked(conn: Connection, wanted: Again) -> tuple[Session, Message]:
    """The session and the message that is to be answered."""
    session, role = await queries.open_session(conn, wanted.caller, wanted.session_id, wanted.asker)
    message = await queries.message(conn, wanted.session_id, wanted.message_id)
    policy.require_post(session.session_id, session.status, role)
    return session, await _prompt(conn, message)


async def _prompt(conn: Connection, message: Message) -> Message:
    if message.sender_type == "user":
        return message
    try:
        return await queries.message(conn, message.session_id, message.reply_to or "")
    except MessageNotFound:
        raise NothingToAnswer(message.message_id) from None
