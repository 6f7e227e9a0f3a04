"""All SQL of participants and of what is unread for them. Private to chat."""

from collections.abc import Sequence
from datetime import datetime

from malgil.chat.model import UNREAD_MOST, Message
from malgil.storage.database import Connection, Row

_PARTICIPANT = """
SELECT user_id, role, read_seq, joined_at FROM chat_participants WHERE session_id = $1 AND user_id = $2
"""

_JOIN = """
INSERT INTO chat_participants (session_id, user_id, role, read_seq, joined_at, joined_seq)
VALUES ($1, $2, $3, $4, $5, $4)
"""

# A notice is a message in the list, but not the last thing that somebody said.
_WRITE_NOTICE = """
WITH put AS (
    INSERT INTO chat_messages (message_id, session_id, seq, sender_type, sender_id, message_type, content, metadata,
        created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
)
UPDATE chat_sessions SET message_count = message_count + 1, last_activity = $9 WHERE session_id = $2
"""

# What others have said since; a message of one's own, a notice and what was deleted or superseded are not news.
UNREAD = f"""
SELECT count(*) AS unread, max(seq) AS last_seq FROM (
    SELECT m.seq FROM chat_messages m
    WHERE m.session_id = p.session_id AND m.seq > p.read_seq AND m.deleted_at IS NULL AND m.sender_type <> 'system'
        AND m.superseded_by IS NULL AND (m.sender_type <> 'user' OR m.sender_id <> p.user_id)
    ORDER BY m.seq DESC LIMIT {UNREAD_MOST}) news
"""

_UNREAD_IN = f"""
SELECT p.session_id, p.user_id, s.tenant, p.read_seq, u.unread, u.last_seq
FROM unnest($1::text[]) AS n(session_id)
JOIN chat_sessions s USING (session_id) JOIN chat_participants p USING (session_id)
LEFT JOIN LATERAL ({UNREAD}) u ON s.status <> 'deleted'
WHERE (SELECT count(*) FROM (SELECT FROM chat_participants c WHERE c.session_id = n.session_id LIMIT $2 + 1) c) <= $2
"""

_UNREAD_OF = f"""
SELECT p.session_id, p.read_seq, u.unread, u.last_seq FROM (
    SELECT p.session_id, p.user_id, p.read_seq, s.last_activity
    FROM chat_participants p JOIN chat_sessions s USING (session_id)
    WHERE p.user_id = $1 AND s.tenant = $2 AND s.status = 'active'
    ORDER BY s.last_activity DESC LIMIT $4
) p, LATERAL ({UNREAD}) u
WHERE u.unread > 0 ORDER BY p.last_activity DESC LIMIT $3
"""


async def participant(conn: Connection, session_id: str, user_id: str) -> Row | None:
    return await conn.fetchrow(_PARTICIPANT, session_id, user_id)


async def count(conn: Connection, session_id: str) -> int:
    return int(await conn.fetchval("SELECT count(*) FROM chat_participants WHERE session_id = $1", session_id))


async def join(conn: Connection, session_id: str, user_id: str, role: str, seq: int, at: datetime) -> None:
    """Put somebody in by the entry at `seq`, up to which they have read."""
    await conn.execute(_JOIN, session_id, user_id, role, seq, at)


async def leave(conn: Connection, session_id: str, user_id: str) -> None:
    await conn.execute("DELETE FROM chat_participants WHERE session_id = $1 AND user_id = $2", session_id, user_id)


async def change_role(conn: Connection, session_id: str, user_id: str, role: str) -> None:
    await conn.execute(
        "UPDATE chat_participants SET role = $3 WHERE session_id = $1 AND user_id = $2", session_id, user_id, role
    )


async def write_notice(conn: Connection, notice: Message) -> None:
    await conn.execute(
        _WRITE_NOTICE, notice.message_id, notice.session_id, notice.seq, notice.sender_type, notice.sender_id,
        notice.message_type, notice.content, notice.metadata, notice.created_at,
    )


async def unread_in(conn: Connection, session_ids: Sequence[str], most_people: int) -> list[Row]:
    """What is unread for each participant of those of the sessions that have no more than so many."""
    return await conn.fetch(_UNREAD_IN, session_ids, most_people)


async def unread_of(conn: Connection, user_id: str, tenant: str, most: int, looked_at: int) -> list[Row]:
    """The user's sessions with something unread, the liveliest first, among so many of them."""
    return await conn.fetch(_UNREAD_OF, user_id, tenant, most, looked_at)
