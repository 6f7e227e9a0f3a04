"""Idempotency keys: the same POST sent twice within 24 h is done once and answered twice.

`claim` first thing in the unit of work (before any other lock), `remember` last: key, answer and effect commit
together, so after a crash there are all three or none.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from malgil.access import store
from malgil.access.errors import StillUnderWay
from malgil.access.model import Caller
from malgil.kit.errors import Invalid, Mismatch
from malgil.storage.database import UnitOfWork

LIFETIME: Final = timedelta(hours=24)
KEY_LENGTH: Final = 255
SWEEP_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer given the first time: HTTP status and JSON body."""

    status: int
    body: Any


def digest(body: bytes) -> str:
    """What a request body is compared by."""
    return hashlib.sha256(body).hexdigest()


async def claim(
    uow: UnitOfWork, caller: Caller, key: str, route: str, body_hash: str, now: datetime
) -> Stored | None:
    """None: the key is this request's, do the work and `remember` the answer. Otherwise the answer to give again.

    Waits while another request with this key is under way. A key belongs to one user of one tenant. Raises Mismatch
    when it came with another body or on another route, Invalid for a malformed key, StillUnderWay when the first
    request committed without an answer.
    """
    if not 1 <= len(key) <= KEY_LENGTH or not key.isascii() or not key.isprintable():
        detail = f"Idempotency-Key must be 1–{KEY_LENGTH} visible ASCII characters."
        raise Invalid(detail, code="INVALID_IDEMPOTENCY_KEY")
    if await store.claim(uow.conn, caller, key, route, body_hash, now + LIFETIME, now):
        return None
    row = await store.find(uow.conn, caller, key)
    if row is None or row["status"] is None:
        raise StillUnderWay("A request with this Idempotency-Key has not left an answer.")
    if row["route"] != route or row["body_hash"] != body_hash:
        raise Mismatch("This Idempotency-Key was used before for another request.")
    return Stored(row["status"], row["body"])


async def remember(uow: UnitOfWork, caller: Caller, key: str, stored: Stored) -> None:
    """Keep the answer for later requests with the same key; only after `claim` in the same unit of work."""
    await store.remember(uow.conn, caller, key, stored.status, stored.body)


async def forget(uow: UnitOfWork, tenant: str, user_ids: Sequence[str], session_id: str) -> None:
    """Delete what these users' answers told of a session that is erased."""
    await store.forget(uow.conn, tenant, user_ids, session_id)


async def sweep(uow: UnitOfWork, now: datetime) -> int:
    """Delete up to 1,000 keys whose day is over; how many there were."""
    return await store.sweep(uow.conn, now, SWEEP_MOST)
