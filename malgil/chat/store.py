"""All SQL of the chat room. Private: other rooms go through actions and queries.

Every read of a session joins its participants, so no statement here can show a session to somebody who is not in it.
Nothing counts or scans history: counters stand on the session's row, pages are cut by `seq`.
"""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime

from malgil.chat.model import UNREAD_MOST, Message, SendKey, Session, preview
from malgil.kit import json
from malgil.storage.database import Connection, Row

_SESSION = """s.session_id, s.tenant, s.owner_id, s.agent_id, s.title, s.metadata, s.status, s.queue_policy,
    s.message_count, s.last_message, s.last_message_at, s.last_activity, s.created_at"""

_INSERT_SESSION = """
INSERT INTO chat_sessions (session_id, tenant, owner_id, agent_id, title, metadata, status, queue_policy,
    message_count, last_message, last_message_at, last_activity, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""

_UPDATE_FACE = """
UPDATE chat_sessions SET title = $2, metadata = $3, status = $4, queue_policy = $5, last_activity = $6
WHERE session_id = $1
"""

# Two rows can match only in development mode, where the connection's user and the one it plays may both take part.
_OPEN = f"""
SELECT {_SESSION}, p.role, p.read_seq
FROM chat_sessions s JOIN chat_participants p ON p.session_id = s.session_id AND p.user_id = ANY($3::text[])
WHERE s.session_id = $1 AND s.tenant = $2 AND s.status <> 'deleted'
ORDER BY p.role = 'owner' DESC, p.role = 'member' DESC LIMIT 1
"""

_POSTABLE = """
SELECT s.session_id, s.tenant, s.agent_id, s.status, s.queue_policy, p.user_id, p.role
FROM chat_sessions s JOIN chat_participants p ON p.session_id = s.session_id AND p.user_id = ANY($2::text[])
WHERE s.session_id = ANY($1::text[]) AND s.status <> 'deleted'
"""

_SENT_BEFORE = """
SELECT m.session_id, m.sender_id, m.client_message_id, m.message_id, m.seq, m.created_at
FROM unnest($1::text[], $2::text[], $3::text[]) AS k(session_id, sender_id, client_message_id)
JOIN chat_messages m USING (session_id, sender_id, client_message_id)
WHERE m.client_message_id IS NOT NULL
"""

# The rows and their sessions' counters, together: one round trip less on the hottest path.
_WRITE_MESSAGES = """
WITH put AS (
    INSERT INTO chat_messages (message_id, session_id, seq, sender_type, sender_id, message_type, content, metadata,
        tokens_used, latency_ms, is_edited, client_message_id, created_at)
    SELECT m.message_id, m.session_id, m.seq, m.sender_type, m.sender_id, m.message_type, m.content,
        m.metadata::jsonb, m.tokens_used, m.latency_ms, m.is_edited, m.client_message_id, m.created_at
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::int[], $10::int[], $11::bool[], $12::text[], $13::timestamptz[])
        AS m(message_id, session_id, seq, sender_type, sender_id, message_type, content, metadata,
             tokens_used, latency_ms, is_edited, client_message_id, created_at)
)
UPDATE chat_sessions s SET message_count = s.message_count + n.added, last_message = n.last_message,
    last_message_at = n.at, last_activity = n.at
FROM unnest($14::text[], $15::int[], $16::text[], $17::timestamptz[]) AS n(session_id, added, last_message, at)
WHERE s.session_id = n.session_id
"""

_SESSIONS = f"""
WITH mine AS (
    SELECT {_SESSION}, p.read_seq FROM chat_participants p JOIN chat_sessions s USING (session_id)
    WHERE p.user_id = $1 AND s.tenant = $2 AND s.status <> 'deleted'
      AND ($3::text IS NULL OR s.status = $3) AND ($4::int IS NULL OR s.agent_id = $4)
      AND ($5::text IS NULL OR strpos(lower(coalesce(s.title, '')), lower($5)) > 0
           OR strpos(lower(coalesce(s.last_message, '')), lower($5)) > 0)
), page AS (
    SELECT * FROM mine ORDER BY last_activity DESC, session_id DESC LIMIT $6 OFFSET $7
)
SELECT t.total, page.*, u.unread FROM (SELECT count(*) AS total FROM mine) t LEFT JOIN page ON true
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE m.sender_id <> $1 OR m.sender_type <> 'user') AS unread FROM (
        SELECT sender_id, sender_type FROM chat_messages
        WHERE session_id = page.session_id AND seq > page.read_seq ORDER BY seq DESC LIMIT {UNREAD_MOST}) m
) u ON true
ORDER BY page.last_activity DESC, page.session_id DESC
"""

_SHOWN = """m.message_id, m.seq, m.sender_type, m.sender_id, m.message_type, m.content, m.metadata, m.tokens_used,
    m.latency_ms, m.is_edited, m.created_at"""

# Access and page in one statement: no row at all means no such session for this caller; a session without a
# message on the page is one row whose message_id is NULL.
_PAGE = """
SELECT s.message_count, {shown}
FROM chat_sessions s JOIN chat_participants p ON p.session_id = s.session_id AND p.user_id = $3
LEFT JOIN LATERAL (
    SELECT * FROM chat_messages m WHERE m.session_id = $1 AND m.seq > $4 AND m.seq < $5
    ORDER BY m.seq {way} LIMIT $6
) m ON true
WHERE s.session_id = $1 AND s.tenant = $2 AND s.status <> 'deleted'
ORDER BY m.seq {way}
"""
_PAGE_UP = _PAGE.format(shown=_SHOWN, way="ASC")
_PAGE_DOWN = _PAGE.format(shown=_SHOWN, way="DESC")


async def lock_session(conn: Connection, session_id: str) -> None:
    """Hold this session's name until the transaction ends, whether the session exists or not."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('chat:' || $1, 0))", session_id)


