"""All SQL of search. Private to this slice.

Both ways of asking end the same: hits are held against participants, sessions and messages as they are now, the
newest CANDIDATES of them are scored, and the best are given out. Nothing is matched by pattern: terms are numbers.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from malgil.storage.database import Connection, Row

MESSAGES, LENGTH = 0, 1
"""Rows of chat_search_terms that are no term's: how many messages are indexed, and how many terms they have in all."""

SESSIONS = 500
"""Sessions of a caller that are looked through one by one: those in which something happened last."""
NEWEST = 1_000
"""Sessions of a caller among which those are looked for, the last that were made."""
SCAN = 2_000
"""Messages that are looked through one by one."""
CANDIDATES = 500
"""Hits that are scored, the newest; `total` says no more than this."""
PARTIAL = 1_000
"""The same of hits that hold some of the words only: there the score has to tell much from little."""
TERMS = 250_000
"""The same in terms of all hits together: where messages are long, fewer of them are scored."""
LITERAL = 1_000
"""Messages whose text is read for a question that has no terms."""

_SATURATION, _BY_LENGTH = 0.6, 0.75  # k1 and b of BM25, as decision 16 measured them

_HITS = "c.session_id, c.seq, c.created_at, c.digest, c.length, c.terms, c.counts"
_WANTED = """($4::text IS NULL OR c.sender_type = $4) AND ($5::text IS NULL OR c.sender_id = $5)
    AND ($6::timestamptz IS NULL OR c.created_at >= $6) AND ($7::timestamptz IS NULL OR c.created_at < $7)"""

# Where in a session the wanted time begins and ends; both NULL when nothing was said in it.
_SPAN = """
(SELECT CASE WHEN $6::timestamptz IS NULL THEN 0 ELSE (
     SELECT m.seq FROM chat_messages m WHERE m.session_id = own.session_id AND m.created_at >= $6
     ORDER BY m.created_at, m.seq LIMIT 1) END AS low,
 CASE WHEN $7::timestamptz IS NULL THEN 9223372036854775807 ELSE (
     SELECT m.seq FROM chat_messages m WHERE m.session_id = own.session_id AND m.created_at < $7
     ORDER BY m.created_at DESC, m.seq DESC LIMIT 1) END AS high)
"""

# Whether the caller may read a session. Rows of other tables are fetched one by one, each by its key: scalar
# subqueries keep the planner, which cannot know how many hits there are, from reading a whole table to join it.
_MAY = """
    (SELECT true FROM chat_participants p WHERE p.session_id = {it}.session_id AND p.user_id = $2)
    AND (SELECT s.tenant = $3 AND s.status <> 'deleted' FROM chat_sessions s WHERE s.session_id = {it}.session_id)"""

# The sessions come newest first, and of each its newest messages, so the limit cuts off what is oldest.
_BY_SESSION = f"""
SELECT {_HITS} FROM (
    SELECT c.* FROM unnest($1::text[]) AS own(session_id) CROSS JOIN LATERAL {_SPAN} span CROSS JOIN LATERAL (
        SELECT * FROM chat_search c WHERE c.session_id = own.session_id AND c.seq BETWEEN span.low AND span.high
        ORDER BY c.seq DESC LIMIT {SCAN}) c
    WHERE {_MAY.format(it="own")} LIMIT {SCAN}
) c WHERE c.terms {{holds}} $8::bigint[] AND {_WANTED}
"""
_BY_TERM = f"""
SELECT {_HITS} FROM chat_search c
WHERE c.terms {{holds}} $8::bigint[] AND ($1::text[] IS NULL OR c.session_id = ANY($1)) AND {_WANTED}
    AND {_MAY.format(it="c")}
"""

_ASK = f"""
WITH hits AS MATERIALIZED ({{hits}}), seen AS MATERIALIZED (
    SELECT * FROM (
        SELECT h.*, sum(length) OVER (ORDER BY created_at DESC, session_id DESC, seq DESC) - length AS before
        FROM hits h
    ) h WHERE before < {TERMS} ORDER BY h.created_at DESC, h.session_id DESC, h.seq DESC LIMIT $13
), counted AS (
    SELECT session_id, seq, created_at, length, unnest(terms) AS term, unnest(counts) AS count FROM seen h
    WHERE (SELECT hashtextextended(m.content, 0) = h.digest FROM chat_messages m
           WHERE m.session_id = h.session_id AND m.seq = h.seq AND m.deleted_at IS NULL)
), best AS MATERIALIZED (
    SELECT session_id, seq, created_at, count(*) OVER () AS total,
        sum(w.weight * t.count * {1 + _SATURATION} / (t.count + {_SATURATION} *
            ({1 - _BY_LENGTH} + {_BY_LENGTH} * t.length / $11::float))) AS score
    FROM counted t JOIN unnest($9::bigint[], $10::float[]) AS w(term, weight) USING (term)
    WHERE t.term = ANY($9::bigint[])
    GROUP BY session_id, seq, created_at, length
    ORDER BY score DESC, created_at DESC, session_id DESC, seq DESC LIMIT $12
)
SELECT m.message_id, b.session_id, b.created_at, m.content, b.total, b.score FROM best b CROSS JOIN LATERAL (
    SELECT message_id, content FROM chat_messages m WHERE m.session_id = b.session_id AND m.seq = b.seq LIMIT 1) m
ORDER BY b.score DESC, b.created_at DESC, b.session_id DESC, b.seq DESC
"""

