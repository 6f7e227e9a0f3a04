"""All SQL of the chat room. Private: other rooms go through actions and queries.

Every read of a session joins its participants, so no statement here can show a session to somebody who is not in it.
Nothing counts or scans history: counters stand on the session's row, pages are cut by `seq`.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import astuple
from datetime import datetime

from malgil.chat.members.store import UNREAD
from malgil.chat.model import Message, SendKey, Session, preview
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
SELECT {_SESSION}, p.user_id, p.role, p.read_seq, p.joined_seq
FROM chat_sessions s JOIN chat_participants p ON p.session_id = s.session_id AND p.user_id = ANY($3::text[])
WHERE s.session_id = $1 AND s.tenant = $2 AND s.status <> 'deleted'
ORDER BY p.role = 'owner' DESC, p.role = 'member' DESC LIMIT 1
"""

_POSTABLE = """
SELECT s.session_id, s.tenant, s.agent_id, s.status, s.queue_policy, p.user_id, p.role
FROM chat_sessions s JOIN chat_participants p ON p.session_id = s.session_id AND p.user_id = ANY($2::text[])
WHERE s.session_id = ANY($1::text[])
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
        tokens_used, latency_ms, is_edited, client_message_id, created_at, reply_to)
    SELECT m.message_id, m.session_id, m.seq, m.sender_type, m.sender_id, m.message_type, m.content,
        m.metadata::jsonb, m.tokens_used, m.latency_ms, m.is_edited, m.client_message_id, m.created_at, m.reply_to
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::int[], $10::int[], $11::bool[], $12::text[], $13::timestamptz[], $14::text[])
        AS m(message_id, session_id, seq, sender_type, sender_id, message_type, content, metadata,
             tokens_used, latency_ms, is_edited, client_message_id, created_at, reply_to)
)
UPDATE chat_sessions s SET message_count = s.message_count + n.added, last_message = n.last_message,
    last_message_at = n.at, last_activity = n.at
FROM unnest($15::text[], $16::int[], $17::text[], $18::timestamptz[]) AS n(session_id, added, last_message, at)
WHERE s.session_id = n.session_id
"""

# What is counted and sorted is narrow; only the rows of the page are looked at whole.
_SESSIONS = f"""
WITH mine AS MATERIALIZED (
    SELECT s.session_id, s.last_activity, p.user_id, p.read_seq
    FROM chat_participants p JOIN chat_sessions s USING (session_id)
    WHERE p.user_id = $1 AND s.tenant = $2 AND s.status <> 'deleted'
      AND ($3::text IS NULL OR s.status = $3) AND ($4::int IS NULL OR s.agent_id = $4)
      AND ($5::text IS NULL OR strpos(lower(coalesce(s.title, '')), lower($5)) > 0
           OR strpos(lower(coalesce(s.last_message, '')), lower($5)) > 0)
), p AS (
    SELECT * FROM mine WHERE $8::timestamptz IS NULL OR (last_activity, session_id) < ($8, $9)
    ORDER BY last_activity DESC, session_id DESC LIMIT $6 OFFSET $7
)
SELECT t.total, {_SESSION}, u.unread FROM (SELECT count(*) AS total FROM mine) t
LEFT JOIN (p JOIN chat_sessions s USING (session_id)) ON true
LEFT JOIN LATERAL ({UNREAD}) u ON true
ORDER BY p.last_activity DESC, p.session_id DESC
"""

_SHOWN = """m.message_id, m.seq, m.sender_type, m.sender_id, m.message_type, m.content, m.metadata, m.tokens_used,
    m.latency_ms, m.is_edited, m.created_at, m.reply_to, m.superseded_by, m.edited_at"""

