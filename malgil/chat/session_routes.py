"""Routes of sessions: make, list, read, change, put away, mark as read, stop."""

from starlette.requests import Request
from starlette.responses import Response

from malgil.access.identity import acting_as
from malgil.access.model import Caller
from malgil.chat import actions, queries
from malgil.chat.answers import Archived, SessionList, SessionMade, SessionView, Stopped
from malgil.chat.doors import Door, Doors
from malgil.chat.http import answers, describe, read_body, read_query, reply, session_in
from malgil.chat.model import NewSession
from malgil.chat.once import Once, once_of
from malgil.chat.queries import Json, SessionFilter
from malgil.chat.requests import CreateSession, DeleteSession, ListSessions, MarkRead, PatchSession
from malgil.chat.room import ChatRoom, erase
from malgil.chat.room import mark_read as room_mark_read
from malgil.observe.trace import current_trace_id

SESSIONS = Doors("/api/chat/sessions", "Chat")


@SESSIONS.at(
    "POST", "", summary="Make a session", status_code=201, openapi_extra=describe(body=CreateSession, idempotent=True),
    responses=answers(403, 415, 422, ok=201, model=SessionMade),
)
async def create_session(door: Door, request: Request) -> Response:
    """Without `agent_id` the default agent answers; with null nobody does, and people are among themselves."""
    caller = await door.authenticate(request)
    wanted = await read_body(request, CreateSession)
    owner = acting_as(caller, wanted.user_id)
    agent_id = wanted.agent_id if "agent_id" in wanted.model_fields_set else door.room.settings.default_agent
    new = NewSession(owner, agent_id, wanted.title, wanted.metadata, wanted.queue_policy)
    return reply(await _create(door.room, new, await once_of(request, owner)), 201)


@SESSIONS.at(
    "GET", "", summary="List the caller's sessions", openapi_extra=describe(query=ListSessions),
    responses=answers(422, model=SessionList),
)
async def list_sessions(door: Door, request: Request) -> Response:
    """The liveliest first."""
    caller = await door.authenticate(request)
    wanted = read_query(request, ListSessions)
    sought = SessionFilter(wanted.status, wanted.agent_id, wanted.q)
    async with door.room.database.read() as conn:
        return reply(await queries.session_page(
            conn, caller, sought, limit=wanted.limit, offset=wanted.offset, cursor=wanted.cursor
        ))


@SESSIONS.at(
    "GET", "/{session_id}", summary="Read a session", openapi_extra=describe(session=True),
    responses=answers(404, model=SessionView),
)
async def read_session(door: Door, request: Request) -> Response:
    """With its agent, its participants and `last_seq`, where its log ends."""
    caller = await door.authenticate(request)
    return await _view(door.room, caller, session_in(request))


@SESSIONS.at(
    "PATCH", "/{session_id}", summary="Change, archive or restore a session",
    openapi_extra=describe(body=PatchSession, session=True),
    responses=answers(403, 404, 415, 422, model=SessionView),
)
async def change_session(door: Door, request: Request) -> Response:
    """What is left out stays. `metadata` is replaced whole; status `active` restores."""
    caller = await door.authenticate(request)
    session_id = session_in(request)
    wanted = await read_body(request, PatchSession)
    async with door.room.database.unit_of_work() as uow:
        await actions.update_session(uow, door.room.scribe, caller, session_id, wanted.face)
    return await _view(door.room, caller, session_id)


@SESSIONS.at(
    "DELETE", "/{session_id}", summary="Archive or erase a session",
    openapi_extra=describe(query=DeleteSession, session=True), responses=answers(403, 404, 422, model=Archived),
)
async def archive_session(door: Door, request: Request) -> Response:
    """The session stays readable and can be restored with PATCH; with `permanent` it is erased, for everybody and for
    good. Only its owner may do either.
    """
    caller = await door.authenticate(request)
    session_id = session_in(request)
    if read_query(request, DeleteSession).permanent:
        await erase(door.room, caller, session_id)
        return reply({"message": "Session erased", "session_id": session_id})
    async with door.room.database.unit_of_work() as uow:
        await actions.archive_session(uow, door.room.scribe, caller, session_id)
    return reply({"message": "Session archived successfully", "session_id": session_id})


@SESSIONS.at(
    "POST", "/{session_id}/read", summary="Mark as read up to a seq", status_code=204,
    openapi_extra=describe(body=MarkRead, session=True), responses=answers(404, 415, 422, ok=204),
)
async def mark_read(door: Door, request: Request) -> Response:
    """The mark never goes back, and never past the end of the log."""
    caller = await door.authenticate(request)
    session_id = session_in(request)
    mark = await read_body(request, MarkRead)
    await room_mark_read(door.room, caller, session_id, mark.seq)
    return Response(status_code=204)


@SESSIONS.at(
    "POST", "/{session_id}/stop", summary="Stop the running answer", status_code=202,
    openapi_extra=describe(session=True), responses=answers(403, 404, ok=202, model=Stopped),
)
async def stop_answer(door: Door, request: Request) -> Response:
    """What was said so far is kept, marked stopped; questions that wait are dropped."""
    caller = await door.authenticate(request)
    session_id = session_in(request)
    async with door.room.database.unit_of_work() as uow:
        turns = await actions.stop_answer(uow, door.room.scribe, door.room.transcript, caller, session_id)
    return reply({"session_id": session_id, "stopped": turns}, 202)


async def _create(room: ChatRoom, new: NewSession, once: Once | None) -> Json:
    async with room.database.unit_of_work() as uow:
        if once and (known := await once.claim(uow, room.scribe.now())):
            return known
        session = await actions.create_session(uow, room.scribe, new)
        made = queries.face_of(session) | {"trace_id": current_trace_id()}
        if once:
            await once.remember(uow, made)
    return made


async def _view(room: ChatRoom, caller: Caller, session_id: str) -> Response:
    async with room.database.read() as conn:
        return reply(await queries.session_view(conn, caller, session_id))
