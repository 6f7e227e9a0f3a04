"""The room as app wires it, and the edge where its units of work begin and end."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from malgil.access.model import Caller
from malgil.agents.transcript import Transcript
from malgil.chat import actions, posting, queries
from malgil.chat.erasure import actions as erasure
from malgil.chat.errors import NameTaken, SessionNotFound
from malgil.chat.model import NewMessage, NewSession, Posted, Role, Session
from malgil.chat.once import Json, Once, posted_of, stored_post
from malgil.chat.settings import ChatSettings
from malgil.chat.transcript import ChatTranscript
from malgil.kit.ids import SessionId
from malgil.knowledge.terms import Vocabulary
from malgil.log.scribe import Scribe
from malgil.realtime.frames import Frames
from malgil.realtime.hub import Hub
from malgil.realtime.meter import Meter, SilentMeter
from malgil.realtime.ward import Ward
from malgil.resilience.fairness import FairLimiter
from malgil.storage.database import Database, UnitOfWork
from malgil.storage.group_commit import GroupCommit

BRANCHES_AT_ONCE = 2

HasRead = Callable[[str, str], Awaitable[None]]
"""Told after the commit that in a session (first) a user (second) has read further."""


async def tell_nobody(session_id: str, user_id: str) -> None:
    """Where no other device is to hear of it."""


@dataclass(frozen=True)
class ChatRoom:
    """Everything that the routes and the gate need. Make it with `open_room`."""

    database: Database
    hub: Hub
    ward: Ward
    meter: Meter
    frames: Frames
    scribe: Scribe
    transcript: Transcript
    settings: ChatSettings
    posts: GroupCommit[NewMessage, Posted]
    has_read: HasRead = tell_nobody
    copying: FairLimiter = field(default_factory=lambda: FairLimiter(BRANCHES_AT_ONCE))
    """A branch holds a database connection for as long as its copy takes."""
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    """What messages are found by. By default without the words of any language; app puts its own in its place."""


def open_room(
    database: Database, hub: Hub, ward: Ward, frames: Frames, scribe: Scribe, *,
    settings: ChatSettings | None = None, meter: Meter | None = None,
) -> ChatRoom:
    """The room on these parts; `dataclasses.replace` gives it further ones. `room.posts.drain()` before the database
    closes."""
    settings = settings or ChatSettings()

    async def write(uow: UnitOfWork, batch: Sequence[NewMessage]) -> Sequence[Posted | Exception]:
        return await posting.post_messages(uow, scribe, batch)

    posts = GroupCommit(database, write, most=settings.batch)
    return ChatRoom(
        database, hub, ward, meter or SilentMeter(), frames, scribe, ChatTranscript(), settings, posts
    )


async def open_session(room: ChatRoom, caller: Caller, session_id: SessionId) -> tuple[Session, Role]:
    """The session, and the caller's role in it. Raises SessionNotFound."""
    async with room.database.read() as conn:
        return await queries.open_session(conn, caller, session_id)


async def post(room: ChatRoom, new: NewMessage, once: Once | None = None) -> Posted:
    """Post a message: with others in one commit, or in a unit of work of its own where policy or a key ask for it.

    Raises SessionNotFound, ReadOnly, SessionArchived, AgentBusy, NoAgent, and what `idempotency.claim` raises.
    """
    if once is None:
        try:
            return await room.posts.submit(new)
        except posting.NeedsOwnUnit:
            pass
    async with room.database.unit_of_work() as uow:
        if once and (known := await once.claim(uow, room.scribe.now())):
            return await _again(uow, new.caller, known, new.sender)
        posted = await actions.post_alone(uow, room.scribe, room.transcript, new)
        if once:
            await once.remember(uow, stored_post(posted))
    return posted


async def ask(room: ChatRoom, session: NewSession, task: str, once: Once | None = None) -> Posted:
    """A new session and its first message, in one unit of work. Raises UnknownAgent and what `post` raises."""
    async with room.database.unit_of_work() as uow:
        if once and (known := await once.claim(uow, room.scribe.now())):
            return await _again(uow, session.caller, known)
        made = await actions.create_session(uow, room.scribe, session)
        new = NewMessage(session.caller, session.caller, made.session_id, task, wants_answer=True)
        posted = await actions.post_alone(uow, room.scribe, room.transcript, new)
        if once:
            await once.remember(uow, stored_post(posted))
    return posted


async def _again(uow: UnitOfWork, caller: Caller, known: Json, sender: Caller | None = None) -> Posted:
    """What the key stands for, told to those only who take part still. Raises SessionNotFound."""
    posted = posted_of(known)
    await queries.open_session(uow.conn, caller, posted.session_id, sender)
    return posted


async def mark_read(room: ChatRoom, caller: Caller, session_id: SessionId, seq: int) -> None:
    """The caller has read up to `seq`; their other devices hear of it. Raises SessionNotFound."""
    async with room.database.unit_of_work() as uow:
        await actions.mark_read(uow, caller, session_id, seq)
        uow.after_commit(lambda: room.has_read(session_id, caller.user_id))


async def erase(room: ChatRoom, caller: Caller, session_id: SessionId) -> None:
    """Erase the session: gone for everybody first, then out of the database. Raises SessionNotFound, ReadOnly."""
    async with room.database.unit_of_work() as uow:
        await erasure.hide_session(uow, room.scribe, caller, session_id)
    await erasure.clear(room.database, session_id)


async def enter_or_create(room: ChatRoom, caller: Caller, session_id: SessionId) -> tuple[Session, Role]:
    """The session of that name, made for the caller if there is none. Raises SessionNotFound for somebody else's."""
    try:
        return await open_session(room, caller, session_id)
    except SessionNotFound:
        new = NewSession(caller, room.settings.default_agent, session_id=session_id)
    try:
        async with room.database.unit_of_work() as uow:
            return await actions.create_session(uow, room.scribe, new), "owner"
    except NameTaken:
        # Made at the same moment by another connection of this user; or it is somebody else's.
        return await open_session(room, caller, session_id)