# Access and page in one statement: no row at all means no such session for this caller; a session without a
# message on the page is one row whose message_id is NULL.
_PAGE = """
SELECT s.message_count, {shown}
FROM chat_sessions s JOIN chat_participants p ON p.session_id = s.session_id AND p.user_id = $3
LEFT JOIN LATERAL (
    SELECT * FROM chat_messages m WHERE m.session_id = $1 AND m.seq > $4 AND m.seq < $5 AND m.deleted_at IS NULL
    ORDER BY m.seq {way} LIMIT $6
) m ON true
WHERE s.session_id = $1 AND s.tenant = $2 AND s.status <> 'deleted'
ORDER BY m.seq {way}
"""
# A conversation has its answers right behind what they answer, wherever in the log they ended: read along the index
# on seq, with the answers of each message picked by it.
_TALK = """
SELECT m.* FROM (
    SELECT * FROM chat_messages
    WHERE session_id = $1 AND seq > 0 AND seq <= $2 AND reply_to IS NULL AND message_type <> 'system' {window}
) b JOIN LATERAL (SELECT b.* UNION ALL SELECT a.* FROM chat_messages a WHERE a.reply_to = b.message_id) m ON true
WHERE m.deleted_at IS NULL
"""
_SAID = f"""{_TALK.format(window="ORDER BY seq DESC LIMIT $4")}
    AND (m.seq = $2 OR b.seq < $2 AND m.seq < $3 AND m.superseded_by IS NULL AND m.content <> '')
ORDER BY b.seq DESC, m.seq DESC LIMIT $4
"""
_CONVERSATION = f"""{_TALK.format(window="")}
    AND (b.seq < $2 AND m.superseded_by IS NULL OR m.message_id = ANY($3::text[]))
ORDER BY b.seq, m.seq LIMIT $4
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


async def first_questions(conn: Connection, session_ids: Sequence[str]) -> list[Row]:
    """(session_id, content): what a user first said in each of those sessions that have no title."""
    return await conn.fetch(
        "SELECT s.session_id, m.content FROM chat_sessions s JOIN LATERAL ("
        "    SELECT content FROM chat_messages WHERE session_id = s.session_id AND sender_type = 'user' "
        "    AND deleted_at IS NULL ORDER BY seq LIMIT 1) m ON true "
        "WHERE s.session_id = ANY($1::text[]) AND s.title IS NULL AND s.status <> 'deleted'",
        session_ids,
    )


async def untitled(conn: Connection, session_ids: Sequence[str]) -> list[Row]:
    """Those of the sessions that have no title."""
    return await conn.fetch(
        f"SELECT {_SESSION} FROM chat_sessions s "
        "WHERE s.session_id = ANY($1::text[]) AND s.title IS NULL AND s.status <> 'deleted'",
        session_ids,
    )


async def was_erased(conn: Connection, session_id: str, tenant: str, user_ids: Sequence[str]) -> bool:
    """Whether one of the users took part in the session when it was erased."""
    return bool(await conn.fetchval(
        "SELECT true FROM chat_sessions s JOIN chat_participants p USING (session_id) WHERE s.session_id = $1 "
        "AND s.tenant = $2 AND s.status = 'deleted' AND p.user_id = ANY($3::text[]) LIMIT 1",
        session_id, tenant, user_ids,
    ))


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
         json.dumps(m.metadata), m.tokens_used, m.latency_ms, m.is_edited, m.client_message_id, m.created_at,
         m.reply_to)
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
    conn: Connection, user_id: str, tenant: str, wanted: tuple[str | None, int | None, str | None],
    *, limit: int, offset: int, after: tuple[datetime, str] | None,
) -> list[Row]:
    """Rows of the page, each with `total` and `unread`; an empty page is one row whose session_id is NULL.

    `wanted` is status, agent and text; `after`: only sessions behind the one with that last activity and id.
    """
    moment, session_id = after or (None, None)
    return await conn.fetch(
        _SESSIONS, user_id, tenant, *wanted, limit, offset, moment, session_id
    )


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


async def said(conn: Connection, session_id: str, prompt_seq: int, before_seq: int, most: int) -> list[Row]:
    """The conversation up to the message at `prompt_seq`, without answers from `before_seq` on: newest first."""
    return await conn.fetch(_SAID, session_id, prompt_seq, before_seq, most)


def conversation(
    conn: Connection, session_id: str, place: int, ends: Sequence[str], most: int
) -> AsyncIterator[Row]:
    """The conversation before the message at `place`, and then of that one and its answers those in `ends`.

    Read through a cursor, as it stands at one moment, a few messages at a time; at most `most`.
    """
    return aiter(conn.cursor(_CONVERSATION, session_id, place, ends, most, prefetch=50))


async def conversation_length(conn: Connection, session_id: str, place: int, ends: Sequence[str], most: int) -> int:
    """How many messages `conversation` will give."""
    return int(await conn.fetchval(f"SELECT count(*) FROM ({_CONVERSATION}) c", session_id, place, ends, most))


async def message(conn: Connection, session_id: str, message_id: str) -> Row | None:
    """The whole row, unless the message was deleted."""
    return await conn.fetchrow(
        "SELECT * FROM chat_messages WHERE message_id = $2 AND session_id = $1 AND deleted_at IS NULL",
        session_id, message_id,
    )


async def newest_message(conn: Connection, session_id: str) -> Row | None:
    return await conn.fetchrow(
        "SELECT * FROM chat_messages WHERE session_id = $1 AND deleted_at IS NULL AND message_type <> 'system' "
        "ORDER BY seq DESC LIMIT 1",
        session_id,
    )


async def current_answer(conn: Connection, prompt_id: str) -> Row | None:
    """The answer to the message that no other has taken the place of."""
    return await conn.fetchrow(
        "SELECT * FROM chat_messages WHERE reply_to = $1 AND superseded_by IS NULL AND deleted_at IS NULL "
        "ORDER BY seq DESC LIMIT 1",
        prompt_id,
    )


async def rewrite_message(conn: Connection, message: Message) -> None:
    """Write what can change of a message."""
    await conn.execute(
        "UPDATE chat_messages SET content = $2, metadata = $3, is_edited = $4, edited_at = $5, superseded_by = $6, "
        "deleted_at = $7 WHERE message_id = $1",
        message.message_id, message.content, message.metadata, message.is_edited, message.edited_at,
        message.superseded_by, message.deleted_at,
    )


async def rewrite_counters(conn: Connection, session: Session) -> None:
    """Write what a session's row tells of its messages."""
    await conn.execute(
        "UPDATE chat_sessions SET message_count = $2, last_message = $3, last_message_at = $4 WHERE session_id = $1",
        session.session_id, session.message_count, session.last_message, session.last_message_at,
    )
