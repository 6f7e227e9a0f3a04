"""Routes served without what FastAPI puts around them.

FastAPI describes them (OpenAPI) and answers for what they do not match: wrong methods, unknown paths. But its layers
cost a small read more than the read itself, and a connection holds them as long as it is open. The routes of chat take
the bare request anyway (`chat.http`), and what they raise is the problem layer's.
"""

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import Match, Route
from starlette.types import Scope


class PlainRoute(Route):
    """Matches its own methods only, and tells the metrics which route it was."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        if match is not Match.FULL:
            return Match.NONE, {}
        return match, {**child, "route": self}


def routes(described: APIRouter) -> list[PlainRoute]:
    """The router's routes, to be put in front of the FastAPI application that describes them."""
    found = []
    for one in described.routes:
        if isinstance(one, APIRoute):
            methods = one.methods or set()
            route = PlainRoute(one.path, one.endpoint, methods=sorted(methods))
            # Starlette adds HEAD to every GET; some of these start an answer, and a stream has no end to measure.
            route.methods = methods
            found.append(route)
    return found
