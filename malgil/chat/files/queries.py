"""The reads of files. Who takes no part in a session that holds the file is told that there is none."""

from collections.abc import Sequence

from malgil.access.model import Caller
from malgil.chat.files import store
from malgil.chat.files.errors import FileNotFound
from malgil.chat.files.model import StoredFile, valid_file_id
from malgil.storage.database import Connection, Row


async def open_file(conn: Connection, caller: Caller, file_id: str) -> StoredFile:
    """The file, for who takes part in a session that holds it. Raises FileNotFound."""
    row = None
    if valid_file_id(file_id):
        row = await store.visible(conn, file_id, caller.tenant, caller.user_id)
    return _found(row, file_id)


async def sendable(conn: Connection, caller: Caller, file_id: str, session_id: str) -> StoredFile:
    """The file, if the caller may speak of it in the session: their own, or one that is there. Raises FileNotFound."""
    row = None
    if valid_file_id(file_id):
        row = await store.sendable(conn, file_id, caller.tenant, caller.user_id, session_id)
    return _found(row, file_id)


async def texts(conn: Connection, file_ids: Sequence[str], session_id: str) -> dict[str, str]:
    """What was read of those of the files that hang in the session, by id."""
    return await store.texts(conn, file_ids, session_id) if file_ids else {}


def _found(row: Row | None, file_id: str) -> StoredFile:
    if row is None:
        raise FileNotFound(file_id)
    return StoredFile(*(row[name] for name in StoredFile.__slots__))
