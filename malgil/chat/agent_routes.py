"""Two doors for who only wants an answer: `/agent/chat` waits for it, `/agent/chat/stream` shows it grow."""

from starlette.requests import Request
from starlette.responses import Response

from malgil.access.identity import acting_as
from malgil.access.model import Caller
from malgil.agents import queries as agents
from malgil.agents.model import Turn
from malgil.chat.answers import ChatAnswer
from malgil.chat.doors import Answer, Door, Doors
from malgil.chat.errors import SessionNotFound
from malgil.chat.http import answers, describe, read_body, read_query, reply
from malgil.chat.model import NewMessage, NewSession, Posted, preview, valid_session_id
from malgil.chat.once import Once, once_of
from malgil.chat.requests import Ask, AskQuery
from malgil.chat.room import ChatRoom, ask, post
from malgil.chat.streams import answer_of, finished, named_answer, turn_of
from malgil.kit.errors import Invalid
from malgil.kit.ids import SessionId

AGENT = Doors("/agent", "Agents")


@AGENT.at(
    "POST", "/chat", summary="Ask an agent and wait for the answer",
    operation_id="ask_agent", openapi_extra=describe(body=Ask, idempotent=True),
    responses=answers(403, 404, 409, 415, 422, 503, model=ChatAnswer),
)
async def chat(door: Door, request: Request) -> Response:
    """Makes a session when none is named. An answer that takes too long is 503 `ANSWER_PENDING`, whose `errors`
    name the session and the message in which it will be found.
    """
    caller = await door.authenticate(request)
    wanted = await read_body(request, Ask)
    sender = acting_as(caller, wanted.user_id)
    posted = await _ask(door.room, caller, sender, wanted, await once_of(request, sender))
    turn = await turn_of(door.room, posted)
    return reply(finished(turn, *await answer_of(door.room, caller, sender, turn)))


@AGENT.at(
    "GET", "/chat/stream", summary="Ask an agent and see the answer grow",
    openapi_extra=describe(query=AskQuery, events=True),
    operation_id="ask_agent_and_watch", responses=answers(
        403, 404, 409, 422, events="ask_agent_and_watch",
        note="Server-sent events: `start`, `message` {content}, `tool`, `reset` (drop the text from `offset` on), "
        "and at last `done` or `error`.",
    ) | {204: {"description": "The answer has ended and the client has seen it all."}},
)
async def stream(door: Door, request: Request) -> Answer:
    """An EventSource that reconnects sends `Last-Event-ID`, and goes on with its answer instead of asking again."""
    caller = await door.authenticate(request)
    wanted = read_query(request, AskQuery)
    sender = acting_as(caller, wanted.user_id)
    seen = request.headers.get("last-event-id")
    if seen:
        cursor, turn = await _resumed(door.room, seen)
        return await named_answer(door.room, caller, sender, turn, cursor)
    posted = await _ask(door.room, caller, sender, wanted, None)
    return await named_answer(door.room, caller, sender, await turn_of(door.room, posted), None)


async def _ask(
    room: ChatRoom, caller: Caller, sender: Caller, wanted: Ask | AskQuery, once: Once | None
) -> Posted:
    if wanted.session_id is None:
        agent_id = wanted.agent_id or room.settings.default_agent
        return await ask(room, NewSession(sender, agent_id, preview(wanted.task)), wanted.task, once)
    if not valid_session_id(wanted.session_id):
        raise SessionNotFound(wanted.session_id)
    new = NewMessage(
        caller, sender, SessionId(wanted.session_id), wanted.task, wants_answer=True, agent_id=wanted.agent_id
    )
    return await post(room, new, once)


async def _resumed(room: ChatRoom, seen: str) -> tuple[str, Turn]:
    """The cursor and the turn that an event's id names, whosever it is. Raises Invalid."""
    cursor, at, turn_id = seen.partition("@")
    async with room.database.read() as conn:
        turn = await agents.turn(conn, turn_id) if turn_id.isascii() and turn_id.isidentifier() else None
    if not at or turn is None:
        raise Invalid("Last-Event-ID is not one that this stream sent.", code="INVALID_CURSOR")
    return cursor, turn
