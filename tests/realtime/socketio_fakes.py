"""Socket.IO clients, the one that people use and one by hand, and a served world that they reach."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import socketio
from starlette.routing import BaseRoute, Route, WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect

from malgil.kit.clock import SystemClock
from malgil.kit.ids import UlidIds
from malgil.realtime.settings import RealtimeSettings
from malgil.realtime.socketio import SocketIOEndpoint
from tests.realtime.fakes import QUICK, World, serving

Event = tuple[str, Any]


def routes(world: World) -> list[BaseRoute]:
    endpoint = SocketIOEndpoint(world.endpoint, world.settings, UlidIds(SystemClock()))
    world.socketio = endpoint
    return [WebSocketRoute("/socket.io/", endpoint), Route("/socket.io/", endpoint)]


@asynccontextmanager
async def opened(settings: RealtimeSettings = QUICK, **options: Any) -> AsyncIterator[World]:
    async with serving(settings, more=routes, **options) as world:
        yield world


async def read_whole(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """The library leaves the answers to what it posts unread, and with them their connections open."""
    response = await handler(request)
    if response.status != 101:
        await response.read()
    return response


class Person:
    """A client and what it was told, in order."""

    def __init__(self) -> None:
        self.http = aiohttp.ClientSession(middlewares=[read_whole])
        self.client = socketio.AsyncClient(reconnection=False, http_session=self.http)
        self.told: asyncio.Queue[Event] = asyncio.Queue()
        self.refused: Any = None
        self.client.on("*", self._hear)
        self.client.on("connect_error", self._refuse)
        self.client.on("disconnect", self._end)

    async def _hear(self, name: str, frame: Any) -> None:
        if name != "presence":
            self.told.put_nowait((name, frame))

    async def _refuse(self, data: Any) -> None:
        self.refused = data

    async def _end(self, reason: str) -> None:
        self.told.put_nowait(("disconnect", reason))

    async def next(self) -> Any:
        name, frame = await asyncio.wait_for(self.told.get(), 5)
        assert name == "disconnect" or frame["type"] == name
        return frame

    async def until(self, kind: str) -> list[Event]:
        found: list[Event] = []
        while not found or found[-1][0] != kind:
            found.append(await asyncio.wait_for(self.told.get(), 5))
        return found

    async def call(self, event: str, data: Any = None) -> Any:
        return await self.client.call(event, data, timeout=5)


@asynccontextmanager
async def person(world: World, auth: Any, *transports: str) -> AsyncIterator[Person]:
    made = Person()
    try:
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            await made.client.connect(f"http{world.url}", auth=auth, transports=list(transports or ("websocket",)))
        yield made
    finally:
        await made.client.disconnect()
        await made.client.shutdown()
        await made.http.close()


WAYS = [("websocket",), ("polling",), ("polling", "websocket")]


async def heard(client: ClientConnection) -> str:
    """The next packet that is not presence."""
    while (packet := str(await client.recv())).startswith('42["presence"'):
        pass
    return packet


async def raw(world: World, query: str = "") -> ClientConnection:
    client = await connect(f"ws{world.url}/socket.io/?EIO=4&transport=websocket{query}", proxy=None, max_queue=None)
    assert (await heard(client)).startswith("0{")
    return client


async def entered(world: World) -> ClientConnection:
    client = await raw(world)
    await client.send('40{"session_id":"s"}')
    assert (await heard(client)).startswith("40{")
    assert '"connected"' in await heard(client)
    return client
