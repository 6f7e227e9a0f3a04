"""A shopper asks in Korean, by every way in, and is told the truth about her own orders."""

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.journeys.node import Node
from tests.journeys.talk import Frame, events, hear, hear_all, say, stored, text_of

ORDERS = "주문 상태 확인"
HERS = "1042"  # guest's order that arrived two days ago


async def ask(http: httpx.AsyncClient, task: str, **more: object) -> Frame:
    answer = await http.post("/agent/chat", json={"task": task, **more})
    assert answer.status_code == 200, answer.text
    told: Frame = answer.json()
    return told


async def test_she_asks_and_waits(http: httpx.AsyncClient) -> None:
    answer = await ask(http, ORDERS)
    assert HERS in answer["content"]
    assert [call["name"] for call in answer["tool_calls"]] == ["list_orders"]
    hers, reply = await stored(http, answer["session_id"])
    assert (hers["sender_type"], hers["content"]) == ("user", ORDERS)
    assert (reply["message_id"], reply["content"]) == (answer["message_id"], answer["content"])


async def test_she_watches_the_answer_grow(http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/agent/chat/stream", params={"task": ORDERS}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        heard = [event async for event in events(response)]
    names = [event.name for event in heard]
    assert names[0] == "start"
    assert names[-1] == "done"
    pieces = [event.data["content"] for event in heard if event.name == "message"]
    assert len(pieces) > 3
    _, reply = await stored(http, heard[0].data["session_id"])
    assert "".join(pieces) == reply["content"]
    again = await http.get("/agent/chat/stream", params={"task": ORDERS}, headers={"Last-Event-ID": heard[-1].id})
    assert again.status_code == 204


@pytest.mark.parametrize("path", ["/ws", "/ws/chat"])
async def test_she_talks_on_a_socket(server: Node, http: httpx.AsyncClient, path: str) -> None:
    session = f"test-session{path.replace('/', '-')}"
    async with connect(f"{server.sockets}{path}/{session}") as socket:
        assert (await hear(socket, "connected"))["session_id"] == session
        await say(socket, type="message", content=ORDERS, client_message_id="first")
        frames = await hear_all(socket, "stream_end")
    (ack,) = [frame for frame in frames if frame["type"] == "ack"]
    assert (ack["client_message_id"], ack["duplicate"]) == ("first", False)
    hers, reply = await stored(http, session)
    assert ack["message_id"] == hers["message_id"]
    assert text_of(frames) == reply["content"]
    assert frames[-1]["length"] == len(reply["content"])
    seqs = [frame["seq"] for frame in frames if "cursor" in frame]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


async def test_she_posts_and_streams(http: httpx.AsyncClient) -> None:
    made = await http.post("/api/chat/sessions", json={"title": "배송 문의"})
    assert made.status_code == 201
    session = made.json()["session_id"]
    body = {"content": ORDERS, "stream": True, "client_message_id": "one"}
    async with http.stream("POST", f"/api/chat/sessions/{session}/messages/stream", json=body) as response:
        assert response.status_code == 200
        frames = [event.data async for event in events(response)]
    assert (frames[0]["type"], frames[-1]["type"]) == ("stream_start", "stream_end")
    _, reply = await stored(http, session)
    assert text_of(frames) == reply["content"]
    followed = []
    stream = http.stream("GET", f"/api/chat/sessions/{session}/events?after=start",
                         headers={"Accept": "text/event-stream"})
    async with stream as response:
        async for event in events(response):
            followed.append(event.data)
            if event.data["type"] == "stream_end":
                break
    assert text_of(followed) == reply["content"]
    page = (await http.get(f"/api/chat/sessions/{session}/events")).json()
    assert [one["seq"] for one in page["events"]] == [one["seq"] for one in followed]


async def test_she_is_paid_back_once(http: httpx.AsyncClient) -> None:
    first = await ask(http, f"{HERS}번 주문 환불해 주세요")
    assert first["tool_calls"][0]["result"]["requested"] is True
    second = await ask(http, f"{HERS}번 주문 환불해 주세요")
    result = second["tool_calls"][0]["result"]
    assert (result["requested"], result["already_requested"]) == (False, True)
    assert result["amount_krw"] == first["tool_calls"][0]["result"]["amount_krw"]


async def test_somebody_elses_order_does_not_exist_for_her(http: httpx.AsyncClient) -> None:
    emma = await ask(http, ORDERS, user_id="emma")
    number = emma["tool_calls"][0]["result"]["orders"][0]["order_number"]
    for task in (f"{number}번 주문 상태 알려줘", f"{number}번 주문 환불해 주세요"):
        answer = await ask(http, task)
        assert answer["tool_calls"][0]["result"]["found"] is False
        assert "찾지 못했습니다" in answer["content"]
    assert (await http.get(f"/api/chat/sessions/{emma['session_id']}")).status_code == 404


async def test_what_nobody_here_knows_is_said_plainly(http: httpx.AsyncClient) -> None:
    answer = await ask(http, "내일 날씨 어때?")
    assert answer["tool_calls"] == []
    assert "답할 수 없습니다" in answer["content"]
