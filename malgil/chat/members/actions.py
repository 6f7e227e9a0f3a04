"""The verbs of participants. They decide under the lock on the session's stream, like all that decides about it."""

from malgil.access.model import Caller
from malgil.chat import policy, queries
from malgil.chat.errors import OwnerStays, ParticipantNotFound, SessionFull
from malgil.chat.events import ParticipantChanged, ParticipantJoined, ParticipantLeft
from malgil.chat.members import store
from malgil.chat.model import Role
from malgil.chat.projection import notice_message
from malgil.kit.ids import MESSAGE
from malgil.log import actions as log
from malgil.log.model import Append, Entry
from malgil.log.scribe import Scribe
from malgil.storage.database import UnitOfWork

PARTICIPANTS_MOST = 1000


async def put_participant(
    uow: UnitOfWork, scribe: Scribe, caller: Caller, session_id: str, user_id: str, role: Role
) -> tuple[queries.Json, bool]:
    """The participant in that role, and whether they are new; who has it already leaves no trace.

    Raises SessionNotFound, ReadOnly, OwnerStays, SessionFull.
    """
    await log.lock(uow, [session_id])
    _, own = await queries.open_session(uow.conn, caller, session_id)
    policy.require_manage(own)
    known = await store.participant(uow.conn, session_id, user_id)
    if known is None:
        fact = ParticipantJoined(
            message_id=scribe.new_id(MESSAGE), user_id=user_id, role=role, by=caller.user_id
        )
        await _join(uow, scribe, session_id, fact)
    elif known["role"] == "owner":
        raise OwnerStays("The owner's role cannot be changed.")
    elif known["role"] != role:
        change = ParticipantChanged(user_id=user_id, role=role, by=caller.user_id)
        await scribe.record(uow, Append(session_id, [change], actor=caller.user_id))
        await store.change_role(uow.conn, session_id, user_id, role)
    now = await store.participant(uow.conn, session_id, user_id)
    assert now is not None
    return dict(now), known is None


async def _join(uow: UnitOfWork, scribe: Scribe, session_id: str, fact: ParticipantJoined) -> None:
    if await store.count(uow.conn, session_id) >= PARTICIPANTS_MOST:
        raise SessionFull(f"A session has at most {PARTICIPANTS_MOST} participants.")
    entry = await _tell(uow, scribe, session_id, fact)
    await store.join(uow.conn, session_id, fact.user_id, fact.role, entry.seq, entry.at)


async def remove_participant(
    uow: UnitOfWork, scribe: Scribe, caller: Caller, session_id: str, user_id: str
) -> None:
    """Send somebody away, which only the owner may, or leave. Their open connections end by the entry of it.

    Raises SessionNotFound, ReadOnly, ParticipantNotFound; OwnerStays, for the owner archives or erases instead.
    """
    await log.lock(uow, [session_id])
    _, own = await queries.open_session(uow.conn, caller, session_id)
    if user_id != caller.user_id:
        policy.require_manage(own)
    known = await store.participant(uow.conn, session_id, user_id)
    if known is None:
        raise ParticipantNotFound(user_id)
    if known["role"] == "owner":
        raise OwnerStays("The owner cannot leave; archive or erase the session instead.")
    fact = ParticipantLeft(message_id=scribe.new_id(MESSAGE), user_id=user_id, by=caller.user_id)
    await _tell(uow, scribe, session_id, fact)
    await store.leave(uow.conn, session_id, user_id)


async def _tell(
    uow: UnitOfWork, scribe: Scribe, session_id: str, fact: ParticipantJoined | ParticipantLeft
) -> Entry:
    (entry,) = await scribe.record(uow, Append(session_id, [fact], actor=fact.by))
    await store.write_notice(uow.conn, notice_message(fact, entry))
    return entry
