"""What has to be tidied now and then, in every process; the rows are locked, so that several do not do it twice."""

import asyncio
import logging

from malgil.access import idempotency
from malgil.agents import tasks as agents
from malgil.agents.settings import TurnSettings
from malgil.chat.erasure import actions as erasure
from malgil.chat.files import tasks as files
from malgil.log.scribe import Scribe
from malgil.observe.metrics import Metrics
from malgil.storage.blobs import BlobStore
from malgil.storage.database import Database
from malgil.storage.sizes import table_sizes

EVERY_SECONDS = 60.0

_log = logging.getLogger(__name__)


async def keep_house(
    database: Database, scribe: Scribe, turns: TurnSettings, metrics: Metrics, blobs: BlobStore
) -> None:
    """For ever: compact finished answers, forget expired idempotency keys, finish what was being erased, remove
    files of nobody, measure the tables. A failure waits for the next round."""
    while True:
        try:
            await tidy(database, scribe, turns)
            while await files.sweep(database, blobs, scribe.now()):
                pass
            async with database.read() as conn:
                metrics.tables_measured((one.table, one.bytes, one.rows) for one in await table_sizes(conn))
        except Exception:
            _log.exception("housekeeping failed, will try again")
        await asyncio.sleep(EVERY_SECONDS)


async def tidy(database: Database, scribe: Scribe, turns: TurnSettings) -> None:
    """One round: everything that is due now."""
    while await agents.compact_finished(database, scribe, after=turns.compact_after):
        pass
    async with database.unit_of_work() as uow:
        await idempotency.sweep(uow, scribe.now())
    await erasure.finish(database)
