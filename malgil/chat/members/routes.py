"""Routes of participants: let somebody in, give them another role, send them away, leave."""

from starlette.requests import Request
from starlette.responses import Response

from malgil.access.model import valid_name
from malgil.chat.answers import Participant, Removed
from malgil.chat.doors import Door, Doors
from malgil.chat.errors import ParticipantNotFound
from malgil.chat.http import answers, describe, read_body, reply, session_in
from malgil.chat.members import actions
from malgil.chat.once import once_of
from malgil.chat.requests import PutParticipant

PARTICIPANTS = Doors("/api/chat/sessions/{session_id}/participants", "Chat")


@PARTICIPANTS.at(
    "POST", "", summary="Let somebody take part", status_code=201,
    openapi_extra=describe(body=PutParticipant, session=True, idempotent=True),
    responses=answers(403, 404, 409, 415, 422, ok=201, model=Participant)
    | {200: {"model": Participant, "description": "Took part already; has the role now."}},
)
async def put_participant(door: Door, request: Request) -> Response:
    """Only the owner may. A session has at most 1,000 participants; the owner's role stays what it is."""
    caller = await door.authenticate(request)
    session_id = session_in(request)
    wanted = await read_body(request, PutParticipant)
    once, room = await once_of(request, caller), door.room
    async with room.database.unit_of_work() as uow:
        if once and (known := await once.answered(uow, room.scribe.now())):
            return reply(known.body, known.status)
        found, new = await actions.put_participant(
            uow, room.scribe, caller, session_id, wanted.user_id, wanted.role
        )
        status = 201 if new else 200
        if once:
            await once.remember(uow, found, status)
    return reply(found, status)


@PARTICIPANTS.at(
    "DELETE", "/{user_id:path}", summary="Send somebody away, or leave",
    openapi_extra=describe(session=True, user=True), responses=answers(403, 404, 409, model=Removed),
)
async def remove_participant(door: Door, request: Request) -> Response:
    """The owner sends anybody away but themself; anybody leaves. Their open connections end: 4403."""
    caller = await door.authenticate(request)
    session_id = session_in(request)
    user_id: str = request.path_params["user_id"]
    if not valid_name(user_id):
        raise ParticipantNotFound(user_id[:64])
    async with door.room.database.unit_of_work() as uow:
        await actions.remove_participant(uow, door.room.scribe, caller, session_id, user_id)
    return reply({"message": "Participant removed", "session_id": session_id, "user_id": user_id})
