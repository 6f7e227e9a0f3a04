"""All SQL of files. Private: the rest of chat goes through actions and queries.

A file is found through a session that its reader takes part in, in the same statement; there is no other way to it.
"""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime

from malgil.chat.files.model import StoredFile
from malgil.storage.database import Connection, Row

_FIELDS = """f.file_id, f.tenant, f.uploader_id, f.name, f.media_type, f.size, f.sha256, f.width, f.height,
    f.thumb_size, f.created_at"""

_INSERT = """
INSERT INTO chat_files (file_id, tenant, uploader_id, name, media_type, size, sha256, width, height, thumb_size,
    created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

_VISIBLE = f"""
SELECT {_FIELDS} FROM chat_files f
WHERE f.file_id = $1 AND f.tenant = $2 AND f.status = 'kept' AND EXISTS (
    SELECT FROM chat_file_links l JOIN chat_sessions s USING (session_id) JOIN chat_participants p USING (session_id)
    WHERE l.file_id = f.file_id AND s.tenant = $2 AND s.status <> 'deleted' AND p.user_id = $3)
"""

# One's own files, and those that hang in the session already.
_SENDABLE = f"""
SELECT {_FIELDS} FROM chat_files f
WHERE f.file_id = $1 AND f.tenant = $2 AND f.status = 'kept' AND (f.uploader_id = $3
    OR EXISTS (SELECT FROM chat_file_links l WHERE l.file_id = f.file_id AND l.session_id = $4))
"""

# Who links and who takes the last link away meet at the file's row, in the order of ids.
_LOCK = "SELECT file_id FROM chat_files WHERE file_id = ANY($1::text[]) AND status = 'kept' ORDER BY file_id FOR UPDATE"

_LOCK_OF_SESSION = """
SELECT file_id FROM chat_files
WHERE file_id IN (SELECT file_id FROM chat_file_links WHERE session_id = $1) ORDER BY file_id FOR UPDATE
"""

_ORPHAN = """
UPDATE chat_files f SET status = 'orphan', text = NULL
WHERE file_id = ANY($1::text[]) AND NOT EXISTS (SELECT FROM chat_file_links l WHERE l.file_id = f.file_id)
"""

_UNLINK_UNSHOWN = """
DELETE FROM chat_file_links WHERE file_id = $1 AND session_id = $2 AND NOT EXISTS (
    SELECT FROM chat_messages m
    WHERE m.session_id = $2 AND m.message_type = 'file' AND ((m.metadata -> 'file') ->> 'file_id') = $1)
"""

_GIVE_UP = """
UPDATE chat_files SET status = 'orphan', text = NULL
WHERE file_id = ANY (ARRAY(
    SELECT file_id FROM chat_files WHERE status = 'incoming' AND created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))
"""


async def insert(conn: Connection, file: StoredFile) -> None:
    await conn.execute(_INSERT, *astuple(file))


async def keep(conn: Connection, file_id: str, text: str | None) -> bool:
    """Whether the file was still coming in; now it is there to stay."""
    done = await conn.execute(
        "UPDATE chat_files SET status = 'kept', text = $2 WHERE file_id = $1 AND status = 'incoming'", file_id, text
    )
    return done == "UPDATE 1"


async def lock(conn: Connection, file_ids: Sequence[str]) -> list[str]:
    """Those of the files that are kept; they stay so until the transaction ends."""
    return [row["file_id"] for row in await conn.fetch(_LOCK, sorted(file_ids))]


async def link(conn: Connection, file_ids: Sequence[str], session_id: str) -> None:
    await conn.execute(
        "INSERT INTO chat_file_links (file_id, session_id) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING",
        file_ids, session_id,
    )


async def unlink_all(conn: Connection, session_id: str) -> None:
    """No file hangs in the session any more; those that hang nowhere else are orphans."""
    held = [row["file_id"] for row in await conn.fetch(_LOCK_OF_SESSION, session_id)]
    if held:
        await conn.execute("DELETE FROM chat_file_links WHERE session_id = $1", session_id)
        await conn.execute(_ORPHAN, held)


async def unlink_unshown(conn: Connection, file_id: str, session_id: str) -> None:
    """The file hangs no more in a session whose messages do not show it; if nowhere else either, it is an orphan."""
    if await lock(conn, [file_id]) and await conn.execute(_UNLINK_UNSHOWN, file_id, session_id) != "DELETE 0":
        await conn.execute(_ORPHAN, [file_id])


async def visible(conn: Connection, file_id: str, tenant: str, user_id: str) -> Row | None:
    return await conn.fetchrow(_VISIBLE, file_id, tenant, user_id)


async def sendable(conn: Connection, file_id: str, tenant: str, user_id: str, session_id: str) -> Row | None:
    return await conn.fetchrow(_SENDABLE, file_id, tenant, user_id, session_id)


async def texts(conn: Connection, file_ids: Sequence[str], session_id: str) -> dict[str, str]:
    """What was read of those of the files that hang in the session."""
    rows = await conn.fetch(
        "SELECT f.file_id, f.text FROM chat_files f JOIN chat_file_links l USING (file_id) "
        "WHERE f.file_id = ANY($1::text[]) AND l.session_id = $2 AND f.status = 'kept' AND f.text IS NOT NULL",
        file_ids, session_id,
    )
    return {row["file_id"]: row["text"] for row in rows}


async def give_up(conn: Connection, before: datetime, most: int) -> None:
    """What has been coming in since before that time will not arrive."""
    await conn.execute(_GIVE_UP, before, most)


async def give_up_one(conn: Connection, file_id: str) -> None:
    await conn.execute(
        "UPDATE chat_files SET status = 'orphan' WHERE file_id = $1 AND status = 'incoming'", file_id
    )


async def orphans(conn: Connection, most: int) -> list[str]:
    rows = await conn.fetch(
        "SELECT file_id FROM chat_files WHERE status = 'orphan' ORDER BY created_at LIMIT $1", most
    )
    return [row["file_id"] for row in rows]


async def forget(conn: Connection, file_ids: Sequence[str]) -> None:
    await conn.execute("DELETE FROM chat_files WHERE file_id = ANY($1::text[]) AND status = 'orphan'", file_ids)
