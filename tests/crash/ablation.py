"""Taking a safety out of the server, inside a test's own process, by replacing what does it.

There is no such switch in the product. Each replacement asserts that there was something to replace, so that an
ablation cannot quietly turn into none.
"""

import asyncio
import functools
import random
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from malgil.app import serve, wiring
from malgil.log import store
from malgil.log.model import Append
from malgil.realtime.bus import MemoryBus, Message
from malgil.realtime.hub import Hub
from malgil.storage.database import Connection, Row

_SESSIONS = "chat:session:"

# As many consecutive values as asked for, unless two ask within the same microseconds.
_BLOCK = """
CREATE OR REPLACE FUNCTION crash_block(stream text, n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE last bigint := 0;
BEGIN
    FOR i IN 1..n LOOP last := nextval(quote_ident('seq of ' || stream)::regclass); END LOOP;
    RETURN last - n;
END $$
"""
_VISIBLE_HEADS = """
SELECT s.stream, e.epoch, greatest(0, (SELECT max(seq) FROM log_events WHERE stream = s.stream),
                                      (SELECT max(seq) FROM log_deltas WHERE stream = s.stream)) AS head
FROM log_epoch e LEFT JOIN log_streams s ON s.stream = ANY($1::text[])
"""


def without_fence() -> None:
    """Appends are taken from whoever makes them: an old owner too."""
    store._APPEND = _replaced(store._APPEND, "(w.fence IS NULL OR w.fence = h.fence)", "true")
    store._APPEND_PIECES = _replaced(store._APPEND_PIECES, " AND h.fence = w.fence", "")


def without_head() -> None:
    """`seq` comes from a SEQUENCE of the stream, its head is what can be seen. Commit order is not id order."""
    store._APPEND = _replaced(store._APPEND, "SELECT w.*, h.head,", "SELECT w.*, crash_block(w.stream, w.n) AS head,")
    pieces = _replaced(store._APPEND_PIECES, " FOR UPDATE", "")
    pieces = _replaced(pieces, "h.head + row_number() OVER (PARTITION BY w.stream ORDER BY w.ord)",
                       "crash_block(w.stream, 1) + 1")
    store._APPEND_PIECES = _replaced(pieces, "WHERE s.stream = m.stream", "WHERE s.stream = m.stream AND false")
    make_tables, make_stream = serve.migrate, store.create

    async def migrate(url: str, *, patience: float) -> bool:
        changed = await make_tables(url, patience=patience)
        conn = await asyncpg.connect(url)
        await conn.execute(_BLOCK)
        await conn.close()
        return changed

    async def create(conn: Connection, stream: str, aggregate: str, tenant: str) -> None:
        await make_stream(conn, stream, aggregate, tenant)
        await conn.execute(f'CREATE SEQUENCE "seq of {stream}"')

    async def heads(conn: Connection, streams: Sequence[str]) -> list[Row]:
        return await conn.fetch(_VISIBLE_HEADS, streams)

    serve.migrate, store.create, store.heads = migrate, create, heads


def without_reconciliation() -> None:
    """What the bus does not bring is not looked for."""
    wiring.Hub = functools.partial(Hub, interval=None)


def faulty_bus(kind: type[MemoryBus], seed: int, lost: float, doubled: float, delayed: float) -> None:
    """Of what watchers are told, here and elsewhere, these shares are lost, told twice, and told after the next one."""
    chance = random.Random(seed)
    held: list[tuple[str, Message]] = []
    healthy = kind.publish

    async def publish(self: MemoryBus, channel: str, message: Message) -> None:
        draw = chance.random() if channel.startswith(_SESSIONS) else 1.0
        if draw < lost:
            return
        if draw < lost + delayed:
            held.append((channel, message))
            return
        for _ in range(2 if draw < lost + delayed + doubled else 1):
            await healthy(self, channel, message)
        while held:
            await healthy(self, *held.pop())

    kind.publish = publish


def slow_commits(seed: int, most: float) -> None:
    """Transactions with durable entries take up to `most` seconds longer to commit, as on a busy disk."""
    chance = random.Random(seed)
    quick = store.append

    async def append(conn: Connection, appends: Sequence[Append], at: datetime) -> list[Row]:
        rows = await quick(conn, appends, at)
        await asyncio.sleep(chance.random() * most)
        return rows

    store.append = append


ABLATIONS = {"fence": without_fence, "head": without_head, "reconciliation": without_reconciliation}


def _replaced(statement: str, old: str, new: str) -> str:
    assert old in statement, f"there is no {old!r} to take out"
    return statement.replace(old, new)
