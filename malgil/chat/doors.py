"""A table of routes: handlers are plain functions of a door and a request, and become an APIRouter when app asks."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from malgil.access.model import Caller
from malgil.chat.files.shelf import Shelf
from malgil.chat.room import ChatRoom
from malgil.realtime.sse import EventStream

Authenticate = Callable[[Request], Awaitable[Caller]]
Answer = Response | EventStream


@dataclass(frozen=True, slots=True)
class Door:
    """What every handler is given: the room, who tells callers apart, and where files are kept."""

    room: ChatRoom
    authenticate: Authenticate
    shelf: Shelf


Handler = Callable[[Door, Request], Awaitable[Answer]]


class BareRoute(APIRoute):
    """A route of the API's description whose endpoint is called with the request and nothing around it.

    The hot routes so pay for no dependency graph, no second validation and no second serialisation.
    """

    def get_route_handler(self) -> Any:
        return self.endpoint


class Doors:
    """Routes by prefix and tag. `at` registers a handler, `open` binds them all."""

    def __init__(self, prefix: str, tag: str) -> None:
        self._prefix = prefix
        self._tag = tag
        self._routes: list[tuple[str, str, Handler, dict[str, Any]]] = []

    def at(self, verb: str, path: str, **docs: Any) -> Callable[[Handler], Handler]:
        """Register for `verb path`; `docs` are those of `APIRouter.add_api_route`.

        The handler's docstring describes the operation; its name is the operation's id, unless `operation_id` is.
        """

        def register(handler: Handler) -> Handler:
            self._routes.append((verb, path, handler, docs))
            return handler

        return register

    def open(self, door: Door, router: APIRouter) -> None:
        """Put the routes on `router`, bound to `door`."""
        for verb, path, handler, docs in self._routes:
            router.add_api_route(
                self._prefix + path, _bind(handler, door), methods=[verb], tags=[self._tag], response_model=None,
                response_class=Response, name=handler.__name__, description=inspect.getdoc(handler) or "",
                route_class_override=BareRoute, **{"operation_id": handler.__name__, **docs},
            )


def _bind(handler: Handler, door: Door) -> Callable[[Request], Awaitable[Answer]]:
    async def endpoint(request: Request) -> Answer:
        return await handler(door, request)

    return endpoint
