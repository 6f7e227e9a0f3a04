"""The verbs of erasing: hide in one short transaction, then remove in many.

A session may hold a hundred thousand messages. Removing them under the lock on its stream would hold up whoever posts
there, and with them all whose messages share their commit. So the lock is held only to decide and to hide: the status
that nothing reads past, and a last entry that stands for the whole log and refuses every fence.
"""

from malgil.access import idempotency
from malgil.access.model import Caller
from malgil.agents import actions as agents
from malgil.chat import policy, queries
from malgil.chat import store as chat
from malgil.chat.erasure import store
from malgil.chat.events import SessionErased
from malgil.chat.files import actions as files
from malgil.chat.projection import evolve
from malgil.log import actions as log
from malgil.log.scribe import Scribe
from malgil.storage.database import Database, UnitOfWork

ROWS_MOST = 5000
"""Rows of a table that one transaction removes."""
SESSIONS_MOST = 100


async def hide_session(uow: UnitOfWork, scribe: Scribe, caller: Caller, session_id: str) -> None:
    """From its commit on the session is erased for everybody; `clear` removes what it held.

    An answer that is being made is refused its next piece. Raises SessionNotFound, ReadOnly.
    """
    # Whoever stops turns holds the session's name too: they have done so before, or find the session erased.
    await chat.lock_session(uow.conn, session_id)
    await log.lock(uow, [session_id])
    session, role = await queries.open_session(uow.conn, caller, session_id)
    policy.require_manage(role)
    fact = SessionErased(by=caller.user_id)
    erased = evolve(session, await scribe.erase(uow, session_id, fact, actor=caller.user_id))
    assert erased is not None
    await store.hide(uow.conn, erased)


async def clear(database: Database, session_id: str) -> None:
    """Remove whatever a hidden session still holds. May be broken off anywhere, and begun again by anybody."""
    async with database.unit_of_work() as uow:
        await _forget_traces(uow, session_id)
    while await _remove_some(database, session_id):
        pass
    async with database.unit_of_work() as uow:
        await store.mark_cleared(uow.conn, session_id)


async def _forget_traces(uow: UnitOfWork, session_id: str) -> None:
    tenant = await store.tenant_of(uow.conn, session_id)
    await idempotency.forget(uow, tenant, await store.people(uow.conn, session_id), session_id)
    await agents.forget_turns(uow, session_id)
    await store.forget_marks(uow.conn, session_id)
    await files.unlink_all(uow, session_id)


async def _remove_some(database: Database, session_id: str) -> bool:
    async with database.unit_of_work() as uow:
        entries = await log.forget(uow, session_id, ROWS_MOST)
        messages = await store.remove_messages(uow.conn, session_id, ROWS_MOST)
    return bool(entries or messages)


async def finish(database: Database) -> int:
    """Clear what processes that died have left hidden; how many sessions there were."""
    async with database.read() as conn:
        left = await store.unfinished(conn, SESSIONS_MOST)
    for session_id in left:
        await clear(database, session_id)
    return len(left)
