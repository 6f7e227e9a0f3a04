"""The ASGI application: routes, sockets, and the layers in front of them.

    the edge (trace, metrics, problems, guard, limits, body limit) → CORS → sockets and chat's routes, else FastAPI
"""

from dataclasses import dataclass

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Scope

from malgil import __version__
from malgil.access.identity import Identity, query_token
from malgil.access.model import Caller
from malgil.app import docs_pages, health, plain, problems, rooms
from malgil.app.callers import authenticator, caller_of
from malgil.app.edge import EdgeLayer
from malgil.app.late import Late
from malgil.app.limits import HEADERS, Limits, Turnstile
from malgil.app.links import Links
from malgil.app.openapi import DescribedAPI
from malgil.app.settings import Settings
from malgil.app.throttle import FrameThrottle
from malgil.chat import routes as chat
from malgil.chat.files.shelf import Shelf
from malgil.chat.gate import ChatGate
from malgil.chat.room import ChatRoom
from malgil.kit.clock import Clock
from malgil.kit.errors import MalgilError
from malgil.kit.ids import Ids
from malgil.observe.metrics import Metrics
from malgil.observe.requests import RequestMeter
from malgil.realtime.connection import Room
from malgil.realtime.meter import Meter
from malgil.realtime.throttle import NoThrottle
from malgil.realtime.typing import Typing
from malgil.realtime.user_socket import UserEndpoint, Users
from malgil.realtime.ward import Ward
from malgil.realtime.websocket import Identify, WebSocketEndpoint

_SOCKET_IO = "/socket.io/"
_CHANGING_GETS = frozenset({_SOCKET_IO, "/agent/chat/stream"})


@dataclass(frozen=True)
class Edge:
    """What the edge of the process is made of."""

    settings: Settings
    room: ChatRoom
    shelf: Shelf
    ward: Ward
    links: Links
    limits: Limits | None
    ids: Ids
    clock: Clock
    metrics: Metrics
    meter: Meter


def build_asgi(edge: Edge, identity: Identity) -> ASGIApp:
    """Everything a client can reach, behind its layers."""
    api = DescribedAPI(
        dev=edge.settings.auth_mode == "dev", title="Malgil", version=__version__, separate_input_output_schemas=False,
        docs_url=None, redoc_url=None,
        description="Chat sessions and agents whose answers survive everything. Errors are RFC 9457 problem details.",
    )
    problems.install(api)
    docs_pages.install(api)
    callers = caller_of(identity)
    authenticate = authenticator(callers)
    turnstile = Turnstile(edge.limits, callers) if edge.limits else None
    found = health.checks(edge.room.database, edge.settings.data_dir, edge.clock, edge.links.ping)
    api.include_router(health.build_router(found, edge.metrics, edge.clock))
    if edge.settings.service_role == "ai":
        return _layers(api, edge, turnstile)  # makes answers and talks to nobody
    described = chat.build_router(edge.room, authenticate, edge.shelf)
    api.include_router(described)
    identify = _identifier(identity, turnstile)
    endpoint = _socket(edge, identify)
    paths = ("/ws/chat/{session_id}", "/ws/{session_id}")
    sockets: list[BaseRoute] = [WebSocketRoute(path, endpoint) for path in paths]
    sockets.insert(0, WebSocketRoute("/ws/user", _user_socket(edge, identify)))
    sockets += _socketio(endpoint, edge)
    return _layers(Router([*sockets, *plain.routes(described)], redirect_slashes=False, default=api), edge, turnstile)


def _layers(api: ASGIApp, edge: Edge, turnstile: Turnstile | None) -> ASGIApp:
    settings = edge.settings

    def cors(app: ASGIApp) -> ASGIApp:
        if not settings.cors_origins:
            return app
        return CORSMiddleware(
            app, allow_origins=settings.cors_origins, allow_credentials=True, allow_methods=["*"],
            allow_headers=["*"], expose_headers=["X-Trace-Id", *HEADERS],
        )

    rules = rooms.origin_rules(settings, _CHANGING_GETS)
    return EdgeLayer(
        api, edge.clock, RequestMeter(edge.metrics), rules, body_limit=settings.json_body_limit, around=cors,
        turnstile=turnstile,
    )


def _socket(edge: Edge, identify: Identify) -> WebSocketEndpoint:
    return WebSocketEndpoint(
        edge.room.hub, _sessions(edge), identify, edge.ward, ids=edge.ids, clock=edge.clock,
        meter=edge.meter,
    )


def _socketio(endpoint: WebSocketEndpoint, edge: Edge) -> list[BaseRoute]:
    late = Late("malgil.realtime.socketio", lambda it: it.SocketIOEndpoint(endpoint, edge.ward.settings, edge.ids))
    return [WebSocketRoute(_SOCKET_IO, late), Route(_SOCKET_IO, late)]


def _user_socket(edge: Edge, identify: Identify) -> UserEndpoint:
    users = Users(ChatGate(edge.room), edge.links.bus)
    return UserEndpoint(
        edge.room.hub, _sessions(edge), identify, edge.ward, ids=edge.ids, clock=edge.clock,
        users=users, meter=edge.meter,
    )


def _sessions(edge: Edge) -> Room:
    throttle = FrameThrottle(edge.limits, edge.clock) if edge.limits else NoThrottle()
    typing = Typing(edge.links.bus, edge.ward.settings)
    return Room(ChatGate(edge.room, throttle), typing, edge.ward.settings, edge.links.presence, throttle)


def _identifier(identity: Identity, turnstile: Turnstile | None) -> Identify:
    """Who opens a socket, be it over a handshake of its own or as a client of Socket.IO. All that try are counted."""

    async def identify(scope: Scope) -> Caller:
        found: Caller | MalgilError
        try:
            found = await identity.resolve(scope["headers"], query_token(scope["query_string"]))
        except MalgilError as error:
            found = error
        if turnstile is not None:
            await turnstile.connect(scope, found)
        if isinstance(found, MalgilError):
            raise found
        return found

    return identify
