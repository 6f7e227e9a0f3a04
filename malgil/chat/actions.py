"""The verbs of the chat room; the only place that appends its facts.

Locks are taken in this order in every transaction: idempotency key → session name → turn rows → log streams (by
id) → rows of this room. Everything that decides about a session decides under the lock on its stream.
"""

from malgil.access.model import Caller
from malgil.agents import actions as agents
from malgil.agents import queries as agent_queries
from malgil.agents.transcript import Transcript
from malgil.chat import policy, posting, queries, store
from malgil.chat.errors import AgentBusy, NameTaken, SessionNotFound, UnknownAgent
from malgil.chat.events import SessionCreated, SessionUpdated
from malgil.chat.model import Face, NewMessage, NewSession, Posted, Session
from malgil.chat.projection import evolve
from malgil.kit.ids import SESSION, TurnId
from malgil.log import actions as log
from malgil.log import queries as log_queries
from malgil.log.model import Append
from malgil.log.scribe import Scribe
from malgil.storage.database import UnitOfWork

AGGREGATE = "ChatSession"


async def create_session(uow: UnitOfWork, scribe: Scribe, new: NewSession) -> Session:
    """A new session whose owner is the caller. Raises UnknownAgent; NameTaken for a chosen id that exists."""
    owner = new.caller
    if new.agent_id is not None and await agent_queries.agent(uow.conn, new.agent_id, owner.tenant) is None:
        raise UnknownAgent(new.agent_id)
    session_id = new.session_id or scribe.new_id(SESSION)
    if new.session_id:
        await _reserve(uow, new.session_id)
    await log.create_stream(uow, session_id, aggregate=AGGREGATE, tenant=owner.tenant)
    fact = SessionCreated(
        tenant=owner.tenant, owner_id=owner.user_id, agent_id=new.agent_id, title=new.title, metadata=new.metadata,
        queue_policy=new.queue_policy, branched_from=new.branched_from,
    )
    (entry,) = await scribe.record(uow, Append(session_id, [fact], actor=owner.user_id))
    session = evolve(None, entry)
    assert session is not None
    await store.insert_session(uow.conn, session)
    await store.insert_participant(uow.conn, session_id, owner.user_id, "owner", entry.at)
    return session


async def _reserve(uow: UnitOfWork, session_id: str) -> None:
    await store.lock_session(uow.conn, session_id)
    if await log.lock(uow, [session_id]):
        raise NameTaken(f"Something named {session_id!r} exists.")


async def update_session(uow: UnitOfWork, scribe: Scribe, caller: Caller, session_id: str, change: Face) -> Session:
    """The session with its face changed; a change that changes nothing leaves no trace.

    Archiving and restoring are changes of `status`. Raises SessionNotFound, ReadOnly.
    """
    await log.lock(uow, [session_id])
    session, role = await queries.open_session(uow.conn, caller, session_id)
    policy.require_manage(role)
    face = Face(title=session.title, metadata=session.metadata, status=session.status,
                queue_policy=session.queue_policy)
    if (wanted := face | change) == face:
        return session
    fact = SessionUpdated.model_validate({"user_id": caller.user_id, **wanted})
    (entry,) = await scribe.record(uow, Append(session_id, [fact], actor=caller.user_id))
    updated = evolve(session, entry)
    assert updated is not None
    await store.update_face(uow.conn, updated)
    return updated


async def archive_session(uow: UnitOfWork, scribe: Scribe, caller: Caller, session_id: str) -> Session:
    """Put the session away; it stays readable and can be restored. Archiving twice is archiving once."""
    return await update_session(uow, scribe, caller, session_id, Face(status="archived"))


async def post_alone(uow: UnitOfWork, scribe: Scribe, transcript: Transcript, new: NewMessage) -> Posted:
    """Post one message in a unit of work of its own, where the session's queue policy can be carried out.

    `reject` raises AgentBusy while an answer is being made, `interrupt` stops it first. A message that is known
    already does neither. Raises what post_messages answers.
    """
    await store.lock_session(uow.conn, new.session_id)
    known = await posting.known(uow, new)
    if known is not None:
        return known
    session, role = await queries.open_session(uow.conn, new.caller, new.session_id, new.sender)
    policy.require_post(session.session_id, session.status, role)
    await make_way(uow, scribe, transcript, session)
    (posted,) = await posting.post_messages(uow, scribe, [new], alone=True)
    if isinstance(posted, Exception):
        raise posted
    return posted


async def make_way(uow: UnitOfWork, scribe: Scribe, transcript: Transcript, session: Session) -> None:
    """Do for one more turn what the session's queue policy asks for; only under the lock on its name.

    Raises AgentBusy.
    """
    # Turns of such a session are queued under its name's lock only, so what is seen here stays true.
    match session.queue_policy:
        case "reject" if await agent_queries.open_turn(uow.conn, session.session_id):
            raise AgentBusy(session.session_id)
        case "interrupt":
            await agents.stop_turns(uow, scribe, transcript, session.session_id)
        case _:
            pass


async def stop_answer(
    uow: UnitOfWork, scribe: Scribe, transcript: Transcript, caller: Caller, session_id: str
) -> list[TurnId]:
    """Stop the running turn, keeping what was said, and drop the queued ones; the turns that were stopped.

    Allowed in an archived session too: an answer may still be running there. Raises SessionNotFound, ReadOnly.
    """
    await store.lock_session(uow.conn, session_id)
    _, role = await queries.open_session(uow.conn, caller, session_id)
    policy.require_post(session_id, "active", role)
    return await agents.stop_turns(uow, scribe, transcript, session_id)


async def mark_read(uow: UnitOfWork, caller: Caller, session_id: str, seq: int) -> None:
    """The caller has read up to `seq` (never further than the log goes, never back). Raises SessionNotFound."""
    await queries.open_session(uow.conn, caller, session_id)
    _, heads = await log_queries.heads(uow.conn, [session_id])
    if session_id not in heads:
        raise SessionNotFound(session_id)
    await store.advance_read_mark(uow.conn, session_id, caller.user_id, min(seq, heads[session_id]))
