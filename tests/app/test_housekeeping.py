"""What is over is tidied away, and what is not stays."""

from datetime import timedelta

from malgil.access import idempotency
from malgil.access.model import guest
from malgil.agents.settings import TurnSettings
from malgil.app.housekeeping import tidy
from malgil.log.scribe import Scribe
from malgil.storage.database import Database
from tests.fixtures.time import CountedIds, FakeClock


async def nobody(entries: object) -> None:
    """Nobody is told."""


async def test_expired_keys_go_and_others_stay(database: Database, clock: FakeClock, ids: CountedIds) -> None:
    scribe = Scribe(ids, clock, nobody)
    async with database.unit_of_work() as uow:
        for key, age in (("old", timedelta(hours=25)), ("young", timedelta(hours=23))):
            await idempotency.claim(uow, guest(), key, "route", "hash", clock.now() - age)
    await tidy(database, scribe, TurnSettings())
    async with database.read() as conn:
        left = await conn.fetch("SELECT key FROM idempotency_keys")
    assert [row["key"] for row in left] == ["young"]
