"""All SQL of the access room. Private: other rooms go through idempotency.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from malgil.access.model import Caller
from malgil.storage.database import Connection, Row

# One statement claims a key that is new or whose day is over. While another transaction holds the same key
# uncommitted, the unique index makes this one wait for its end: so two equal requests never both do the work.
_CLAIM: Final = """
INSERT INTO idempotency_keys (tenant, user_id, key, route, body_hash, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, user_id, key) DO UPDATE
   SET route = excluded.route, body_hash = excluded.body_hash, expires_at = excluded.expires_at,
       status = NULL, body = NULL
 WHERE idempotency_keys.expires_at <= $7
RETURNING true
"""

_FIND: Final = """
SELECT route, body_hash, status, body FROM idempotency_keys WHERE tenant = $1 AND user_id = $2 AND key = $3
"""

_REMEMBER: Final = """
UPDATE idempotency_keys SET status = $4, body = $5 WHERE tenant = $1 AND user_id = $2 AND key = $3
"""

# Rows that a running request holds are left for the next sweep, so a sweep waits for nobody.
_SWEEP: Final = """
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency_keys WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))
"""


async def claim(
    conn: Connection, caller: Caller, key: str, route: str, body_hash: str, expires_at: datetime, now: datetime
) -> bool:
    claimed = await conn.fetchval(
        _CLAIM, caller.tenant, caller.user_id, key, route, body_hash, expires_at, now
    )
    return bool(claimed)


async def find(conn: Connection, caller: Caller, key: str) -> Row | None:
    return await conn.fetchrow(_FIND, caller.tenant, caller.user_id, key)


async def remember(conn: Connection, caller: Caller, key: str, status: int, body: Any) -> None:
    await conn.execute(_REMEMBER, caller.tenant, caller.user_id, key, status, body)


async def forget(conn: Connection, tenant: str, user_ids: Sequence[str], session_id: str) -> None:
    await conn.execute(
        "DELETE FROM idempotency_keys WHERE tenant = $1 AND user_id = ANY($2::text[]) "
        "AND (body ->> 'session_id' = $3 OR strpos(route, '/' || $3 || '/') > 0)",
        tenant, user_ids, session_id,
    )


async def sweep(conn: Connection, now: datetime, most: int) -> int:
    done = await conn.execute(_SWEEP, now, most)
    return int(done.rpartition(" ")[2])
