"""The verbs of files inside a unit of work. None of them appends: the message that shows a file is the fact.

Locks: a file's row after the session's log stream, several in the order of their ids.
"""

from collections.abc import Sequence

from malgil.chat.files import store
from malgil.chat.files.errors import FileNotFound
from malgil.chat.files.model import StoredFile
from malgil.kit.errors import Unavailable
from malgil.storage.database import UnitOfWork


async def announce(uow: UnitOfWork, file: StoredFile) -> None:
    """The file's bytes are about to be stored. Nobody sees it yet; if `keep` does not follow it is swept."""
    await store.insert(uow.conn, file)


async def keep(uow: UnitOfWork, file_id: str, session_id: str, text: str | None) -> None:
    """The bytes are there: from here on the session's participants may see them, and agents read the text."""
    if not await store.keep(uow.conn, file_id, text):
        raise Unavailable("The file took too long to arrive; send it again.", code="FILES_UNAVAILABLE")
    await store.link(uow.conn, [file_id], session_id)


async def give_up(uow: UnitOfWork, file_id: str) -> None:
    """The file will not be shown; unless it was kept, its bytes go soon."""
    await store.give_up_one(uow.conn, file_id)


async def link(uow: UnitOfWork, file_ids: Sequence[str], session_id: str) -> None:
    """Let the files hang in the session too; one that has gone meanwhile is left out."""
    held = await store.lock(uow.conn, file_ids)
    await store.link(uow.conn, held, session_id)


async def link_one(uow: UnitOfWork, file_id: str, session_id: str) -> None:
    """Let the file hang in the session. Raises FileNotFound when it has gone."""
    if not await store.lock(uow.conn, [file_id]):
        raise FileNotFound(file_id)
    await store.link(uow.conn, [file_id], session_id)


async def unlink_unshown(uow: UnitOfWork, file_id: str, session_id: str) -> None:
    """A message that showed the file has gone. If no other message of the session shows it, nobody gets it there."""
    await store.unlink_unshown(uow.conn, file_id, session_id)


async def unlink_all(uow: UnitOfWork, session_id: str) -> None:
    """Nothing hangs in the session any more. What hangs nowhere else loses its text now and its bytes soon."""
    await store.unlink_all(uow.conn, session_id)
