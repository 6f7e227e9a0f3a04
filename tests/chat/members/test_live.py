"""Open connections of people who are sent away, given another role, or let in again; on every replica."""

import asyncio
import json

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from malgil.access.model import Caller
from malgil.chat.gate import ChatGate
from malgil.chat.model import Session
from malgil.chat.room import ChatRoom, post
from malgil.realtime.gate import Entered
from tests.chat.members.test_actions import put, remove
from tests.chat.people import LEE, eventually, log_of, say, sse
from tests.chat.served import served
from tests.realtime.fakes import close_code, frames


async def last_of(client: ClientConnection) -> dict[str, object]:
    """The next frame, which must be of the log."""
    return (await frames(client, 1))[-1]


async def test_who_is_sent_away_hears_it_and_nothing_after(rooms: list[ChatRoom], session: Session) -> None:
    await put(rooms[0], session, "lee")
    async with served(rooms[0]) as near, served(rooms[1]) as far:
        path = f"/ws/{session.session_id}?token="
        async with (
            connect(f"ws://{near}{path}lee") as one, connect(f"ws://{far}{path}lee") as two,
            connect(f"ws://{far}{path}kim") as kim,
        ):
            for client in (one, two, kim):
                await frames(client, "connected")
            await remove(rooms[0], session, "lee")
            await post(rooms[0], say(session, "now that we are alone"))
            for client in (one, two):
                left = await last_of(client)
                assert (left["event"], left["user_id"], left["by"]) == ("user_left", "lee", "kim")
                assert await close_code(client) == 4403
            heard = await frames(kim, "message")
            assert heard[-1]["content"] == "now that we are alone"
        async with connect(f"ws://{near}{path}lee") as again:
            assert await close_code(again) == 4404


async def test_whoever_leaves_is_let_go_everywhere(rooms: list[ChatRoom], session: Session) -> None:
    await put(rooms[0], session, "lee")
    async with served(rooms[1]) as far, connect(f"ws://{far}/ws/{session.session_id}?token=lee") as client:
        await frames(client, "connected")
        await remove(rooms[0], session, "lee", LEE)
        assert (await last_of(client))["event"] == "user_left"
        assert await close_code(client) == 4403


async def test_a_replay_of_how_one_once_went_ends_nothing(rooms: list[ChatRoom], session: Session) -> None:
    await put(rooms[0], session, "lee")
    await remove(rooms[0], session, "lee")
    await put(rooms[0], session, "lee", "viewer")
    await put(rooms[0], session, "lee", "member")
    url = f"/ws/{session.session_id}?token=lee&after=start"
    async with served(rooms[0]) as near, connect(f"ws://{near}{url}") as client:
        seen = await frames(client, "live")
        assert [f["event"] for f in seen[1:-1]] == [
            "session_created", "user_joined", "user_left", "user_joined", "role_changed",
        ]
        await client.send('{"type":"message","content":"hello","client_message_id":"c"}')
        await frames(client, "ack")


async def test_a_reader_stops_typing_at_once_and_may_again(rooms: list[ChatRoom], session: Session) -> None:
    await put(rooms[0], session, "lee")
    async with served(rooms[0]) as near, connect(f"ws://{near}/ws/{session.session_id}?token=lee") as client:
        await frames(client, "connected")
        for role in ("viewer", "member"):
            await put(rooms[0], session, "lee", role)
            assert (await last_of(client))["role"] == role
            await client.send('{"type":"typing","is_typing":true}')
            await client.send('{"type":"message","content":"hello","client_message_id":"c"}')
            if role == "viewer":
                assert [f["code"] for f in await frames(client, 2)] == ["FORBIDDEN", "FORBIDDEN"]
            else:
                assert (await frames(client, "ack"))[-1]["duplicate"] is False


async def test_nobody_resumes_past_their_end(rooms: list[ChatRoom], session: Session) -> None:
    await put(rooms[0], session, "lee")
    async with served(rooms[0]) as near, connect(f"ws://{near}/ws/{session.session_id}?token=lee") as client:
        connected = (await frames(client, "connected"))[-1]
        epoch, seq = connected["cursor"].split(".")
        # Many times the place behind the end, of which one may come in at that very moment.
        resume = json.dumps({"type": "resume", "after": f"{epoch}.{int(seq) + 2}"})
        *_, removed = await asyncio.gather(*(client.send(resume) for _ in range(5)), remove(rooms[0], session, "lee"))
        assert removed is None
        await post(rooms[0], say(session, "now that we are alone"))
        seen = []
        async with asyncio.timeout(5):
            try:
                while True:
                    seen.append(json.loads(await client.recv()))
            except Exception:
                await client.wait_closed()
        assert client.close_code in (4002, 4403)
        assert all(frame.get("content") != "now that we are alone" for frame in seen)


async def test_streams_of_who_is_sent_away_end(
    lee: httpx.AsyncClient, kim: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    await put(room, session, "lee")
    path = f"/api/chat/sessions/{session.session_id}"
    stream = asyncio.create_task(lee.get(f"{path}/events", headers={"accept": "text/event-stream"}))
    answer = asyncio.create_task(lee.post(f"{path}/messages/stream", json={"content": "and?"}))

    async def both() -> bool:
        return len(await log_of(room, session.session_id)) == 4 and room.hub.sessions == 1

    await eventually(both)
    await asyncio.sleep(0.1)
    await remove(room, session, "lee")
    await post(room, say(session, "now that we are alone"))
    async with asyncio.timeout(10):
        told, own = await stream, await answer
    assert sse(told)[-1][2]["event"] == "user_left"
    assert "now that we are alone" not in told.text + own.text


async def test_a_place_beyond_what_there_is(lee: httpx.AsyncClient, room: ChatRoom, session: Session) -> None:
    await put(room, session, "lee")
    path = f"/api/chat/sessions/{session.session_id}/events"
    answer = await lee.get(path, params={"after": "99"}, headers={"accept": "text/event-stream"})
    assert (answer.status_code, answer.json()["code"]) == (409, "EPOCH_CHANGED")
    broken = await lee.get(path, params={"after": "x"}, headers={"accept": "text/event-stream"})
    assert (broken.status_code, broken.json()["code"]) == (422, "INVALID_CURSOR")


async def test_sent_away_between_the_door_and_the_first_frame(
    rooms: list[ChatRoom], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(rooms[0], session, "lee")
    look = ChatGate.enter

    async def slow(gate: ChatGate, caller: Caller, session_id: str) -> Entered:
        entered = await look(gate, caller, session_id)
        await remove(rooms[0], session, "lee")
        await post(rooms[0], say(session, "now that we are alone"))
        return entered

    monkeypatch.setattr(ChatGate, "enter", slow)
    async with served(rooms[1]) as far, connect(f"ws://{far}/ws/{session.session_id}?token=lee") as client:
        await frames(client, "connected")
        assert (await last_of(client))["event"] == "user_left"
        assert await close_code(client) == 4403
