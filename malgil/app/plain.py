"""Routes served without what FastAPI puts around them.

FastAPI describes them (OpenAPI) and answers for the paths that none of them has. But its layers cost a small read more
than the read itself, and a connection holds them as long as it is open. The routes of chat take the bare request anyway
(`chat.http`), and what they raise is the edge's.
"""

from collections import defaultdict

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send


class PlainRoute(Route):
    """Calls its endpoint with the request, and tells the metrics which route it was.

    A path of its own under a method of nobody's is answered 405, with all methods that the path has.
    """

    def __init__(self, described: APIRoute, allowed: set[str]) -> None:
        methods = described.methods or set()
        super().__init__(described.path, described.endpoint, methods=sorted(methods))
        # Starlette adds HEAD to every GET; some of these start an answer, and a stream has no end to measure.
        self.methods = methods
        self._allowed = ", ".join(sorted(allowed))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return match, child if match is Match.NONE else {**child, "route": self}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in (self.methods or ()):
            raise HTTPException(405, headers={"Allow": self._allowed})
        await self.app(scope, receive, send)


def routes(described: APIRouter) -> list[PlainRoute]:
    """The router's routes, to be put in front of the FastAPI application that describes them."""
    found = [one for one in described.routes if isinstance(one, APIRoute)]
    allowed: dict[str, set[str]] = defaultdict(set)
    for one in found:
        allowed[one.path] |= one.methods or set()
    return [PlainRoute(one, allowed[one.path]) for one in found]
