"""Routes that change what was said: edit, delete, answer again, branch off."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from malgil.access.identity import acting_as
from malgil.chat import queries
from malgil.chat.answers import Branched, Deleted, MessageView, Regenerated
from malgil.chat.branching import NewBranch, branch
from malgil.chat.doors import Door, Doors
from malgil.chat.editing import delete_message, edit_message
from malgil.chat.http import answers, describe, message_in, read_body, reply, session_in
from malgil.chat.once import Once, once_of
from malgil.chat.queries import Json
from malgil.chat.regenerating import Again, regenerate
from malgil.chat.requests import BranchSession, EditMessage, Regenerate
from malgil.chat.room import ChatRoom
from malgil.kit.errors import Unavailable
from malgil.observe.trace import current_trace_id
from malgil.resilience.fairness import Crowded
from malgil.storage.database import UnitOfWork

BRANCH_WAIT: Final = 5.0
"""Seconds."""

EDITING = Doors("/api/chat/sessions/{session_id}", "Chat")


@EDITING.at(
    "PATCH", "/messages/{message_id}", summary="Edit a message", operation_id="edit_message",
    openapi_extra=describe(body=EditMessage, session=True, message=True),
    responses=answers(403, 404, 409, 415, 422, model=MessageView),
)
async def edit(door: Door, request: Request) -> Response:
    """One's own messages only. An answer that was given to the message stays; `regenerate` makes another."""
    caller = await door.authenticate(request)
    session_id, message_id = session_in(request), message_in(request)
    wanted = await read_body(request, EditMessage)
    author = acting_as(caller, wanted.user_id)
    async with door.room.database.unit_of_work() as uow:
        edited = await edit_message(uow, door.room.scribe, caller, author, session_id, message_id, wanted.content)
    return reply(queries.message_view(edited))


@EDITING.at(
    "DELETE", "/messages/{message_id}", summary="Delete a message", operation_id="delete_message",
    openapi_extra=describe(session=True, message=True), responses=answers(403, 404, model=Deleted),
)
async def delete(door: Door, request: Request) -> Response:
    """One's own messages; the session's owner may delete anybody's. The answer being made to it is stopped."""
    caller = await door.authenticate(request)
    session_id, message_id = session_in(request), message_in(request)
    room = door.room
    async with room.database.unit_of_work() as uow:
        await delete_message(uow, room.scribe, room.transcript, caller, session_id, message_id)
    return reply({"message_id": message_id, "status": "deleted"})


@EDITING.at(
    "POST", "/regenerate", summary="Answer a message again", operation_id="regenerate", status_code=202,
    openapi_extra=describe(body=Regenerate, session=True, idempotent=True),
    responses=answers(403, 404, 409, 415, 422, ok=202, model=Regenerated),
)
async def answer_again(door: Door, request: Request) -> Response:
    """The new answer comes like any other. If it ends well the old one gets `superseded_by`; it stays listed."""
    caller = await door.authenticate(request)
    session_id = session_in(request)
    wanted = await read_body(request, Regenerate)
    asker = acting_as(caller, wanted.user_id)
    room = door.room

    async def make(uow: UnitOfWork) -> Json:
        again = Again(caller, asker, session_id, wanted.message_id)
        made = await regenerate(uow, room.scribe, room.transcript, again)
        return {"session_id": session_id, "message_id": made.turn.answer_id, "turn_id": made.turn.turn_id,
                "replaces": made.replaces}

    return reply(await _made(room, await once_of(request, asker), make), 202)


@EDITING.at(
    "POST", "/branch", summary="Begin a session with the history of this one", operation_id="branch_session",
    status_code=201,
    openapi_extra=describe(body=BranchSession, session=True, idempotent=True),
    responses=answers(403, 404, 409, 415, 422, 503, ok=201, model=Branched),
)
async def branch_off(door: Door, request: Request) -> Response:
    """The caller owns the new session. It has this one's agent, metadata and messages up to the named one.

    Of each user one branch is made at a time; who waits too long for others to be made hears 503 `BRANCHING_BUSY`.
    """
    caller = await door.authenticate(request)
    session_id = session_in(request)
    wanted = await read_body(request, BranchSession)
    owner = acting_as(caller, wanted.user_id)
    new = NewBranch(caller, owner, session_id, wanted.message_id, wanted.title, wanted.content)

    async def make(uow: UnitOfWork) -> Json:
        made = await branch(uow, door.room.scribe, new)
        return queries.face_of(made.session) | {
            "trace_id": current_trace_id(), "branched_from": asdict(made.origin),
            "message_id": made.posted and made.posted.message_id,
        }

    once = await once_of(request, owner)
    try:
        # Waited for without a database connection: those who wait must not take them all.
        async with door.room.copying.acquire((owner.tenant, owner.user_id), BRANCH_WAIT):
            return reply(await _made(door.room, once, make), 201)
    except Crowded as e:
        detail = "Other sessions are being branched off; try again in a moment."
        raise Unavailable(detail, code="BRANCHING_BUSY", retry_after=BRANCH_WAIT) from e


async def _made(room: ChatRoom, once: Once | None, make: Callable[[UnitOfWork], Awaitable[Json]]) -> Json:
    """What `make` made, in one unit of work; with a key that was used before, what it made then."""
    async with room.database.unit_of_work() as uow:
        if once and (known := await once.claim(uow, room.scribe.now())):
            return known
        made = await make(uow)
        if once:
            await once.remember(uow, made)
    return made
