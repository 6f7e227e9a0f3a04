"""All SQL of the agents room. Leases are read and written on the database's clock alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from malgil.agents.model import Queued, Turn
from malgil.storage.database import Connection, Row

_TURN = """turn_id, session_id, tenant, user_id, agent_id, prompt_id, answer_id, prompt_seq, queued_seq, status,
    attempt, handovers, fence, started_seq, ended_seq, error, queued_at"""

_INSERT = """
INSERT INTO turns (turn_id, session_id, tenant, user_id, agent_id, prompt_id, answer_id, prompt_seq, queued_seq,
    queued_at)
SELECT *, $10
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::bigint[],
    $9::bigint[])
"""

# Claimable: the first queued turn of a session where none runs, a running turn whose lease is over, and a running
# turn that an earlier life of this very node ($3) left behind, while the claimer looks for such ($6). Not those that
# the claimer is still running ($5): a process that was frozen for longer than its leases would take them from itself.
# SKIP LOCKED: another claimer has it.
_CLAIM = f"""
WITH picked AS (
    SELECT turn_id AS id FROM turns t
    WHERE status IN ('queued', 'running') AND turn_id <> ALL($5::text[]) AND (
        (status = 'queued' AND NOT EXISTS (
            SELECT 1 FROM turns o WHERE o.session_id = t.session_id AND o.queued_seq < t.queued_seq
                AND o.status IN ('queued', 'running')))
        OR (status = 'running' AND (lease_until < clock_timestamp() OR ($6 AND node = $3 AND owner <> $2))))
    ORDER BY queued_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE turns SET status = 'running', owner = $2, node = $3, attempt = attempt + 1, fence = nextval('turn_fences'),
    lease_until = clock_timestamp() + make_interval(secs => $4)
FROM picked WHERE turn_id = picked.id
RETURNING {_TURN}
"""

_RENEW = """
UPDATE turns SET lease_until = clock_timestamp() + make_interval(secs => $3)
WHERE turn_id = ANY($1::text[]) AND owner = $2 AND status = 'running' RETURNING turn_id
"""

_RELEASE = """
UPDATE turns SET lease_until = clock_timestamp() - interval '1 second', owner = NULL, node = NULL,
    handovers = handovers + $3
WHERE ($1::text[] IS NULL OR turn_id = ANY($1)) AND owner = $2 AND status = 'running'
"""

_END = """
UPDATE turns SET status = $3, ended_at = $4, error = $5, owner = NULL, lease_until = NULL
WHERE turn_id = $1 AND fence = $2 AND status IN ('queued', 'running') RETURNING turn_id
"""


async def insert(conn: Connection, queued: Sequence[Queued], now: datetime) -> None:
    turns = [one.turn for one in queued]
    await conn.execute(
        _INSERT,
        [t.turn_id for t in turns], [t.session_id for t in turns], [t.tenant for t in turns],
        [t.user_id for t in turns], [t.agent_id for t in turns], [t.prompt_id for t in turns],
        [t.answer_id for t in turns], [one.prompt_seq for one in queued], [one.queued_seq for one in queued], now,
    )


async def claim(
    conn: Connection, most: int, owner: str, node: str, lease: float, held: Sequence[str], *, left_behind: bool
) -> list[Turn]:
    return [_turn(row) for row in await conn.fetch(_CLAIM, most, owner, node, lease, held, left_behind)]


async def mark_started(conn: Connection, started: Sequence[tuple[str, int]]) -> None:
    await conn.execute(
        "UPDATE turns SET started_seq = n.seq FROM unnest($1::text[], $2::bigint[]) AS n(id, seq) WHERE turn_id = n.id",
        [turn_id for turn_id, _ in started], [seq for _, seq in started],
    )


async def renew(conn: Connection, turn_ids: Sequence[str], owner: str, lease: float) -> set[str]:
    return {row["turn_id"] for row in await conn.fetch(_RENEW, turn_ids, owner, lease)}


async def release(conn: Connection, turn_ids: Sequence[str] | None, owner: str, *, handover: bool) -> None:
    """Give back those turns, or with None all that the owner has."""
    await conn.execute(_RELEASE, turn_ids, owner, int(handover))


async def end(
    conn: Connection, turn_id: str, fence: int, status: str, now: datetime, error: dict[str, Any] | None
) -> bool:
    """False when the turn has ended already or another claim has raised its fence."""
    return await conn.fetchval(_END, turn_id, fence, status, now, error) is not None


async def mark_ended(conn: Connection, turn_id: str, seq: int) -> None:
    await conn.execute("UPDATE turns SET ended_seq = $2 WHERE turn_id = $1", turn_id, seq)


async def raise_fence(conn: Connection, turn_id: str) -> int:
    """Take the turn from whoever has it. The row must be locked by the caller."""
    return int(await conn.fetchval(
        "UPDATE turns SET fence = nextval('turn_fences') WHERE turn_id = $1 RETURNING fence", turn_id
    ))


async def lock_open(conn: Connection, session_id: str) -> list[Turn]:
    rows = await conn.fetch(
        f"SELECT {_TURN} FROM turns WHERE session_id = $1 AND status IN ('queued', 'running') "
        "ORDER BY queued_seq FOR UPDATE",
        session_id,
    )
    return [_turn(row) for row in rows]


async def one(conn: Connection, where: str, *args: Any) -> Turn | None:
    """The first turn for a condition written in this room."""
    row = await conn.fetchrow(f"SELECT {_TURN} FROM turns WHERE {where} LIMIT 1", *args)
    return _turn(row) if row else None


async def forget(conn: Connection, session_id: str) -> None:
    await conn.execute("DELETE FROM turns WHERE session_id = $1", session_id)


async def uncompacted(conn: Connection, before: datetime, most: int) -> list[Turn]:
    rows = await conn.fetch(
        f"SELECT {_TURN} FROM turns WHERE NOT compacted AND ended_at < $1 "
        "ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        before, most,
    )
    return [_turn(row) for row in rows]


async def mark_compacted(conn: Connection, turn_ids: Sequence[str]) -> None:
    await conn.execute("UPDATE turns SET compacted = true WHERE turn_id = ANY($1::text[])", turn_ids)


async def agent(conn: Connection, agent_id: int, tenant: str) -> Row | None:
    return await conn.fetchrow(
        "SELECT agent_id, name, avatar_url, instructions, model, tools FROM agents "
        "WHERE agent_id = $1 AND (tenant IS NULL OR tenant = $2)",
        agent_id, tenant,
    )


async def put_agent(conn: Connection, row: tuple[Any, ...]) -> None:
    await conn.execute(
        "INSERT INTO agents (agent_id, name, avatar_url, instructions, model, tools, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (agent_id) DO NOTHING",
        *row,
    )


def _turn(row: Row) -> Turn:
    return Turn(**dict(row))
