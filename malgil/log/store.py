"""All SQL of the log. Private: other rooms go through actions and queries.

The two append statements are one statement each on purpose: lock the head rows (in id order, so that batches
cannot deadlock), check fence and version on the *locked* rows, move the heads, insert. A process that froze between
any check of its own and this statement is refused here.
"""

from collections.abc import Sequence
from datetime import datetime

from malgil.log.model import DELTA, Append, Entry, Fact, Head, Piece, Position
from malgil.storage.database import Connection, Row

_CREATE = "INSERT INTO log_streams (stream, aggregate, tenant) VALUES ($1, $2, $3)"

_APPEND = """
WITH want AS (
    SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[]) WITH ORDINALITY
        AS w(stream, n, expected, fence, new_fence, actor, ord)
), held AS (
    SELECT stream, head, version, fence FROM log_streams WHERE stream = ANY($1::text[]) ORDER BY stream FOR UPDATE
), ok AS (
    SELECT w.*, h.head, h.version FROM want w JOIN held h USING (stream)
    WHERE (w.expected IS NULL OR w.expected = h.version)
      AND (w.fence IS NULL OR w.fence = h.fence)
      AND (w.new_fence IS NULL OR w.new_fence > h.fence)
), moved AS (
    UPDATE log_streams s SET head = ok.head + ok.n, version = ok.version + ok.n,
        fence = coalesce(ok.new_fence, s.fence)
    FROM ok WHERE s.stream = ok.stream
), put AS (
    INSERT INTO log_events (stream, seq, version, kind, v, data, actor, at)
    SELECT ok.stream, ok.head + f.k, ok.version + f.k, f.kind, f.v, f.data::jsonb, ok.actor, $12
    FROM ok JOIN unnest($7::int[], $8::int[], $9::text[], $10::int[], $11::text[]) AS f(ord, k, kind, v, data)
        ON f.ord = ok.ord
)
SELECT w.ord, ok.head, h.version, h.fence, h.stream IS NOT NULL AS found
FROM want w LEFT JOIN held h USING (stream) LEFT JOIN ok USING (ord) ORDER BY w.ord
"""

_APPEND_PIECES = """
WITH want AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::int[], $6::int[], $7::text[])
        WITH ORDINALITY AS w(stream, fence, message_id, attempt, index, "offset", content, ord)
), held AS (
    SELECT stream, head, fence FROM log_streams WHERE stream = ANY($1::text[]) ORDER BY stream FOR UPDATE
), ok AS (
    SELECT w.*, h.head + row_number() OVER (PARTITION BY w.stream ORDER BY w.ord) AS seq
    FROM want w JOIN held h ON h.stream = w.stream AND h.fence = w.fence
), moved AS (
    UPDATE log_streams s SET head = m.top
    FROM (SELECT stream, max(seq) AS top FROM ok GROUP BY stream) m WHERE s.stream = m.stream
), put AS (
    INSERT INTO log_deltas (stream, seq, from_seq, message_id, attempt, index, "offset", content, at)
    SELECT stream, seq, seq, message_id, attempt, index, "offset", content, $8 FROM ok
)
SELECT ord, seq FROM ok
"""

_READ = """
(SELECT seq, coalesce(from_seq, seq) AS from_seq, kind, v, data, actor, at,
        NULL AS message_id, NULL::int AS attempt, NULL::int AS index, NULL::int AS "offset", NULL AS content
 FROM log_events WHERE stream = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4)
UNION ALL
(SELECT seq, from_seq, NULL, 1, NULL, NULL, at, message_id, attempt, index, "offset", content
 FROM log_deltas WHERE stream = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4)
ORDER BY seq LIMIT $4
"""

# The upper end bounds nothing: it lets the planner, on tables it has no statistics of, see a narrow range, which it
# reads from the index up to LIMIT, instead of sorting the whole rest of the stream.
_WEIGHT = """
SELECT count(*) AS entries, coalesce(sum(size), 0)::bigint AS bytes FROM (
    (SELECT seq, octet_length(data::text) AS size FROM log_events
     WHERE stream = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4)
    UNION ALL
    (SELECT seq, octet_length(content) + 200 FROM log_deltas
     WHERE stream = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4)
    ORDER BY seq LIMIT $4) page
"""

