"""`malgil serve`, whole, with a driver inside that tells its bus of entries that are not in the log.

    python -m bench.product {driven | layered | bare_route}

`driven` obeys commands: everything from the bus to the socket is the product's, and nothing is written. `layered` has
one more route, /bench, trivial but for asking who calls; `bare_route` serves the same route without asking, and without
the layers in front.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router

from bench.commands import obey
from bench.drive import pieces, stamps
from malgil.access.identity import Identity
from malgil.access.tokens import SecretKey, TokenVerifier
from malgil.app import asgi, links, serve, wiring
from malgil.app.callers import authenticator, caller_of
from malgil.app.keys import jwt_secret
from malgil.app.limit_types import Limit
from malgil.app.plain import PlainRoute
from malgil.app.settings import Settings, load
from malgil.app.wiring import Application
from malgil.kit.clock import SystemClock
from malgil.log.model import DELTA, Entry
from malgil.observe import logs
from malgil.realtime.bus import MemoryBus, Message, session_channel
from malgil.realtime.reader import DatabaseLog

TRIVIAL = b'{"status":"ok"}'

_told: dict[str, int] = {}
"""How far each session's log is said to go by the driver."""


class Ahead(DatabaseLog):
    """The log of the database, and beyond its end what the driver has told."""

    async def heads(self, streams: Sequence[str]) -> tuple[str, dict[str, int]]:
        epoch, found = await super().heads(streams)
        return epoch, {stream: max(head, _told.get(stream, 0)) for stream, head in found.items()}


class Driver:
    """Plays the part of the agents: pieces of answers, on the bus."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._sessions: list[str] = []

    async def sessions(self, *, names: list[str], head: int) -> dict[str, Any]:
        """The streams to speak on, all at seq `head` now."""
        self._sessions = names
        _told.update(dict.fromkeys(names, head))
        return {}

    async def pieces(self, **how: Any) -> dict[str, Any]:
        return await pieces(self._prepare, self._tell, **how)

    async def both(self, *, stream: int, stamp_rate: float, width: int = 0, **how: Any) -> dict[str, Any]:
        """Pieces on the first streams, and stamps on another, at the same time."""
        stamped = stamps(
            self._prepare, self._tell, stream=stream, rate=stamp_rate, seconds=how["seconds"], width=width
        )
        found, _ = await asyncio.gather(self.pieces(**how), stamped)
        return found

    def _prepare(self, stream: int, text: str) -> tuple[str, Message]:
        session_id = self._sessions[stream]
        _told[session_id] = seq = _told[session_id] + 1
        data = {"message_id": "msg_01m7x7jjz6y0x9p0vvadvxa2bh", "attempt": 1, "index": seq, "offset": seq * 14,
                "content": text}
        entry = Entry(session_id, seq, seq, DELTA, data, datetime.now(UTC))
        return session_channel(session_id), Message("entries", (entry,))

    async def _tell(self, prepared: tuple[str, Message]) -> None:
        await self._bus.publish(*prepared)


async def build_driven(settings: Settings, url: str, **rest: Any) -> Application:
    """The application, its driver listening."""
    buses: list[MemoryBus] = []

    def noted() -> MemoryBus:
        buses.append(MemoryBus())
        return buses[0]

    links.MemoryBus = noted
    wiring.DatabaseLog = Ahead
    application = await wiring.build(settings, url, **rest)
    driver = Driver(buses[0])
    obeying = asyncio.create_task(
        obey({"sessions": driver.sessions, "pieces": driver.pieces, "both": driver.both})
    )
    _running.add(obeying)
    return application


async def build_routed(settings: Settings, url: str, *, layers: bool, **rest: Any) -> Application:
    """The application with the route /bench, or that route's router alone."""
    # The limits count, and nobody reaches them.
    free = {"rate_limit_enabled": True, "rate_limit_default": (Limit(limit=1_000_000, per=1),)}
    settings = settings.model_copy(update=free)
    routers: list[Router] = []

    def noted(*given: Any, **named: Any) -> Router:
        routers.append(Router(*given, **named))
        return routers[0]

    asgi.Router = noted
    application = await wiring.build(settings, url, **rest)
    clock = SystemClock()
    authenticate = authenticator(caller_of(Identity(TokenVerifier(SecretKey(jwt_secret(settings)), clock))))

    async def asking(request: Request) -> Response:
        await authenticate(request)
        return Response(TRIVIAL, media_type="application/json")

    async def trivial(request: Request) -> Response:
        return Response(TRIVIAL, media_type="application/json")

    (router,) = routers
    route = APIRoute("/bench", asking if layers else trivial, response_model=None)
    router.routes.insert(0, PlainRoute(route, {"GET"}))
    if not layers:
        application.asgi = router
    return application


_running: set["asyncio.Task[None]"] = set()
_BUILDS = {
    "driven": build_driven,
    "layered": partial(build_routed, layers=True),
    "bare_route": partial(build_routed, layers=False),
}

if __name__ == "__main__":
    found = load().settings
    logs.configure(found.level, found.log_format, sys.stderr)  # standard output is for answers
    serve.build = _BUILDS[sys.argv[1]]
    serve.run(found)
