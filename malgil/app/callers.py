"""Who calls, found out once a request: the layer in front asks for the limits, the route asks for its rights."""

from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection
from starlette.types import Scope

from malgil.access.identity import Identity, query_token
from malgil.access.model import Caller
from malgil.kit.errors import MalgilError

CallerOf = Callable[[Scope], Awaitable[Caller | MalgilError]]

_FOUND = "malgil.caller"


def caller_of(identity: Identity) -> CallerOf:
    """From an HTTP scope to its caller, or to the error that a route which needs one shall raise."""

    async def find(scope: Scope) -> Caller | MalgilError:
        found: Caller | MalgilError | None = scope.get(_FOUND)
        if found is None:
            # An EventSource cannot set headers, so GET may bring its token in the query; nothing that changes may.
            token = query_token(scope["query_string"]) if scope.get("method") in ("GET", "HEAD") else None
            try:
                found = await identity.resolve(scope["headers"], token)
            except MalgilError as error:
                found = error
            scope[_FOUND] = found
        return found

    return find


def authenticator(find: CallerOf) -> Callable[[HTTPConnection], Awaitable[Caller]]:
    """From a request to its caller; raises what `find` found instead."""

    async def authenticate(request: HTTPConnection) -> Caller:
        found = await find(request.scope)
        if isinstance(found, MalgilError):
            raise found
        return found

    return authenticate