# Islands: a run ends where the next piece does not follow at once or belongs to another attempt.
_COMPACT = """
WITH gone AS (
    DELETE FROM log_deltas WHERE stream = $1 AND message_id = $2 AND seq BETWEEN $3 AND $4 RETURNING *
), marked AS (
    SELECT *, (from_seq IS DISTINCT FROM lag(seq) OVER w + 1 OR attempt IS DISTINCT FROM lag(attempt) OVER w)::int
        AS opens FROM gone WINDOW w AS (ORDER BY seq)
), runs AS (
    SELECT *, sum(opens) OVER (ORDER BY seq) AS run FROM marked
), put AS (
    INSERT INTO log_deltas (stream, seq, from_seq, message_id, attempt, index, "offset", content, at)
    SELECT $1, max(seq), min(from_seq), $2, min(attempt), min(index), min("offset"),
           string_agg(content, '' ORDER BY seq), max(at)
    FROM runs GROUP BY run RETURNING 1
)
SELECT (SELECT count(*) FROM gone) - (SELECT count(*) FROM put)
"""

# The entry stands for the whole stream up to itself, and no fence that anybody holds or will be given opens it again.
_SEAL = """
WITH moved AS (
    UPDATE log_streams SET head = head + 1, version = version + 1, fence = $2 WHERE stream = $1 RETURNING head, version
)
INSERT INTO log_events (stream, seq, from_seq, version, kind, v, data, actor, at)
SELECT $1, head, 1, version, $3, $4, $5::text::jsonb, $6, $7 FROM moved RETURNING seq
"""

_COVERED = """
DELETE FROM {table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {table} WHERE stream = $1
        AND seq < (SELECT head FROM log_streams WHERE stream = $1 AND fence = $2) LIMIT $3))
"""

# Below the oldest running transaction nothing can appear any more, so a consumer that stops there never skips.
_AFTER_POSITION = """
SELECT e.*, s.tenant, s.aggregate FROM log_events e JOIN log_streams s USING (stream)
WHERE (e.xid, e.number) > ($1::text::xid8, $2) AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY e.xid, e.number LIMIT $3
"""


async def create(conn: Connection, stream: str, aggregate: str, tenant: str) -> None:
    await conn.execute(_CREATE, stream, aggregate, tenant)


async def append(conn: Connection, appends: Sequence[Append], at: datetime) -> list[Row]:
    """One row an append, in order: ord, head (None when refused), version, fence, found. Streams must differ."""
    facts = [(i, k, f) for i, a in enumerate(appends, 1) for k, f in enumerate(a.facts, 1)]
    return await conn.fetch(
        _APPEND,
        [a.stream for a in appends], [len(a.facts) for a in appends], [a.expected_version for a in appends],
        [a.fence for a in appends], [a.new_fence for a in appends], [a.actor for a in appends],
        [i for i, _, _ in facts], [k for _, k, _ in facts], [f.kind for _, _, f in facts],
        [f.v for _, _, f in facts], [f.model_dump_json() for _, _, f in facts], at,
    )


async def append_pieces(conn: Connection, pieces: Sequence[Piece], at: datetime) -> dict[int, int]:
    """{place in `pieces`: seq} of the pieces that were taken."""
    rows = await conn.fetch(
        _APPEND_PIECES,
        [p.stream for p in pieces], [p.fence for p in pieces], [p.message_id for p in pieces],
        [p.attempt for p in pieces], [p.index for p in pieces], [p.offset for p in pieces],
        [p.content for p in pieces], at,
    )
    return {row["ord"] - 1: row["seq"] for row in rows}


async def lock(conn: Connection, streams: Sequence[str]) -> dict[str, Head]:
    rows = await conn.fetch(
        "SELECT stream, head, version, fence FROM log_streams "
        "WHERE stream = ANY($1::text[]) ORDER BY stream FOR UPDATE",
        streams,
    )
    return {row["stream"]: Head(*row) for row in rows}


async def read(conn: Connection, stream: str, after: int, upto: int, limit: int) -> list[Entry]:
    return [_entry(stream, row) for row in await conn.fetch(_READ, stream, after, upto, limit)]


