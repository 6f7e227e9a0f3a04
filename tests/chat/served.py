"""A room behind a real server, with real sockets: `?token=` names the user."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI
from starlette.routing import Router, WebSocketRoute

from malgil.access.model import Caller
from malgil.app.problems import install
from malgil.chat.doors import Door
from malgil.chat.files.routes import FILES
from malgil.chat.files.settings import FileSettings
from malgil.chat.files.shelf import Shelf
from malgil.chat.gate import ChatGate
from malgil.chat.message_routes import MESSAGES
from malgil.chat.room import ChatRoom
from malgil.kit.clock import SystemClock
from malgil.kit.ids import UlidIds, UserId
from malgil.realtime.asgi import Scope
from malgil.realtime.bus import Bus, MemoryBus
from malgil.realtime.connection import Room
from malgil.realtime.line import server_options
from malgil.realtime.throttle import NoThrottle, Throttle
from malgil.realtime.typing import Typing
from malgil.realtime.user_socket import UserEndpoint, Users
from malgil.realtime.websocket import WebSocketEndpoint
from malgil.storage.blobs import LocalBlobs
from tests.chat.people import KIM, authenticate
from tests.realtime.fakes import eventually


async def identify(scope: Scope) -> Caller:
    name = parse_qs(scope["query_string"].decode())["token"][0]
    return replace(KIM, user_id=UserId(name))


@asynccontextmanager
async def served(
    room: ChatRoom, bus: Bus | None = None, shelf: Shelf | None = None, throttle: Throttle | None = None
) -> AsyncIterator[str]:
    """The address (without a scheme) of a server around the room; `bus` for its user sockets and typing."""
    bus = bus or MemoryBus()
    clock = SystemClock()
    shared = Room(
        ChatGate(room), Typing(bus, room.ward.settings), room.ward.settings, throttle=throttle or NoThrottle()
    )
    sessions = WebSocketEndpoint(room.hub, shared, identify, room.ward, ids=UlidIds(clock), clock=clock)
    users = UserEndpoint(
        room.hub, shared, identify, room.ward, ids=UlidIds(clock), clock=clock, users=Users(ChatGate(room), bus)
    )
    api = FastAPI()
    install(api)
    folder = TemporaryDirectory(prefix="malgil-test-")
    empty = Shelf(LocalBlobs(Path(folder.name)), FileSettings(Path(folder.name), frozenset()))
    for doors in (MESSAGES, FILES):
        doors.open(Door(room, authenticate, shelf or empty), api.router)
    sockets = [WebSocketRoute("/ws/user", users), WebSocketRoute("/ws/{session_id}", sessions)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            Router([*sockets], default=api), lifespan="off", log_config=None, access_log=False,
            timeout_graceful_shutdown=2, **server_options(room.ward.settings),
        )
        running = uvicorn.Server(config)
        task = asyncio.create_task(running._serve([listener]))
        try:
            await eventually(lambda: running.started)
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            running.should_exit = True
            await task
            folder.cleanup()
