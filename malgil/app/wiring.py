"""The composition root: the one place that knows every room and puts them together."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx
from starlette.types import ASGIApp

from malgil import __version__
from malgil.access.identity import Identity
from malgil.access.tokens import TokenVerifier
from malgil.agents.frames import FRAMES as AGENT_FRAMES
from malgil.agents.offline.model import OfflineModel
from malgil.agents.offline.titling import title_of
from malgil.agents.providers import ModelCatalogue, Provided
from malgil.agents.runner import Runner
from malgil.agents.settings import TurnSettings
from malgil.agents.shop.tools import SHOP_TOOLS
from malgil.agents.signals import turn_announcer
from malgil.agents.toolbox import Toolbox
from malgil.agents.worker import TurnWorker
from malgil.agents.writer import piece_commits
from malgil.app import demo, rooms
from malgil.app.asgi import Edge, build_asgi
from malgil.app.housekeeping import keep_house
from malgil.app.indexing import Indexing, vocabulary
from malgil.app.keys import token_keys
from malgil.app.limits import open_limits
from malgil.app.links import Links, open_links
from malgil.app.metering import MeteringAnnouncer
from malgil.app.settings import Settings, SettingsError
from malgil.chat.files.shelf import Shelf
from malgil.chat.frames import FRAMES as CHAT_FRAMES
from malgil.chat.frames import RULINGS
from malgil.chat.members.unread import UnreadTeller
from malgil.chat.room import ChatRoom, open_room
from malgil.chat.search.tasks import Indexer
from malgil.chat.titles import TitleGiver
from malgil.kit.clock import Clock, SystemClock
from malgil.kit.ids import UlidIds
from malgil.knowledge.analyst import Analyst
from malgil.log import actions as log
from malgil.log.model import Entry
from malgil.log.scribe import Announce, Scribe
from malgil.observe.metrics import DeliveryMeter, Metrics
from malgil.realtime.announce import announcer
from malgil.realtime.frames import Frames
from malgil.realtime.hub import Hub
from malgil.realtime.reader import DatabaseLog
from malgil.realtime.ward import Ward
from malgil.storage.database import Database

OFFLINE = "offline"
_JWKS_TIMEOUT = 10.0


class Application:
    """Everything that one process runs. `start` after `build`, `drain` when told to stop, `close` at the end.

    `answers`: it makes answers; otherwise (a gateway) it leaves the turns to others.
    """

    def __init__(
        self, asgi: ASGIApp, worker: TurnWorker, ward: Ward, resources: AsyncExitStack, house: "asyncio.Task[None]",
        *, answers: bool = True,
    ) -> None:
        self.asgi = asgi
        self._answers = answers
        self.worker = worker
        self._ward = ward
        self._resources = resources
        self._house = house

    def start(self) -> None:
        """Begin to answer; turns that an earlier life of this node left come first."""
        if self._answers:
            self.worker.start()

    async def drain(self) -> None:
        """Hand running turns over, then send the clients away."""
        await self.worker.drain()
        await self._ward.drain()

    async def close(self) -> None:
        """Let go of everything, the database last."""
        self._house.cancel()
        await asyncio.wait([self._house])
        await self._resources.aclose()


async def build(settings: Settings, url: str, *, node: str, turns: TurnSettings | None = None) -> Application:
    """The application on the migrated database at `url`. `node` names all lives of this installation's process."""
    turns = turns or TurnSettings()
    clock = SystemClock()
    ids = UlidIds(clock)
    metrics = Metrics(__version__)
    meter = DeliveryMeter(metrics, clock)
    async with AsyncExitStack() as opening:
        links = await open_links(settings, opening, metrics)
        database = await _open_database(settings, url, opening, metrics)
        indexing = Indexing()
        teller = await opening.enter_async_context(UnreadTeller(database, links.bus))
        told = (turn_announcer(links.bus), announcer(links.bus), teller.announce, indexing.announce)
        scribe = Scribe(ids, clock, _announce(MeteringAnnouncer(metrics), *told))
        await _found(database, clock, settings)
        ward = await opening.enter_async_context(Ward(rooms.realtime(settings)))
        shelf = Shelf(rooms.blobs(settings), rooms.files(settings))
        room = await _open_room(database, links, ward, scribe, meter, teller, opening)
        await opening.enter_async_context(indexing.running(Indexer(database, room.vocabulary, meter.indexed)))
        await opening.enter_async_context(TitleGiver(database, scribe, links.bus, _title))
        runner = _runner(settings, turns, room, clock, opening)
        worker = TurnWorker(database, scribe, links.bus, runner, turns, owner=uuid.uuid4().hex, node=node)
        limits = await open_limits(settings, links.redis, clock, metrics, opening)
        edge = Edge(settings, room, shelf, ward, links, limits, ids, clock, metrics, meter)
        asgi = build_asgi(edge, await _identity(settings, clock, opening))
        house = asyncio.create_task(keep_house(database, scribe, turns, metrics, shelf.blobs), name="housekeeping")
        answers = settings.service_role != "gateway"
        return Application(asgi, worker, ward, opening.pop_all(), house, answers=answers)


