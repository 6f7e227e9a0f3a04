"""The chat room on a real database, its HTTP face, and an agent that says what the test wants."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from malgil.agents import actions as agents
from malgil.agents.frames import FRAMES as AGENT_FRAMES
from malgil.agents.queries import AgentRow
from malgil.app.problems import install
from malgil.app.setting_types import FILE_TYPES
from malgil.chat.files.settings import FileSettings
from malgil.chat.files.shelf import Shelf
from malgil.chat.frames import FRAMES as CHAT_FRAMES
from malgil.chat.frames import RULINGS
from malgil.chat.gate import ChatGate
from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, open_room
from malgil.chat.routes import build_router
from malgil.chat.settings import ChatSettings
from malgil.kit.clock import Clock, SystemClock
from malgil.kit.ids import UlidIds
from malgil.log import actions as log
from malgil.log.scribe import Scribe
from malgil.realtime.announce import announcer
from malgil.realtime.bus import MemoryBus
from malgil.realtime.frames import Frames
from malgil.realtime.hub import Hub
from malgil.realtime.reader import DatabaseLog
from malgil.realtime.settings import RealtimeSettings
from malgil.realtime.ward import Ward
from malgil.storage.blobs import LocalBlobs
from malgil.storage.database import Database
from tests.chat.people import KIM, Answerer, authenticate, make_session


async def make_room(database: Database, stack: AsyncExitStack, clock: Clock | None = None) -> ChatRoom:
    """One process's room on the database; several on one database are several replicas without a common bus."""
    clock = clock or SystemClock()
    bus = MemoryBus()
    scribe = Scribe(UlidIds(clock), clock, announcer(bus))
    frames = Frames(CHAT_FRAMES, AGENT_FRAMES, rulings=RULINGS)
    hub = await stack.enter_async_context(Hub(DatabaseLog(database), bus, frames, interval=0.05))
    ward = await stack.enter_async_context(Ward(RealtimeSettings(tick=0.05)))
    room = open_room(database, hub, ward, frames, scribe, settings=ChatSettings(answer_wait=5.0))
    stack.push_async_callback(room.posts.drain)
    return room


@pytest.fixture
async def rooms(database: Database) -> AsyncIterator[list[ChatRoom]]:
    """Two replicas; agents 1 and 2 exist."""
    async with AsyncExitStack() as stack:
        async with database.unit_of_work() as uow:
            await log.settle_epoch(uow)
            for agent_id in (1, 2):
                await agents.put_agent(
                    uow, AgentRow(agent_id, f"Agent {agent_id}", None, "", "offline", []), SystemClock().now()
                )
        yield [await make_room(database, stack) for _ in range(2)]


@pytest.fixture
def room(rooms: list[ChatRoom]) -> ChatRoom:
    return rooms[0]


@pytest.fixture
def gate(room: ChatRoom) -> ChatGate:
    return ChatGate(room)


@pytest.fixture
async def session(room: ChatRoom) -> Session:
    """Kim's session with agent 1."""
    return await make_session(room, NewSession(KIM, 1, "배송 문의"))


@pytest.fixture
def answerer(room: ChatRoom) -> Answerer:
    return Answerer(room)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Files in a folder of the test's own."""
    return Shelf(LocalBlobs(tmp_path / "files"), FileSettings(tmp_path / "uploads", frozenset(FILE_TYPES)))


@pytest.fixture
def app(room: ChatRoom, shelf: Shelf) -> FastAPI:
    api = FastAPI()
    install(api)
    api.include_router(build_router(room, authenticate, shelf))
    return api


@pytest.fixture
async def kim(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Kim's HTTP client."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={"x-user": "kim"}) as client:
        yield client


@pytest.fixture
async def lee(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody else's HTTP client."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={"x-user": "lee"}) as client:
        yield client
