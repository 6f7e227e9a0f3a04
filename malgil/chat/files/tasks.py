"""Housekeeping of files: what nobody holds any more, and what never arrived."""

from datetime import datetime, timedelta

from malgil.chat.files import store
from malgil.chat.files.model import key_of, thumb_key
from malgil.storage.blobs import BlobStore
from malgil.storage.database import Database

ARRIVES_WITHIN = timedelta(hours=1)
_MOST = 100


async def sweep(database: Database, blobs: BlobStore, now: datetime) -> int:
    """Remove up to a hundred files; how many. Several processes at once do no harm: the blobs go first, then the row,
    and both may be gone already."""
    async with database.unit_of_work() as uow:
        await store.give_up(uow.conn, now - ARRIVES_WITHIN, _MOST)
    async with database.read() as conn:
        file_ids = await store.orphans(conn, _MOST)
    if file_ids:
        keys = [key_of(one) for one in file_ids]
        await blobs.delete([*keys, *(thumb_key(key) for key in keys)])
        async with database.unit_of_work() as uow:
            await store.forget(uow.conn, file_ids)
    return len(file_ids)