async def insert_session(conn: Connection, session: Session) -> None:
    await conn.execute(_INSERT_SESSION, *astuple(session))


async def insert_participant(conn: Connection, session_id: str, user_id: str, role: str, at: datetime) -> None:
    await conn.execute(
        "INSERT INTO chat_participants (session_id, user_id, role, joined_at) VALUES ($1, $2, $3, $4)",
        session_id, user_id, role, at,
    )


async def participants(conn: Connection, session_id: str) -> list[Row]:
    return await conn.fetch(
        "SELECT user_id, role, read_seq, joined_at FROM chat_participants WHERE session_id = $1 "
        "ORDER BY joined_at, user_id",
        session_id,
    )


async def update_face(conn: Connection, session: Session) -> None:
    await conn.execute(
        _UPDATE_FACE, session.session_id, session.title, session.metadata, session.status, session.queue_policy,
        session.last_activity,
    )


async def open_session(conn: Connection, session_id: str, tenant: str, user_ids: Sequence[str]) -> Row | None:
    return await conn.fetchrow(_OPEN, session_id, tenant, user_ids)


async def postable(conn: Connection, session_ids: Sequence[str], user_ids: Sequence[str]) -> list[Row]:
    """A row for each of the sessions and each of the users who takes part in it."""
    return await conn.fetch(_POSTABLE, session_ids, user_ids)


async def sent_before(conn: Connection, keys: Sequence[SendKey]) -> dict[SendKey, Row]:
    """The messages that exist for (session, sender, client_message_id)."""
    rows = await conn.fetch(_SENT_BEFORE, [k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys])
    return {(row["session_id"], row["sender_id"], row["client_message_id"]): row for row in rows}


async def write_messages(conn: Connection, messages: Sequence[Message]) -> None:
    """Insert the messages, at least one, and move the counters of their sessions."""
    rows = [
        (m.message_id, m.session_id, m.seq, m.sender_type, m.sender_id, m.message_type, m.content,
         json.dumps(m.metadata), m.tokens_used, m.latency_ms, m.is_edited, m.client_message_id, m.created_at)
        for m in messages
    ]
    by_session: dict[str, list[Message]] = {}
    for message in messages:
        by_session.setdefault(message.session_id, []).append(message)
    lasts = [max(group, key=lambda m: m.seq) for group in by_session.values()]
    await conn.execute(
        _WRITE_MESSAGES, *map(list, zip(*rows, strict=True)),
        [last.session_id for last in lasts], [len(group) for group in by_session.values()],
        [preview(last.content) for last in lasts], [last.created_at for last in lasts],
    )


async def advance_read_mark(conn: Connection, session_id: str, user_id: str, seq: int) -> None:
    await conn.execute(
        "UPDATE chat_participants SET read_seq = $3 WHERE session_id = $1 AND user_id = $2 AND read_seq < $3",
        session_id, user_id, seq,
    )


async def sessions(
    conn: Connection, user_id: str, tenant: str, status: str | None, agent_id: int | None, q: str | None,
    limit: int, offset: int,
) -> list[Row]:
    """Rows of the page, each with `total` and `unread`; an empty page is one row whose session_id is NULL."""
    return await conn.fetch(_SESSIONS, user_id, tenant, status, agent_id, q, limit, offset)


async def page(
    conn: Connection, session_id: str, tenant: str, user_id: str, *, after: int, before: int, limit: int, newest: bool
) -> list[Row]:
    """The messages between two seqs (both exclusive): the first `limit`, oldest first, or the last, newest first."""
    return await conn.fetch(_PAGE_DOWN if newest else _PAGE_UP, session_id, tenant, user_id, after, before, limit)


async def seq_of_message(conn: Connection, session_id: str, message_id: str) -> int | None:
    seq: int | None = await conn.fetchval(
        "SELECT seq FROM chat_messages WHERE message_id = $2 AND session_id = $1", session_id, message_id
    )
    return seq


async def first_seq_since(conn: Connection, session_id: str, moment: datetime, *, inclusive: bool) -> int | None:
    """The seq of the first message at or (not inclusive) strictly after the moment."""
    sign = ">=" if inclusive else ">"
    seq: int | None = await conn.fetchval(
        f"SELECT seq FROM chat_messages WHERE session_id = $1 AND created_at {sign} $2 "
        "ORDER BY created_at, seq LIMIT 1",
        session_id, moment,
    )
    return seq


async def said(conn: Connection, session_id: str, before_seq: int, most: int) -> list[Row]:
    """(message_id, seq, sender_type, content), newest first."""
    return await conn.fetch(
        "SELECT message_id, seq, sender_type, content FROM chat_messages "
        "WHERE session_id = $1 AND seq < $2 AND content <> '' "
        "ORDER BY seq DESC LIMIT $3",
        session_id, before_seq, most,
    )
