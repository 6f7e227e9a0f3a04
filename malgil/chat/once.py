"""`Idempotency-Key` at this room's doors: what was made the first time is told again, and made once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request

from malgil.access import idempotency
from malgil.access.idempotency import Stored
from malgil.access.model import Caller
from malgil.chat.model import Posted
from malgil.kit.ids import MessageId, SessionId
from malgil.storage.database import UnitOfWork

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Once:
    """A key with what it is bound to: user, route and body."""

    caller: Caller
    key: str
    route: str
    body_hash: str

    async def claim(self, uow: UnitOfWork, now: datetime) -> Json | None:
        """What the first request with this key left; None: this is the first. First thing in the unit of work."""
        stored = await self.answered(uow, now)
        return None if stored is None else stored.body

    async def answered(self, uow: UnitOfWork, now: datetime) -> Stored | None:
        """As `claim`, with the status."""
        return await idempotency.claim(uow, self.caller, self.key, self.route, self.body_hash, now)

    async def remember(self, uow: UnitOfWork, body: Json, status: int = 201) -> None:
        """Leave it for the next. Last thing in the unit of work."""
        await idempotency.remember(uow, self.caller, self.key, Stored(status, body))


async def once_of(request: Request, caller: Caller) -> Once | None:
    """The request's key; None when it came without one."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    route = f"{request.method} {request.url.path}"
    return Once(caller, key, route, idempotency.digest(await request.body()))


def stored_post(posted: Posted) -> Json:
    """A posted message as it is remembered."""
    return {"session_id": posted.session_id, "message_id": posted.message_id, "seq": posted.seq,
            "created_at": posted.created_at}


def posted_of(body: Json) -> Posted:
    """The message that was remembered: this send of it is a duplicate."""
    at = datetime.fromisoformat(body["created_at"])
    return Posted(SessionId(body["session_id"]), MessageId(body["message_id"]), body["seq"], at, duplicate=True)
