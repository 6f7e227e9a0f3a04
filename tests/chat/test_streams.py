"""Who follows one answer or a session over HTTP, for how long, and how many of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from malgil.access.model import Caller
from malgil.agents.model import Turn
from malgil.app.problems import install
from malgil.chat.erasure.actions import hide_session
from malgil.chat.files.shelf import Shelf
from malgil.chat.model import Session
from malgil.chat.room import ChatRoom, post
from malgil.chat.routes import build_router
from malgil.log import queries as log
from malgil.realtime.ward import Ward
from tests.chat.members.test_actions import put, remove
from tests.chat.people import KIM, LEE, Answerer, authenticate, eventually, log_of, say, sse
from tests.chat.test_session_routes import problem

CHAT = "/agent/chat"
STREAM = "/agent/chat/stream"
SECRET = "now that we are alone"


def under(session: Session, rest: str) -> str:
    return f"/api/chat/sessions/{session.session_id}/{rest}"


async def cursor_of(room: ChatRoom, session: Session, seq: int) -> str:
    async with room.database.read() as conn:
        return f"{await log.epoch(conn)}.{seq}"


async def watched(room: ChatRoom) -> None:
    async def followed() -> bool:
        return room.hub.sessions == 1

    await eventually(followed)


@pytest.mark.parametrize("path", ["messages", "messages/stream", CHAT])
async def test_an_old_key_opens_nothing_to_who_was_sent_away(
    lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer, path: str
) -> None:
    await put(room, session, "lee")
    body: dict[str, Any] = {"content": "그때"}
    if path == CHAT:
        body = {"task": "그때", "session_id": session.session_id}
    where, key = path if path == CHAT else under(session, path), {"idempotency-key": "old"}
    asking = asyncio.create_task(lee.post(where, json=body, headers=key))
    await answerer.answer("그때의 답")
    assert (await asking).status_code in (200, 201)
    assert (await lee.post(where, json=body, headers=key)).status_code in (200, 201)
    await remove(room, session, "lee")
    await post(room, say(session, SECRET))
    head = (await log_of(room, session.session_id))[-1].seq
    for seen in ({}, {"last-event-id": await cursor_of(room, session, head)}):
        async with asyncio.timeout(5):
            problem(await lee.post(where, json=body, headers=key | seen), 404, "SESSION_NOT_FOUND")


async def test_an_old_key_opens_no_session_that_is_being_erased(
    kim: httpx.AsyncClient, room: ChatRoom, answerer: Answerer
) -> None:
    key = {"idempotency-key": "ask"}
    asking = asyncio.create_task(kim.post(CHAT, json={"task": "한 번"}, headers=key))
    turn = await answerer.answer("답")
    assert (await asking).status_code == 200
    async with room.database.unit_of_work() as uow:
        await hide_session(uow, room.scribe, KIM, turn.session_id)
    problem(await kim.post(CHAT, json={"task": "한 번"}, headers=key), 404, "SESSION_ERASED")


async def test_who_waits_for_an_answer_and_is_sent_away(
    lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await put(room, session, "lee")
    asking = asyncio.create_task(lee.post(CHAT, json={"task": "그리고?", "session_id": session.session_id}))
    turn = await answerer.claim()
    await watched(room)
    await remove(room, session, "lee")
    await answerer.end(turn, SECRET)
    async with asyncio.timeout(5):
        problem(await asking, 404, "SESSION_NOT_FOUND")


async def following(
    lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> tuple["asyncio.Task[httpx.Response]", Turn]:
    """Lee follows the answer to Kim's question, of which a part is there."""
    posted = await post(room, say(session, "환불?"))
    turn = await answerer.claim()
    await answerer.write(turn, "하나")
    seen = f"{await cursor_of(room, session, posted.seq)}@{turn.turn_id}"
    stream = asyncio.create_task(lee.get(STREAM, params={"task": "x"}, headers={"last-event-id": seen}))
    await watched(room)
    return stream, turn


