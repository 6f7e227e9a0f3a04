"""She leaves in the middle of an answer and comes back, on the same device or on another: every piece once."""

import asyncio

import httpx
from websockets.asyncio.client import connect

from tests.journeys.node import Node
from tests.journeys.talk import Frame, events, hear, hear_all, say, stored, text_of

ORDERS = "주문 상태 확인"


def entries(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if "seq" in frame and "cursor" in frame]


def whole(frames: list[Frame]) -> None:
    """Every entry once, in order, from the first heard to the last."""
    seqs = [frame["seq"] for frame in entries(frames)]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


async def test_a_refresh_in_mid_answer(server: Node, http: httpx.AsyncClient) -> None:
    where = f"{server.sockets}/ws/refreshed"
    async with connect(where) as socket:
        await say(socket, type="message", content=ORDERS)
        frames = await hear_all(socket, "stream_chunk")
    cursor = entries(frames)[-1]["cursor"]
    async with connect(f"{where}?after={cursor}") as socket:
        back = await hear_all(socket, "stream_end")
    assert back[0]["cursor"] == cursor
    assert "live" in [frame["type"] for frame in back]
    frames += back[1:]
    whole(frames)
    _, reply = await stored(http, "refreshed")
    assert text_of(frames) == reply["content"]


async def test_two_devices_see_the_same(server: Node, http: httpx.AsyncClient) -> None:
    where = f"{server.sockets}/ws/shared"
    async with connect(where) as phone, connect(where) as laptop:
        await say(phone, type="message", content=ORDERS)
        seen = await asyncio.gather(hear_all(phone, "stream_end"), hear_all(laptop, "stream_end"))
    first, second = (entries(frames) for frames in seen)
    assert first == second
    _, reply = await stored(http, "shared")
    assert text_of(first) == reply["content"]


async def test_the_other_device_comes_later_and_sees_all(server: Node, http: httpx.AsyncClient) -> None:
    where = f"{server.sockets}/ws/later"
    async with connect(where) as phone:
        await say(phone, type="message", content=ORDERS)
        await hear(phone, "stream_chunk")
        async with connect(f"{where}?after=start") as laptop:
            frames = await hear_all(laptop, "stream_end")
    whole(frames)
    assert entries(frames)[0]["seq"] == 1
    hers, reply = await stored(http, "later")
    assert [f["content"] for f in frames if f["type"] == "message"] == [hers["content"]]
    assert text_of(frames) == reply["content"]


async def test_nobody_listens_and_the_answer_is_written(server: Node, http: httpx.AsyncClient) -> None:
    async with connect(f"{server.sockets}/ws/alone") as socket:
        await say(socket, type="message", content=ORDERS, client_message_id="once")
        await hear(socket, "ack")
    async with connect(f"{server.sockets}/ws/alone?after=start") as socket:
        frames = await hear_all(socket, "stream_end")
        await say(socket, type="message", content=ORDERS, client_message_id="once")
        assert (await hear(socket, "ack"))["duplicate"] is True
    assert len(await stored(http, "alone")) == 2
    assert text_of(frames) == (await stored(http, "alone"))[1]["content"]


async def test_an_event_stream_that_broke_goes_on(http: httpx.AsyncClient) -> None:
    asked = {"task": ORDERS, "session_id": (await http.post("/api/chat/sessions", json={})).json()["session_id"]}
    first, last = [], ""
    async with http.stream("GET", "/agent/chat/stream", params=asked) as response:
        async for event in events(response):
            first.append(event)
            if event.name == "message":
                last = event.id
                break
    async with http.stream("GET", "/agent/chat/stream", params=asked, headers={"Last-Event-ID": last}) as response:
        second = [event async for event in events(response)]
    assert second[-1].name == "done"
    said = "".join(event.data["content"] for event in first + second if event.name == "message")
    messages = await stored(http, asked["session_id"])
    assert len(messages) == 2, "it asked again"
    assert said == messages[1]["content"]
