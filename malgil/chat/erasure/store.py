"""All SQL of erasing. Private to chat."""

from malgil.chat.model import Session
from malgil.storage.database import Connection

_HIDE = """
UPDATE chat_sessions SET status = $2, title = $3, metadata = $4, message_count = $5, last_message = $6,
    last_message_at = $7, last_activity = $8, erasing = true
WHERE session_id = $1
"""

_PEOPLE = """
SELECT user_id FROM chat_participants WHERE session_id = $1
UNION SELECT sender_id FROM chat_messages WHERE session_id = $1 AND sender_type <> 'agent'
"""

_REMOVE = """
DELETE FROM chat_messages WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM chat_messages WHERE session_id = $1 LIMIT $2))
"""


async def hide(conn: Connection, erased: Session) -> None:
    """Write the row of a session that has just been erased, and remember that there is more to remove."""
    await conn.execute(
        _HIDE, erased.session_id, erased.status, erased.title, erased.metadata, erased.message_count,
        erased.last_message, erased.last_message_at, erased.last_activity,
    )


async def people(conn: Connection, session_id: str) -> list[str]:
    """Whoever takes part or has said something."""
    return [row["user_id"] for row in await conn.fetch(_PEOPLE, session_id)]


async def tenant_of(conn: Connection, session_id: str) -> str:
    return str(await conn.fetchval("SELECT tenant FROM chat_sessions WHERE session_id = $1", session_id))


async def forget_marks(conn: Connection, session_id: str) -> None:
    await conn.execute("UPDATE chat_participants SET read_seq = 0 WHERE session_id = $1", session_id)


async def remove_messages(conn: Connection, session_id: str, most: int) -> int:
    done = await conn.execute(_REMOVE, session_id, most)
    return int(done.rpartition(" ")[2])


async def mark_cleared(conn: Connection, session_id: str) -> None:
    await conn.execute("UPDATE chat_sessions SET erasing = false WHERE session_id = $1", session_id)


async def unfinished(conn: Connection, most: int) -> list[str]:
    rows = await conn.fetch("SELECT session_id FROM chat_sessions WHERE erasing LIMIT $1", most)
    return [row["session_id"] for row in rows]
