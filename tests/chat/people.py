"""Who takes part in the chat room's tests, and what they do."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
from starlette.requests import Request

from malgil.access.model import DEFAULT_TENANT, USER, Caller
from malgil.agents import actions as agents
from malgil.agents.actions import Ending
from malgil.agents.events import FinishReason, ToolFinished, ToolStarted
from malgil.agents.model import Turn
from malgil.chat import actions
from malgil.chat.model import NewMessage, NewSession, Session
from malgil.chat.room import ChatRoom
from malgil.kit.errors import Unauthenticated
from malgil.kit.ids import SessionId, TenantId, UserId
from malgil.log import queries as log
from malgil.log.model import Append, Entry, Piece

KIM = Caller(UserId("kim"), DEFAULT_TENANT, frozenset({USER}))
LEE = replace(KIM, user_id=UserId("lee"))
FAR_KIM = replace(KIM, tenant=TenantId("elsewhere"))
DEV = replace(KIM, user_id=UserId("guest"), dev=True)


async def authenticate(request: Request) -> Caller:
    """The user that the test's header names; `guest` may play others."""
    user = request.headers.get("x-user")
    if user is None:
        raise Unauthenticated("Say who you are.")
    return DEV if user == "guest" else replace(KIM, user_id=UserId(user))


def say(session: Session | str, content: str = "안녕하세요", who: Caller = KIM, **more: Any) -> NewMessage:
    """A message from `who`."""
    session_id = session if isinstance(session, str) else session.session_id
    return NewMessage(more.pop("caller", who), who, SessionId(session_id), content, **more)


async def make_session(room: ChatRoom, new: NewSession) -> Session:
    async with room.database.unit_of_work() as uow:
        return await actions.create_session(uow, room.scribe, new)


async def add_person(room: ChatRoom, session: Session, user_id: str, role: str) -> None:
    """Put somebody into a session; the verb for it comes later."""
    async with room.database.unit_of_work() as uow:
        await uow.conn.execute(
            "INSERT INTO chat_participants (session_id, user_id, role, joined_at) VALUES ($1, $2, $3, now())",
            session.session_id, user_id, role,
        )


async def log_of(room: ChatRoom, session_id: str) -> list[Entry]:
    async with room.database.read() as conn:
        return await log.read(conn, session_id, after=0)


async def turns_of(room: ChatRoom, session_id: str) -> list[str]:
    """The states of the session's turns, oldest first."""
    async with room.database.read() as conn:
        rows = await conn.fetch("SELECT status FROM turns WHERE session_id = $1 ORDER BY queued_seq", session_id)
    return [row["status"] for row in rows]


async def eventually(true: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Return as soon as `true()`; fail when that takes too long."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await true():
        assert asyncio.get_running_loop().time() < deadline, "it never became true"
        await asyncio.sleep(0.01)


async def stop_when_asked(client: httpx.AsyncClient, session: Session) -> None:
    """Stop the session's turn as soon as there is one."""

    async def stopped() -> bool:
        return bool((await client.post(f"/api/chat/sessions/{session.session_id}/stop")).json()["stopped"])

    await eventually(stopped)


class Answerer:
    """An agent's worker that says what it is told to, one step at a time."""

    def __init__(self, room: ChatRoom) -> None:
        self._room = room

    async def claim(self) -> Turn:
        """Take the next turn as soon as there is one."""
        found: list[Turn] = []

        async def taken() -> bool:
            async with self._room.database.unit_of_work() as uow:
                found.extend(await agents.claim(uow, self._room.scribe, owner="w", node="n", lease=30, most=1))
            return bool(found)

        await eventually(taken)
        return found[0]

    async def write(self, turn: Turn, *pieces: str) -> None:
        offset = 0
        for index, content in enumerate(pieces):
            async with self._room.database.unit_of_work() as uow:
                piece = Piece(turn.session_id, turn.fence, turn.answer_id, turn.attempt, index, offset, content)
                await self._room.scribe.record_pieces(uow, [piece])
            offset += len(content)

    async def use_tool(self, turn: Turn, name: str, result: dict[str, Any]) -> None:
        call = {"turn_id": turn.turn_id, "message_id": turn.answer_id, "call_id": "call_1", "name": name}
        facts = [
            ToolStarted(**call, arguments={"n": 1}, attempt=turn.attempt, step=0, offset=0),
            ToolFinished(**call, result=result),
        ]
        async with self._room.database.unit_of_work() as uow:
            await self._room.scribe.record(uow, Append(turn.session_id, facts, fence=turn.fence))

    async def end(self, turn: Turn, content: str, reason: FinishReason = "stop", **more: Any) -> None:
        async with self._room.database.unit_of_work() as uow:
            ending = Ending(content, reason, tokens_used=7, **more)
            await agents.end_turn(uow, self._room.scribe, self._room.transcript, turn, ending)

    async def answer(self, *pieces: str) -> Turn:
        """Take the next turn and answer it."""
        turn = await self.claim()
        await self.write(turn, *pieces)
        await self.end(turn, "".join(pieces))
        return turn


def sse(response: httpx.Response) -> list[tuple[str | None, str | None, dict[str, Any]]]:
    """(id, name, data) of each event that carries data."""
    found = []
    for block in response.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in fields:
            found.append((fields.get("id"), fields.get("event"), json.loads(fields["data"])))
    return found