_LITERAL = f"""
SELECT c.message_id, c.session_id, c.created_at, c.content, count(*) OVER () AS total, 0::float AS score FROM (
    SELECT c.* FROM unnest($1::text[]) AS own(session_id) CROSS JOIN LATERAL {_SPAN} span CROSS JOIN LATERAL (
        SELECT * FROM chat_messages m WHERE m.session_id = own.session_id AND m.seq BETWEEN span.low AND span.high
            AND m.deleted_at IS NULL AND m.sender_type <> 'system' ORDER BY m.seq DESC LIMIT {LITERAL}) c
    LIMIT {LITERAL}
) c
WHERE strpos(lower(c.content), lower($8)) > 0 AND {_WANTED}
  AND {_MAY.format(it="c")}
ORDER BY c.created_at DESC, c.session_id DESC, c.seq DESC LIMIT $9
"""

_SCOPE = f"""
WITH newest AS MATERIALIZED (
    SELECT session_id FROM chat_participants WHERE user_id = $1 ORDER BY session_id DESC LIMIT {NEWEST + 1}
), alive AS (
    SELECT s.* FROM newest n CROSS JOIN LATERAL (
        SELECT session_id, message_count, last_activity FROM chat_sessions s
        WHERE s.session_id = n.session_id AND s.tenant = $2 AND s.status <> 'deleted' LIMIT 1) s
    ORDER BY s.last_activity DESC, s.session_id DESC LIMIT {SESSIONS + 1}
)
SELECT coalesce(array_agg(session_id ORDER BY last_activity DESC, session_id DESC), '{{}}') AS sessions,
    coalesce(sum(message_count), 0)::bigint AS messages,
    count(*) <= {SESSIONS} AND (SELECT count(*) FROM newest) <= {NEWEST} AS all
FROM alive
"""

_SAYING = """
SELECT m.session_id, m.seq, m.content FROM chat_messages m JOIN chat_sessions s USING (session_id)
WHERE m.message_id = ANY($1::text[]) AND m.deleted_at IS NULL AND m.content <> '' AND m.sender_type <> 'system'
  AND s.status <> 'deleted'
"""

# What the rows said before is taken back from the counts, and what they say now is added, in one statement.
_TAKE_OUT = """
WITH gone AS (
    DELETE FROM chat_search c USING unnest($1::text[], $2::bigint[]) AS k(session_id, seq)
    WHERE c.session_id = k.session_id AND c.seq = k.seq RETURNING c.terms, c.length
), counted AS (
    SELECT term, count(*) AS messages FROM gone, unnest(terms) AS term GROUP BY term
    UNION ALL SELECT 0, count(*) FROM gone UNION ALL SELECT 1, sum(length) FROM gone
)
UPDATE chat_search_terms t SET messages = t.messages - c.messages FROM counted c
WHERE t.term = c.term AND c.messages > 0
"""

_TAKE_OUT_SESSIONS = _TAKE_OUT.replace(
    "USING unnest($1::text[], $2::bigint[]) AS k(session_id, seq)\n"
    "    WHERE c.session_id = k.session_id AND c.seq = k.seq", "WHERE c.session_id = ANY($1::text[])"
)

# The content is read again under the digest: what changed since its terms were read is left to its own entry.
_PUT_IN = """
WITH fresh AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::text[])
        AS f(session_id, seq, content, length, terms, counts)
), put AS (
    INSERT INTO chat_search (session_id, seq, sender_type, sender_id, created_at, digest, length, terms, counts)
    SELECT f.session_id, f.seq, m.sender_type, m.sender_id, m.created_at, hashtextextended(f.content, 0), f.length,
        f.terms::bigint[], f.counts::smallint[]
    FROM fresh f JOIN chat_messages m USING (session_id, seq) RETURNING terms, length
), counted AS (
    SELECT term, count(*) AS messages FROM put, unnest(terms) AS term GROUP BY term
    UNION ALL SELECT 0, count(*) FROM put UNION ALL SELECT 1, coalesce(sum(length), 0) FROM put
)
INSERT INTO chat_search_terms AS t (term, messages) SELECT term, messages FROM counted WHERE messages > 0
ON CONFLICT (term) DO UPDATE SET messages = t.messages + EXCLUDED.messages
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose question, and of which messages: `since` inclusive, `until` exclusive."""

    user_id: str
    tenant: str
    sender_type: str | None = None
    sender_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def arguments(self) -> tuple[str | datetime | None, ...]:
        return self.user_id, self.tenant, self.sender_type, self.sender_id, self.since, self.until


