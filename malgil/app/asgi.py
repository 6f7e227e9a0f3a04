"""The ASGI application: routes, sockets, and the layers in front of them.

    trace → metrics → problems → cross-site guard → CORS → body limit → sockets and chat's routes, else FastAPI
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Router, WebSocketRoute
from starlette.types import ASGIApp, Scope

from malgil import __version__
from malgil.access.identity import Identity, query_token
from malgil.access.model import Caller
from malgil.app import health, plain, problems, rooms
from malgil.app.body_limit import BodyLimitLayer
from malgil.app.guard import OriginLayer
from malgil.app.settings import Settings
from malgil.chat import routes as chat
from malgil.chat.gate import ChatGate
from malgil.chat.room import ChatRoom
from malgil.kit.clock import Clock
from malgil.kit.ids import Ids
from malgil.observe.metrics import Metrics
from malgil.observe.metrics_layer import MetricsLayer
from malgil.observe.trace import TraceLayer
from malgil.realtime.bus import Bus
from malgil.realtime.meter import Meter
from malgil.realtime.typing import Typing
from malgil.realtime.ward import Ward
from malgil.realtime.websocket import WebSocketEndpoint

_CHANGING_GETS = frozenset({"/agent/chat/stream"})


@dataclass(frozen=True)
class Edge:
    """What the edge of the process is made of."""

    settings: Settings
    room: ChatRoom
    ward: Ward
    bus: Bus
    ids: Ids
    clock: Clock
    metrics: Metrics
    meter: Meter


def build_asgi(edge: Edge, identity: Identity) -> ASGIApp:
    """Everything a client can reach, behind its layers."""
    api = FastAPI(
        title="Malgil", version=__version__, separate_input_output_schemas=False,
        description="Chat sessions and agents whose answers survive everything. Errors are RFC 9457 problem details.",
    )
    problems.install(api)
    authenticate = _authenticator(identity)
    found = health.checks(edge.room.database, edge.settings.data_dir, edge.clock)
    api.include_router(health.build_router(found, edge.metrics, edge.clock))
    if edge.settings.service_role == "ai":
        return _layers(api, edge)  # makes answers and talks to nobody
    described = chat.build_router(edge.room, authenticate)
    api.include_router(described)
    endpoint = _socket(edge, identity)
    sockets = [WebSocketRoute(path, endpoint) for path in ("/ws/chat/{session_id}", "/ws/{session_id}")]
    return _layers(Router([*sockets, *plain.routes(described)], redirect_slashes=False, default=api), edge)


def _layers(api: ASGIApp, edge: Edge) -> ASGIApp:
    settings = edge.settings
    layered: ASGIApp = BodyLimitLayer(api, settings.json_body_limit)
    if settings.cors_origins:
        layered = CORSMiddleware(
            layered, allow_origins=settings.cors_origins, allow_credentials=True, allow_methods=["*"],
            allow_headers=["*"], expose_headers=["X-Trace-Id", "Retry-After"],
        )
    layered = OriginLayer(layered, rooms.origin_rules(settings, _CHANGING_GETS))
    layered = problems.ProblemLayer(layered)
    return TraceLayer(MetricsLayer(layered, edge.metrics, edge.clock), edge.clock)


def _socket(edge: Edge, identity: Identity) -> WebSocketEndpoint:
    async def identify(scope: Scope) -> Caller:
        return await identity.resolve(scope["headers"], query_token(scope["query_string"]))

    typing = Typing(edge.bus, edge.ward.settings)
    return WebSocketEndpoint(
        edge.room.hub, ChatGate(edge.room), identify, edge.ward, typing, ids=edge.ids, clock=edge.clock,
        meter=edge.meter,
    )


def _authenticator(identity: Identity) -> Callable[[HTTPConnection], Awaitable[Caller]]:
    async def authenticate(request: HTTPConnection) -> Caller:
        # An EventSource cannot set headers, so GET may bring its token in the query; nothing that changes may.
        query = query_token(request.scope["query_string"]) if request.scope.get("method") == "GET" else None
        return await identity.resolve(request.scope["headers"], query)

    return authenticate
