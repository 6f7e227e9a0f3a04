"""Stop, and what a message does that comes while an answer is being made; away and back again."""

from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.journeys.node import Node
from tests.journeys.talk import hear, hear_all, say, stored, text_of

ORDERS = "주문 상태 확인"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"STREAM_DELAY_MS": "30"}


async def make(http: httpx.AsyncClient, **body: Any) -> str:
    made = await http.post("/api/chat/sessions", json=body)
    assert made.status_code == 201, made.text
    session: str = made.json()["session_id"]
    return session


async def post(http: httpx.AsyncClient, session: str, content: str = ORDERS) -> httpx.Response:
    return await http.post(f"/api/chat/sessions/{session}/messages", json={"content": content})


async def test_stop_keeps_what_was_said(server: Node, http: httpx.AsyncClient) -> None:
    session = await make(http)
    async with connect(f"{server.sockets}/ws/{session}") as socket:
        await say(socket, type="message", content=ORDERS)
        frames = await hear_all(socket, "stream_chunk")
        await say(socket, type="stop")
        frames += await hear_all(socket, "stream_end")
    assert frames[-1]["finish_reason"] == "stopped"
    _, reply = await stored(http, session)
    assert text_of(frames) == reply["content"]
    assert reply["metadata"]["finish_reason"] == "stopped"
    nothing = await http.post(f"/api/chat/sessions/{session}/stop")
    assert (nothing.status_code, nothing.json()["stopped"]) == (202, [])


async def test_enqueue_answers_one_after_the_other(server: Node, http: httpx.AsyncClient) -> None:
    session = await make(http)
    async with connect(f"{server.sockets}/ws/{session}") as socket:
        await say(socket, type="message", content=ORDERS)
        await say(socket, type="message", content="환불 규정 알려줘")
        first = await hear_all(socket, "stream_end")
        second = await hear_all(socket, "stream_end")
    assert [m["sender_type"] for m in await stored(http, session)].count("agent") == 2
    assert sum(frame["type"] == "stream_start" for frame in first) == 1
    assert sum(frame["type"] == "stream_start" for frame in second) == 1


async def test_reject_says_busy(server: Node, http: httpx.AsyncClient) -> None:
    session = await make(http, queue_policy="reject")
    async with connect(f"{server.sockets}/ws/{session}") as socket:
        await say(socket, type="message", content=ORDERS)
        await hear(socket, "stream_start")
        refused = await post(http, session)
        assert (refused.status_code, refused.json()["code"]) == (409, "BUSY")
        await say(socket, type="message", content=ORDERS, client_message_id="two")
        error = await hear(socket, "error")
        assert (error["code"], error["client_message_id"]) == ("BUSY", "two")
        await hear(socket, "stream_end")
    assert len(await stored(http, session)) == 2


async def test_interrupt_stops_the_first(server: Node, http: httpx.AsyncClient) -> None:
    session = await make(http, queue_policy="interrupt")
    async with connect(f"{server.sockets}/ws/{session}") as socket:
        await say(socket, type="message", content=ORDERS)
        await hear(socket, "stream_chunk")
        await say(socket, type="message", content="환불 규정 알려줘")
        assert (await hear(socket, "stream_end"))["finish_reason"] == "stopped"
        assert (await hear(socket, "stream_end"))["finish_reason"] == "stop"


async def test_away_and_back_again(http: httpx.AsyncClient) -> None:
    session = await make(http, title="배송 문의")
    archived = await http.delete(f"/api/chat/sessions/{session}")
    assert archived.json() == {"message": "Session archived successfully", "session_id": session}
    refused = await post(http, session)
    assert (refused.status_code, refused.json()["code"]) == (409, "SESSION_ARCHIVED")
    assert (await http.get(f"/api/chat/sessions/{session}")).json()["status"] == "archived"
    assert (await http.patch(f"/api/chat/sessions/{session}", json={"status": "active"})).status_code == 200
    assert (await post(http, session)).status_code == 201