async def heads(conn: Connection, streams: Sequence[str]) -> list[Row]:
    return await conn.fetch(
        "SELECT s.stream, s.head, e.epoch FROM log_epoch e LEFT JOIN log_streams s ON s.stream = ANY($1::text[])",
        streams,
    )


async def weight(conn: Connection, stream: str, after: int, upto: int, most: int) -> tuple[int, int]:
    row = await conn.fetchrow(_WEIGHT, stream, after, upto, most)
    return (row["entries"], row["bytes"]) if row else (0, 0)


async def compact(conn: Connection, stream: str, message_id: str, first: int, last: int) -> int:
    return int(await conn.fetchval(_COMPACT, stream, message_id, first, last))


async def seal(conn: Connection, stream: str, fence: int, fact: Fact, actor: str | None, at: datetime) -> int | None:
    """The seq of the entry that `fact` became; None when there is no such stream."""
    seq: int | None = await conn.fetchval(
        _SEAL, stream, fence, fact.kind, fact.v, fact.model_dump_json(), actor, at
    )
    return seq


async def remove_covered(conn: Connection, stream: str, fence: int, most: int) -> int:
    """Delete up to `most` entries before the last, and as many deltas, if that is the stream's fence; how many."""
    count = 0
    for table in ("log_deltas", "log_events"):
        done = await conn.execute(_COVERED.format(table=table), stream, fence, most)
        count += int(done.rpartition(" ")[2])
    return count


async def claim_position(conn: Connection, name: str) -> Position:
    """The consumer's position, its row locked until the transaction ends."""
    await conn.execute("INSERT INTO log_consumers (name) VALUES ($1) ON CONFLICT DO NOTHING", name)
    row = await conn.fetchrow("SELECT xid::text, number FROM log_consumers WHERE name = $1 FOR UPDATE", name)
    assert row is not None
    return Position(int(row["xid"]), row["number"])


async def save_position(conn: Connection, name: str, position: Position) -> None:
    await conn.execute(
        "UPDATE log_consumers SET xid = $2::text::xid8, number = $3 WHERE name = $1",
        name, str(position.xid), position.number,
    )


async def after_position(conn: Connection, position: Position, limit: int) -> list[Row]:
    return await conn.fetch(_AFTER_POSITION, str(position.xid), position.number, limit)


async def settle_epoch(conn: Connection, fresh: str) -> str:
    """The installation's epoch: `fresh` when there is none yet or when this is not the history it was given to."""
    row = await conn.fetchrow(
        """
        INSERT INTO log_epoch AS e (epoch, system, timeline)
        SELECT $1, s.system_identifier::text, c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c
        ON CONFLICT (singleton) DO UPDATE SET system = EXCLUDED.system, timeline = EXCLUDED.timeline,
            epoch = CASE WHEN (e.system, e.timeline) = (EXCLUDED.system, EXCLUDED.timeline)
                    THEN e.epoch ELSE EXCLUDED.epoch END
        RETURNING epoch
        """,
        fresh,
    )
    assert row is not None
    return str(row["epoch"])


def _entry(stream: str, row: Row) -> Entry:
    if row["kind"] is not None:
        return Entry(stream, row["seq"], row["from_seq"], row["kind"], row["data"], row["at"], row["actor"], row["v"])
    data = {key: row[key] for key in ("message_id", "attempt", "index", "offset", "content")}
    return Entry(stream, row["seq"], row["from_seq"], DELTA, data, row["at"])


def durable_entry(append: Append, place: int, head: int, at: datetime) -> Entry:
    """The entry that `append.facts[place]` became when the stream's head stood at `head` before it."""
    fact = append.facts[place]
    data = fact.model_dump(mode="json")
    seq = head + place + 1
    return Entry(append.stream, seq, seq, fact.kind, data, at, append.actor, fact.v)


def piece_entry(piece: Piece, seq: int, at: datetime) -> Entry:
    """The entry that `piece` became."""
    data = {"message_id": piece.message_id, "attempt": piece.attempt, "index": piece.index,
            "offset": piece.offset, "content": piece.content}
    return Entry(piece.stream, seq, seq, DELTA, data, at)