@dataclass(frozen=True, slots=True)
class Weighed:
    """The terms that count, each with its weight, and the length of a usual message."""

    terms: Sequence[int]
    weights: Sequence[float]
    usual: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a message: its terms, how often each occurs in it, and how many there are in all."""

    session_id: str
    seq: int
    content: str
    terms: Sequence[int]
    counts: Sequence[int]


async def scope(conn: Connection, user_id: str, tenant: str) -> Row:
    """`sessions` of the user, at most SESSIONS + 1, how many `messages` they have, and whether those are `all`."""
    (row,) = await conn.fetch(_SCOPE, user_id, tenant)
    return row


async def frequencies(conn: Connection, terms: Sequence[int]) -> dict[int, int]:
    """In how many messages each of the terms occurs; MESSAGES and LENGTH of all."""
    rows = await conn.fetch(
        "SELECT term, messages FROM chat_search_terms WHERE term = ANY($1::bigint[])", [MESSAGES, LENGTH, *terms]
    )
    return {row["term"]: row["messages"] for row in rows}


async def look_through(
    conn: Connection, sessions: Sequence[str] | None, wanted: Wanted, weighed: Weighed, terms: Sequence[int], *,
    every: bool, limit: int
) -> list[Row]:
    """The best of the newest SCAN messages of the sessions that hold every one (or any) of the terms."""
    async with _in_order(conn):
        return await _ask(conn, _BY_SESSION, sessions, wanted, weighed, terms, every, limit)


async def look_up(
    conn: Connection, sessions: Sequence[str] | None, wanted: Wanted, weighed: Weighed, terms: Sequence[int], *,
    every: bool, limit: int
) -> list[Row]:
    """The best of all messages (of the sessions, or of all the caller's) that hold every one (or any) of the terms."""
    return await _ask(conn, _BY_TERM, sessions, wanted, weighed, terms, every, limit)


async def _ask(
    conn: Connection, hits: str, sessions: Sequence[str] | None, wanted: Wanted, weighed: Weighed,
    terms: Sequence[int], every: bool, limit: int
) -> list[Row]:
    sql = _ASK.format(hits=hits.format(holds="@>" if every else "&&"))
    return await conn.fetch(
        sql, sessions, *wanted.arguments, terms, weighed.terms, weighed.weights, weighed.usual, limit,
        CANDIDATES if every else PARTIAL,
    )


async def read_through(conn: Connection, sessions: Sequence[str], wanted: Wanted, text: str, limit: int) -> list[Row]:
    """Those of the newest LITERAL messages of the sessions in which the text occurs as it is, newest first."""
    async with _in_order(conn):
        return await conn.fetch(_LITERAL, sessions, *wanted.arguments, text, limit)


@asynccontextmanager
async def _in_order(conn: Connection) -> AsyncIterator[None]:
    """Inside the block the newest are read by an index that has them in order. The planner, who knows usual sessions
    only, would rather read a session whole and sort it: 400 ms for one of 50,000 messages instead of 3."""
    async with conn.transaction(readonly=True):
        await conn.execute("SET LOCAL enable_bitmapscan = off")
        yield


async def saying(conn: Connection, message_ids: Sequence[str]) -> list[Row]:
    """(session_id, seq, content) of those of the messages that say something."""
    return await conn.fetch(_SAYING, message_ids)


async def places(conn: Connection, message_ids: Sequence[str]) -> list[Row]:
    """(session_id, seq) of the messages, deleted ones too."""
    return await conn.fetch("SELECT session_id, seq FROM chat_messages WHERE message_id = ANY($1::text[])", message_ids)


async def take_out(conn: Connection, rows: Sequence[Row]) -> None:
    """Forget what the index knows of the messages at these places."""
    await conn.execute(_TAKE_OUT, [row["session_id"] for row in rows], [row["seq"] for row in rows])


async def take_out_sessions(conn: Connection, sessions: Sequence[str]) -> None:
    """Forget what the index knows of the sessions."""
    await conn.execute(_TAKE_OUT_SESSIONS, sessions)


async def put_in(conn: Connection, readings: Sequence[Reading]) -> None:
    """Know the messages by their terms."""
    await conn.execute(
        _PUT_IN, [one.session_id for one in readings], [one.seq for one in readings],
        [one.content for one in readings], [sum(one.counts) for one in readings],
        [_array(one.terms) for one in readings], [_array(one.counts) for one in readings],
    )


def _array(numbers: Sequence[int]) -> str:
    """An array of arrays must be a rectangle in PostgreSQL, so each goes as text."""
    return "{" + ",".join(map(str, numbers)) + "}"
