"""Who is calling: from the headers (and, where a client cannot set any, the query) of a request to a Caller."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from malgil.access.model import Caller, guest, valid_name
from malgil.access.tokens import TokenVerifier
from malgil.kit.errors import Forbidden, Invalid, Unauthenticated
from malgil.kit.ids import UserId

RawHeaders = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Identity:
    """How callers are told apart: by token; in development mode (`dev`) a call without one is `guest`'s."""

    verifier: TokenVerifier
    dev: bool = False

    async def resolve(self, headers: RawHeaders, query_token: str | None = None) -> Caller:
        """The caller behind raw ASGI headers; `query_token` only where a browser cannot set headers (WebSocket, SSE).

        A header goes before the query. Raises Unauthenticated without a token (dev mode: guest) and for a bad one,
        in development mode too: a client that believes it is signed in must hear that it is not.
        """
        token = _header_token(headers) or query_token
        if token:
            return await self.verifier.verify(token)
        if self.dev:
            return guest()
        raise Unauthenticated("Send a token: `Authorization: Bearer <token>`.")


def query_token(query_string: bytes) -> str | None:
    """The `token` of a raw ASGI query string; None when there is none or an empty one."""
    if not query_string:
        return None
    found = parse_qs(query_string.decode("latin-1")).get("token")
    return found[0] if found else None


def acting_as(caller: Caller, user_id: str | int | None) -> Caller:
    """The caller as the user that a body or a frame names: anybody in development mode, otherwise only themselves.

    Raises Invalid for what is not a user id, Forbidden for somebody else's.
    """
    if user_id is None:
        return caller
    name = str(user_id)
    if isinstance(user_id, bool) or not valid_name(name):
        raise Invalid("That is not a user id.", errors=[{"field": "user_id", "message": "not a user id"}])
    if name == caller.user_id:
        return caller
    if caller.dev:
        return replace(caller, user_id=UserId(name))
    raise Forbidden("You may act as yourself only.", code="NOT_YOU")


def _header_token(headers: RawHeaders) -> str | None:
    authorization: list[bytes] = []
    for name, value in headers:
        if name == b"authorization":
            authorization.append(value)
        elif name == b"x-api-key":
            raise Unauthenticated("API keys are not accepted by this server; send a token.", code="API_KEY_INVALID")
    if not authorization:
        return None
    scheme, _, token = authorization[0].decode("latin-1").strip().partition(" ")
    if len(authorization) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The Authorization header must be one `Bearer <token>`.", code="TOKEN_INVALID")
    return token.strip()
