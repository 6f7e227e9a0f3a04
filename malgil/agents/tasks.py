"""Housekeeping of finished answers: ten minutes after the end their deltas become ranged entries (realtime.md)."""

from datetime import timedelta

from malgil.agents import store
from malgil.log import actions as log
from malgil.log.scribe import Scribe
from malgil.storage.database import Database


async def compact_finished(database: Database, scribe: Scribe, *, after: float, most: int = 100) -> int:
    """Compact the deltas of answers that ended more than `after` seconds ago; returns how many turns were done."""
    async with database.unit_of_work() as uow:
        turns = await store.uncompacted(uow.conn, scribe.now() - timedelta(seconds=after), most)
        for turn in turns:
            if turn.started_seq is not None and turn.ended_seq is not None:
                await log.compact(uow, turn.session_id, turn.answer_id, turn.started_seq, turn.ended_seq)
        await store.mark_compacted(uow.conn, [turn.turn_id for turn in turns])
    return len(turns)
