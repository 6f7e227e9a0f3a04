"""What a client does on each way in, as little as a client can get by with."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection

Frame = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event that carries data."""

    id: str
    name: str
    data: Frame


async def events(response: httpx.Response) -> AsyncIterator[Event]:
    """The events of a stream as they come."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            yield Event(fields["id"], fields.get("event", ""), json.loads(fields["data"]))
        fields = {}


async def say(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame, ensure_ascii=False))


async def hear(socket: ClientConnection, kind: str, *, seconds: float = 15.0) -> Frame:
    """The next frame of this type; those before it are passed over."""
    return (await hear_all(socket, kind, seconds=seconds))[-1]


async def hear_all(socket: ClientConnection, kind: str, *, seconds: float = 15.0) -> list[Frame]:
    """Every frame up to and including the next of this type. Presence, which may come any time, only if asked for."""
    heard: list[Frame] = []
    async with asyncio.timeout(seconds):
        while not heard or heard[-1]["type"] != kind:
            frame = json.loads(await socket.recv())
            if frame["type"] != "presence" or kind == "presence":
                heard.append(frame)
    return heard


def text_of(frames: list[Frame]) -> str:
    """The text that a client shows for the answer in these frames; AssertionError for a piece out of its place."""
    text = ""
    for frame in frames:
        if frame["type"] == "stream_chunk":
            assert frame["offset"] == len(text), frame
            text += frame["content"]
        elif frame["type"] == "stream_reset":
            text = text[: frame["offset"]]
    return text


async def stored(http: httpx.AsyncClient, session_id: str) -> list[Frame]:
    """The session's messages as the API lists them."""
    answer = await http.get(f"/api/chat/sessions/{session_id}/messages")
    assert answer.status_code == 200, answer.text
    messages: list[Frame] = answer.json()["messages"]
    return messages
