"""Sending files into a session, at the edge: what comes in, the look, the blobs, and one unit of work for the rest.

The row stands before the blobs do; message, turn, link, text and row's arrival then commit together. Whatever fails on
the way leaves a row that never arrived, and housekeeping takes it and its blobs away: soon if we could still say so.
"""

from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from malgil.access import idempotency
from malgil.access.identity import acting_as
from malgil.access.model import Caller
from malgil.chat import actions as chat
from malgil.chat import policy
from malgil.chat import queries as sessions
from malgil.chat.errors import MessageNotFound
from malgil.chat.files import actions, queries
from malgil.chat.files.errors import ClientIdTaken
from malgil.chat.files.inspection import Look
from malgil.chat.files.model import FILE, StoredFile
from malgil.chat.files.shelf import Shelf
from malgil.chat.files.uploads import Upload, receive
from malgil.chat.model import NewMessage, Posted
from malgil.chat.once import Once
from malgil.chat.room import ChatRoom
from malgil.kit.ids import SessionId
from malgil.storage.database import UnitOfWork

MESSAGE_TYPE: Final = "file"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody speaks of a file that is there already."""

    caller: Caller
    session_id: SessionId
    file_id: str
    message: str | None = None
    client_message_id: str | None = None
    client_time: str | int | float | None = None


async def upload(room: ChatRoom, shelf: Shelf, request: Request, caller: Caller, session_id: SessionId) -> Json:
    """Take the request's file into the session and post the message that shows it; the answer of the route.

    Who may not post hears it before the file is read; in development mode after it, where the form may name another
    sender. Raises what `open_session`, `receive`, `acting_as`, `Inspector.look`, `Shelf.store`, `post_alone` and
    `idempotency.claim` raise, and ClientIdTaken.
    """
    if not caller.dev:
        await _require_post(room, caller, caller, session_id)
    async with receive(request, shelf.settings) as came:
        sender = acting_as(caller, came.user_id)
        if caller.dev:
            await _require_post(room, caller, sender, session_id)
        look = await shelf.inspector.look(came.body, (sender.tenant, sender.user_id))
        file = _file(room, sender, came, look)
        async with room.database.unit_of_work() as uow:
            await actions.announce(uow, file)
        new = _message(caller, sender, session_id, file, came.message, client_message_id=came.client_message_id)
        try:
            await shelf.store(file, came.body, look.thumb)
            return await _post(room, new, file, look.text, _once(request, sender, came))
        except Exception:
            async with room.database.unit_of_work() as uow:
                await actions.give_up(uow, file.file_id)
            raise


async def _require_post(room: ChatRoom, caller: Caller, sender: Caller, session_id: SessionId) -> None:
    async with room.database.read() as conn:
        session, role = await sessions.open_session(conn, caller, session_id, sender)
    policy.require_post(session_id, session.status, role)


async def mention(room: ChatRoom, wanted: Mention) -> Posted:
    """Post a message about a file that the caller uploaded or that is in the session. Raises FileNotFound, and what
    `post_alone` raises."""
    async with room.database.unit_of_work() as uow:
        await sessions.open_session(uow.conn, wanted.caller, wanted.session_id)
        file = await queries.sendable(uow.conn, wanted.caller, wanted.file_id, wanted.session_id)
        new = _message(
            wanted.caller, wanted.caller, wanted.session_id, file, wanted.message,
            client_message_id=wanted.client_message_id, client_time=wanted.client_time,
        )
        posted = await _post_alone(room, uow, new)
        await actions.link_one(uow, file.file_id, wanted.session_id)
    return posted


async def _post(
    room: ChatRoom, new: NewMessage, file: StoredFile, text: str | None, once: Once | None
) -> Json:
    async with room.database.unit_of_work() as uow:
        if once and (known := await once.claim(uow, room.scribe.now())):
            await actions.give_up(uow, file.file_id)
            return known
        posted = await _post_alone(room, uow, new)
        face = file.face
        if posted.duplicate:
            face = await _shown(uow, posted)
            await actions.give_up(uow, file.file_id)
        else:
            await actions.keep(uow, file.file_id, new.session_id, text)
        made = {
            "file_id": face["file_id"], "file_url": face["file_url"], "thumbnail_url": face.get("thumbnail_url"),
            "message_id": posted.message_id, "file_info": {key: face[key] for key in ("name", "type", "size")},
        }
        if once:
            await once.remember(uow, made)
    return made


async def _shown(uow: UnitOfWork, posted: Posted) -> Json:
    """The face of the file that came the first time; what came now has no row that is kept, and goes."""
    try:
        first = await sessions.message(uow.conn, posted.session_id, posted.message_id)
    except MessageNotFound as e:
        raise ClientIdTaken("The message with this client_message_id has been deleted.") from e
    if first.message_type != MESSAGE_TYPE:
        raise ClientIdTaken("A message without a file has this client_message_id.")
    face: Json = first.metadata["file"]
    return face


async def _post_alone(room: ChatRoom, uow: UnitOfWork, new: NewMessage) -> Posted:
    return await chat.post_alone(uow, room.scribe, room.transcript, new)


def _file(room: ChatRoom, sender: Caller, came: Upload, look: Look) -> StoredFile:
    return StoredFile(
        room.scribe.new_id(FILE), sender.tenant, sender.user_id, came.name, look.media_type, came.size, came.sha256,
        look.width, look.height, None if look.thumb is None else len(look.thumb), room.scribe.now(),
    )


def _message(
    caller: Caller, sender: Caller, session_id: SessionId, file: StoredFile, message: str | None, **more: Any
) -> NewMessage:
    return NewMessage(
        caller, sender, session_id, message or file.name, message_type=MESSAGE_TYPE, metadata={"file": file.face},
        **more,
    )


def _once(request: Request, sender: Caller, came: Upload) -> Once | None:
    """The key is bound to what was sent, not to how a client happened to wrap it."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    said = "\n".join((came.sha256, came.name, came.message or "", came.client_message_id or ""))
    return Once(sender, key, f"{request.method} {request.url.path}", idempotency.digest(said.encode()))
