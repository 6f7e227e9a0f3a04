"""Branching: a new session that begins with what was said in another one.

What is copied is the conversation as the agent would be shown it: each answer right behind what it answers, without
what was deleted, superseded or only noted by the system. The copies are messages of the new session like any other,
with ids of their own; their times are those of the copy. What an answer cost is not copied: it was spent once.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from malgil.access.model import Caller
from malgil.chat import actions, posting, queries, store
from malgil.chat.editing import said_by
from malgil.chat.errors import MessageNotFound, NotYourMessage, TooLongToBranch
from malgil.chat.events import MessageCreated
from malgil.chat.files import actions as files
from malgil.chat.model import Branch, Message, NewMessage, NewSession, Posted, Session
from malgil.chat.projection import created_message
from malgil.chat.queries import message_of_row
from malgil.kit.ids import MESSAGE, MessageId, SessionId
from malgil.log import actions as log
from malgil.log.model import Append
from malgil.log.scribe import Scribe
from malgil.storage.database import Row, UnitOfWork

COPIED_MOST: Final = 10_000
_BATCH = 200
_BATCH_CODE_POINTS = 256 * 1024


@dataclass(frozen=True, slots=True)
class NewBranch:
    """A branch at a message: with it, or with `content` in its place. `caller` may enter the session, `owner` gets the
    new one: two users in development mode only. Without a title it has the old one's."""

    caller: Caller
    owner: Caller
    session_id: SessionId
    message_id: str
    title: str | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Branched:
    """The new session, where it comes from, and what was said in it at once."""

    session: Session
    origin: Branch
    posted: Posted | None


async def branch(uow: UnitOfWork, scribe: Scribe, new: NewBranch) -> Branched:
    """A new session that shares the history up to the message.

    Raises SessionNotFound, MessageNotFound, TooLongToBranch, UnknownAgent for an agent that is gone; with `content`
    also NotYourMessage.
    """
    source, _ = await queries.open_session(uow.conn, new.caller, new.session_id, new.owner)
    named = await queries.message(uow.conn, source.session_id, new.message_id)
    if new.content is not None and not said_by(named, new.owner):
        raise NotYourMessage("Only a message of one's own can be said in other words.")
    origin = Branch(source.session_id, named.message_id)
    session = await actions.create_session(uow, scribe, NewSession(
        new.owner, source.agent_id, new.title or source.title, source.metadata, source.queue_policy,
        branched_from=origin,
    ))
    await _copy(uow, scribe, named, session, with_it=new.content is None)
    posted = None
    if new.content is not None:
        posted = await _say(uow, scribe, NewMessage(new.owner, new.owner, session.session_id, new.content))
    return Branched(session, origin, posted)


async def _say(uow: UnitOfWork, scribe: Scribe, said: NewMessage) -> Posted:
    (posted,) = await posting.post_messages(uow, scribe, [said], alone=True)
    if isinstance(posted, Exception):
        raise posted
    return posted


async def _copy(uow: UnitOfWork, scribe: Scribe, named: Message, session: Session, *, with_it: bool) -> None:
    """Copy the conversation up to the named message into the session, which nobody but us can see yet.

    So the entries are not announced one by one, and memory holds one batch of them at a time.
    """
    place = named.seq
    ends = [named.message_id] if with_it else []
    if named.reply_to:
        place = await store.seq_of_message(uow.conn, named.session_id, named.reply_to) or place
        ends.append(named.reply_to)
    wanted = (uow.conn, named.session_id, place, ends, COPIED_MOST + 1)
    if await store.conversation_length(*wanted) > COPIED_MOST:
        raise TooLongToBranch(COPIED_MOST)
    copies: dict[str, str] = {}
    head = 0
    shown: set[str] = set()
    async for batch in _batches(store.conversation(*wanted)):
        facts = [_copied(scribe, one, copies) for one in batch]
        entries = await log.append(uow, Append(session.session_id, facts, actor=session.owner_id), scribe.now())
        rows = [created_message(fact, entry) for fact, entry in zip(facts, entries, strict=True)]
        await store.write_messages(uow.conn, rows)
        head = entries[-1].seq
        shown.update(one.metadata["file"]["file_id"] for one in batch if one.message_type == "file")
    await store.advance_read_mark(uow.conn, session.session_id, session.owner_id, head)  # it is known to them
    if shown:
        await files.link(uow, sorted(shown), session.session_id)
    if with_it and named.message_type != "system" and named.message_id not in copies:
        raise MessageNotFound(named.message_id)  # deleted since it was looked up


async def _batches(rows: AsyncIterator[Row]) -> AsyncIterator[list[Message]]:
    batch: list[Message] = []
    size = 0
    async for row in rows:
        batch.append(message_of_row(row))
        size += len(batch[-1].content)
        if len(batch) == _BATCH or size > _BATCH_CODE_POINTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _copied(scribe: Scribe, message: Message, copies: dict[str, str]) -> MessageCreated:
    """The message as one of the new session. `copies` maps what was copied to its copies, and learns this one."""
    copy_id = MessageId(scribe.new_id(MESSAGE))
    copies[message.message_id] = copy_id
    return MessageCreated(
        message_id=copy_id, sender_type=message.sender_type, sender_id=message.sender_id,
        message_type=message.message_type, content=message.content,
        metadata=message.metadata | {"branched_from": message.message_id},
        reply_to=copies.get(message.reply_to) if message.reply_to else None,
    )
