"""Changing what was said: edit a message, delete a message."""

from malgil.access.model import Caller
from malgil.agents import actions as agents
from malgil.agents.transcript import Transcript
from malgil.chat import policy, queries, store
from malgil.chat.errors import NotYourMessage
from malgil.chat.events import MessageDeleted, MessageEdited
from malgil.chat.files import actions as files
from malgil.chat.model import Message, Session
from malgil.chat.projection import evolve, revised, settled
from malgil.chat.queries import message_of_row
from malgil.log import actions as log
from malgil.log.model import Append
from malgil.log.scribe import Scribe
from malgil.storage.database import Connection, UnitOfWork


async def edit_message(
    uow: UnitOfWork, scribe: Scribe, caller: Caller, author: Caller, session_id: str, message_id: str, content: str
) -> Message:
    """The author's message in other words; an edit that changes nothing leaves no trace.

    Raises SessionNotFound, MessageNotFound, ReadOnly, SessionArchived, NotYourMessage.
    """
    await log.lock(uow, [session_id])
    session, role = await queries.open_session(uow.conn, caller, session_id, author)
    message = await queries.message(uow.conn, session_id, message_id)
    policy.require_post(session_id, session.status, role)
    if not said_by(message, author):
        raise NotYourMessage("Only who said it may edit a message.")
    if message.content == content:
        return message
    fact = MessageEdited(message_id=message_id, content=content, user_id=author.user_id)
    return await _revise(uow, scribe, session, message, fact)


async def delete_message(
    uow: UnitOfWork, scribe: Scribe, transcript: Transcript, caller: Caller, session_id: str, message_id: str
) -> None:
    """Take a message back; the answer that is being made to it is stopped first. A file that nothing else shows there
    leaves the session with it. The session's owner may take back anybody's, in an archived session too.

    Raises SessionNotFound, MessageNotFound, ReadOnly, NotYourMessage.
    """
    # Under its name's lock nobody asks for another answer to the message while it goes.
    await store.lock_session(uow.conn, session_id)
    await _deletable(uow.conn, caller, session_id, message_id)
    await agents.stop_turns(uow, scribe, transcript, session_id, prompt_id=message_id)
    await log.lock(uow, [session_id])
    session, message = await _deletable(uow.conn, caller, session_id, message_id)
    fact = MessageDeleted(message_id=message_id, user_id=caller.user_id)
    await _revise(uow, scribe, session, message, fact)
    if message.message_type == "file":
        await files.unlink_unshown(uow, message.metadata["file"]["file_id"], session_id)


def said_by(message: Message, user: Caller) -> bool:
    """Whether the message is this user's own."""
    return message.sender_type == "user" and message.sender_id == user.user_id


async def _deletable(
    conn: Connection, caller: Caller, session_id: str, message_id: str
) -> tuple[Session, Message]:
    session, role = await queries.open_session(conn, caller, session_id)
    message = await queries.message(conn, session_id, message_id)
    policy.require_post(session_id, "active", role)
    if not (policy.can_manage(role) or said_by(message, caller)):
        raise NotYourMessage("Only who said it and the session's owner may delete a message.")
    return session, message


async def _revise(
    uow: UnitOfWork, scribe: Scribe, session: Session, message: Message, fact: MessageEdited | MessageDeleted
) -> Message:
    (entry,) = await scribe.record(uow, Append(session.session_id, [fact], actor=fact.user_id))
    after = revised(message, entry)
    await store.rewrite_message(uow.conn, after)
    counted = evolve(session, entry)
    assert counted is not None
    newest = await store.newest_message(uow.conn, session.session_id)
    await store.rewrite_counters(uow.conn, settled(counted, message_of_row(newest) if newest else None))
    return after