async def _found(database: Database, clock: Clock, settings: Settings) -> None:
    """What an installation begins with: its epoch, and the demo."""
    async with database.unit_of_work() as uow:
        await log.settle_epoch(uow)
    await demo.install(database, clock, model=settings.llm_model)


async def _open_room(
    database: Database, links: Links, ward: Ward, scribe: Scribe, meter: DeliveryMeter, teller: UnreadTeller,
    opening: AsyncExitStack,
) -> ChatRoom:
    frames = Frames(CHAT_FRAMES, AGENT_FRAMES, rulings=RULINGS)
    hub = await opening.enter_async_context(Hub(DatabaseLog(database), links.bus, frames, meter=meter))
    words = vocabulary(await opening.enter_async_context(Analyst()))
    room = open_room(database, hub, ward, frames, scribe, meter=meter)
    opening.push_async_callback(room.posts.drain)
    return replace(room, has_read=teller.has_read, vocabulary=words)


async def _open_database(settings: Settings, url: str, opening: AsyncExitStack, metrics: Metrics) -> Database:
    database = Database(
        url, pool_size=settings.database_pool_size, max_overflow=settings.database_max_overflow,
        timeout=settings.database_pool_timeout,
    )
    await database.open()
    opening.push_async_callback(database.close)
    metrics.watch_pool(database.pool_stats)
    return database


async def _identity(settings: Settings, clock: Clock, opening: AsyncExitStack) -> Identity:
    client = await opening.enter_async_context(httpx.AsyncClient(timeout=_JWKS_TIMEOUT))
    dev = settings.auth_mode == "dev"
    return Identity(TokenVerifier(token_keys(settings, clock, client), clock, dev=dev), dev=dev)


def _runner(
    settings: Settings, turns: TurnSettings, room: ChatRoom, clock: Clock, opening: AsyncExitStack
) -> Runner:
    if settings.llm_model != OFFLINE:
        raise SettingsError([f"LLM_MODEL={settings.llm_model}: this version has the bundled model only: {OFFLINE}"])
    offline = OfflineModel(clock, chunk_size=settings.stream_chunk_size, delay_ms=settings.stream_delay_ms)
    catalogue = ModelCatalogue({OFFLINE: Provided(offline, continues_prefix=True)})
    tools = {tool.name: tool for tool in SHOP_TOOLS}
    toolbox = Toolbox(room.database, room.scribe, tools, timeout=turns.tool_timeout)
    pieces = piece_commits(room.database, room.scribe)
    opening.push_async_callback(pieces.drain)
    return Runner(room.database, room.scribe, room.transcript, pieces, catalogue, toolbox, turns)


async def _title(question: str) -> str:
    return title_of(question)


def _announce(*announcers: Announce) -> Announce:
    async def announce(entries: Sequence[Entry]) -> None:
        for one in announcers:
            await one(entries)

    return announce