async def test_who_follows_another_persons_answer_and_is_sent_away(
    lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await put(room, session, "lee", "viewer")
    stream, turn = await following(lee, room, session, answerer)
    await remove(room, session, "lee")
    await answerer.end(turn, SECRET)
    async with asyncio.timeout(5):
        told = await stream
    assert [name for _, name, _ in sse(told)] == ["start", "message"]


async def test_who_asked_may_go_and_others_follow_to_the_end(
    lee: httpx.AsyncClient, kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await put(room, session, "lee")
    posted = await post(room, say(session, "환불?", LEE))
    turn = await answerer.claim()
    seen = f"{await cursor_of(room, session, posted.seq)}@{turn.turn_id}"
    stream = asyncio.create_task(kim.get(STREAM, params={"task": "x"}, headers={"last-event-id": seen}))
    await watched(room)
    await remove(room, session, "lee")
    await answerer.end(turn, "끝")
    async with asyncio.timeout(5):
        assert [name for _, name, _ in sse(await stream)] == ["start", "done"]


async def test_who_came_back_reads_past_how_they_once_went(
    lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await put(room, session, "lee")
    posted = await post(room, say(session, "환불?"))
    await remove(room, session, "lee")
    await put(room, session, "lee")
    turn = await answerer.answer("답")
    seen = f"{await cursor_of(room, session, posted.seq)}@{turn.turn_id}"
    told = await lee.get(STREAM, params={"task": "x"}, headers={"last-event-id": seen})
    assert [name for _, name, _ in sse(told)] == ["start", "message", "done"]


@asynccontextmanager
async def client_of(room: ChatRoom, shelf: Shelf, expires_in: float | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Kim, with a token that is good for so many seconds."""
    expires_at = None if expires_in is None else time.time() + expires_in

    async def expiring(request: Request) -> Caller:
        return replace(await authenticate(request), expires_at=expires_at)

    app = FastAPI()
    install(app)
    app.include_router(build_router(room, expiring, shelf))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers={"x-user": "kim"}) as client:
        yield client


@pytest.mark.parametrize("door", ["events", "messages/stream", STREAM])
async def test_a_stream_ends_with_its_token(room: ChatRoom, shelf: Shelf, session: Session, door: str) -> None:
    async with client_of(room, shelf, 0.5) as kim, asyncio.timeout(10):
        if door == "events":
            told = await kim.get(under(session, door), headers={"accept": "text/event-stream"})
        elif door == STREAM:
            told = await kim.get(door, params={"task": "x", "session_id": session.session_id})
        else:
            told = await kim.post(under(session, door), json={"content": "x"})
    assert (told.status_code, sse(told)) == (200, [])


async def test_streams_of_a_session_are_limited_and_those_of_an_answer_are_not(
    room: ChatRoom, shelf: Shelf, session: Session, answerer: Answerer
) -> None:
    listening = {"accept": "text/event-stream"}
    settings = replace(room.ward.settings, max_per_user=1)
    async with Ward(settings) as ward, client_of(replace(room, ward=ward), shelf) as kim, asyncio.timeout(10):
        first = asyncio.create_task(kim.get(under(session, "events"), headers=listening))
        await watched(room)
        problem(await kim.get(under(session, "events"), headers=listening), 429, "RATE_LIMITED")
        assert (await kim.get(under(session, "events"))).status_code == 200
        answer = asyncio.create_task(kim.post(under(session, "messages/stream"), json={"content": "x"}))
        await answerer.answer("답")
        assert sse(await answer)[-1][2]["type"] == "stream_end"
        await ward.drain(notice=0)
        assert (await first).status_code == 200
        assert ward.sockets == 0


async def test_a_full_server_takes_no_stream_of_a_session(room: ChatRoom, shelf: Shelf, session: Session) -> None:
    full = Ward(replace(room.ward.settings, max_connections=1))
    full.open_socket()
    async with client_of(replace(room, ward=full), shelf) as kim:
        answer = await kim.get(under(session, "events"), headers={"accept": "text/event-stream"})
    problem(answer, 503, "UNAVAILABLE")
    assert answer.headers["retry-after"]
    assert full.sockets == 1
