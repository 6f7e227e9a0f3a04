"""Runs Alembic. A module of its own, because Alembic and SQLAlchemy cost 0.4 s that a normal start need not pay."""

from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# Any number, the same in every replica for ever.
_ADVISORY_LOCK = 0x6D616C67696C


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration for our revisions."""
    made = Config(attributes={"connection": connection})
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return made


async def upgrade(url: str) -> None:
    """Bring the database at `url` to the newest revision, in one transaction.

    Replicas that start at once queue at the lock; the second one in finds nothing left to do.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    try:
        async with engine.begin() as conn:
            await conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            await conn.run_sync(lambda sync: command.upgrade(config(sync), "head"))
    finally:
        await engine.dispose()
