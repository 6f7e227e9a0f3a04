"""Routes of what is said in a session: post, list, and the session's log as a page. The two hot routes are here."""

from starlette.requests import Request
from starlette.responses import Response

from malgil.access.identity import acting_as
from malgil.access.model import Caller
from malgil.chat import queries
from malgil.chat.answers import EventPage, MessageList, Sent
from malgil.chat.doors import Answer, Door, Doors
from malgil.chat.http import answers, describe, read_body, read_query, reply, session_in
from malgil.chat.model import NewMessage, Posted
from malgil.chat.once import once_of
from malgil.chat.requests import ListMessages, PostMessage, ReadEvents, StreamMessage
from malgil.chat.room import ChatRoom, post
from malgil.chat.streams import locate, native_answer, session_events, turn_of
from malgil.log import queries as log
from malgil.log.model import Cursor
from malgil.storage.database import Connection

EVENT_STREAM = "text/event-stream"

MESSAGES = Doors("/api/chat/sessions/{session_id}", "Chat")


@MESSAGES.at(
    "POST", "/messages", summary="Post a message", status_code=201,
    openapi_extra=describe(body=PostMessage, session=True, idempotent=True),
    responses=answers(403, 404, 409, 415, 422, ok=201, model=Sent),
)
async def post_message(door: Door, request: Request) -> Response:
    """Answered when the message and its turn are committed. The answer comes on WebSocket, SSE, or in the list."""
    caller = await door.authenticate(request)
    body = await read_body(request, PostMessage)
    posted = await _post(door.room, request, caller, acting_as(caller, body.user_id), body)
    return reply(
        {"message_id": posted.message_id, "seq": posted.seq, "status": "sent", "created_at": posted.created_at},
        201,
    )


@MESSAGES.at(
    "GET", "/messages", summary="List messages", openapi_extra=describe(query=ListMessages, session=True),
    responses=answers(404, 422, model=MessageList),
)
async def list_messages(door: Door, request: Request) -> Response:
    """Oldest first: the first ones after `after`, otherwise the last ones (before `before`)."""
    caller = await door.authenticate(request)
    session_id = session_in(request)
    wanted = read_query(request, ListMessages)
    async with door.room.database.read() as conn:
        page = await queries.message_page(
            conn, caller, session_id, before=wanted.before, after=wanted.after, limit=wanted.limit
        )
    return reply(page)


@MESSAGES.at(
    "POST", "/messages/stream", summary="Post a message and stream its answer",
    openapi_extra=describe(body=StreamMessage, session=True, idempotent=True, events=True),
    responses=answers(403, 404, 409, 415, 422, events="stream_message",
                      note="Server-sent events: native frames of this answer alone.")
    | {204: {"description": "The answer has ended and the client has seen it all."}},
)
async def stream_message(door: Door, request: Request) -> Answer:
    """`stream_start`, `stream_chunk`s, `tool`s, `stream_end`; a turn that never starts ends with its `turn` frame.

    Sent again with the same `client_message_id` (or Idempotency-Key), and with `Last-Event-ID`, it goes on where
    the client was.
    """
    caller = await door.authenticate(request)
    body = await read_body(request, StreamMessage)
    seen = request.headers.get("last-event-id")
    if seen:
        Cursor.parse(seen)  # before anything is posted: who sends a bad one sends all of it again
    sender = acting_as(caller, body.user_id)
    posted = await _post(door.room, request, caller, sender, body, wants_answer=True)
    return await native_answer(door.room, caller, sender, await turn_of(door.room, posted), seen)


@MESSAGES.at(
    "GET", "/events", summary="The session's log, as a page or as a stream",
    openapi_extra=describe(query=ReadEvents, session=True, events=True),
    operation_id="read_events", responses=answers(404, 409, 422, model=EventPage, events="read_events"),
)
async def events(door: Door, request: Request) -> Answer:
    """With `Accept: text/event-stream` a stream without end, otherwise a JSON page. `Last-Event-ID` resumes."""
    caller = await door.authenticate(request)
    session_id = session_in(request)
    wanted = read_query(request, ReadEvents)
    streaming = EVENT_STREAM in request.headers.get("accept", "")
    after = request.headers.get("last-event-id") or wanted.after
    async with door.room.database.read() as conn:
        entered = await queries.enter(conn, caller, session_id)
        if not streaming:
            start = await locate(conn, session_id, after or "start")
            return reply(await _page(door.room, conn, session_id, start, wanted.limit))
    return session_events(door.room, caller, entered, after or None)


async def _post(
    room: ChatRoom, request: Request, caller: Caller, sender: Caller, body: PostMessage, *, wants_answer: bool = False
) -> Posted:
    new = NewMessage(
        caller, sender, session_in(request), body.content, body.message_type, body.metadata, body.client_message_id,
        wants_answer=wants_answer,
    )
    return await post(room, new, await once_of(request, sender))


async def _page(room: ChatRoom, conn: Connection, session_id: str, start: Cursor, limit: int) -> queries.Json:
    entries = await log.read(conn, session_id, after=start.seq, limit=limit + 1)
    shown = entries[:limit]
    return {
        "events": [room.frames.payload(entry, start.epoch) for entry in shown],
        "cursor": str(Cursor(start.epoch, shown[-1].seq) if shown else start),
        "has_more": len(entries) > limit,
    }
