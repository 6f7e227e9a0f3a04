"""`malgil migrate`."""

import asyncio
from collections.abc import Mapping
from typing import Any

import typer

from malgil.app.settings import load
from malgil.storage.data_dir import DataDirLock
from malgil.storage.embedded import EmbeddedPostgres
from malgil.storage.migrate import migrate, revisions


def run(flags: Mapping[str, Any]) -> None:
    """Migrate the database of DATABASE_URL, or the embedded one (started for it). Raises StorageUnusable."""
    settings = load(flags).settings
    if settings.database_url is not None:
        changed = asyncio.run(migrate(settings.database_url.get_secret_value()))
    else:
        with DataDirLock(settings.data_dir):
            server = EmbeddedPostgres(settings.data_dir)
            url = server.start()
            try:
                changed = asyncio.run(migrate(url))
            finally:
                server.stop()
    typer.echo(f"{'migrated to' if changed else 'already at'} schema {revisions()[-1]}")
