"""Is this database one we can work with, and is its schema the newest? If not newest, make it so."""

import asyncio
import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg

from malgil.storage.errors import NewerSchema, StorageUnusable

OLDEST_SERVER = 15

_NOT_YET = (asyncpg.CannotConnectNowError, OSError, TimeoutError)
"""What is said of a server that may be there in a moment."""
_PAUSE = 0.25

_log = logging.getLogger(__name__)
_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def revisions() -> list[str]:
    """Every revision this Malgil knows, oldest first. A revision is named by its file, so names sort by age."""
    return sorted(path.stem for path in _VERSIONS.glob("[0-9]*.py"))


async def migrate(url: str, *, patience: float = 0.0) -> bool:
    """Bring the schema of the database at `url` to the newest revision; whether there was anything to do.

    A server that is being started, or restarted, is waited for, for `patience` seconds.
    Raises StorageUnusable when the server cannot be reached or cannot serve us, NewerSchema when the data was made
    by a newer Malgil. Safe to run from several processes at once, and again after a crash at any point.
    """
    known = revisions()
    conn = await _connect(url, patience)
    try:
        await _check_server(conn)
        at = await current_revision(conn)
    finally:
        await conn.close()
    if at == known[-1]:
        return False
    if at is not None and at not in known:
        raise NewerSchema(
            f"The database was made by a newer Malgil (schema {at}; this one knows up to {known[-1]}).",
            "Start the newer Malgil, or restore a backup that this one made.",
        )
    # Named here and not at the top: this is the one place that pays for Alembic, and a normal start does not reach it.
    await import_module("malgil.storage.migrations.upgrade").upgrade(url)
    return True


async def current_revision(conn: Any) -> str | None:
    """The revision of the schema `conn` sees; None for a database without one."""
    if await conn.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    found = await conn.fetchval("SELECT version_num FROM alembic_version")
    return None if found is None else str(found)


async def _connect(url: str, patience: float) -> Any:
    """A connection; for `patience` seconds a server that is not there yet is asked again."""
    end = asyncio.get_running_loop().time() + patience
    waiting = False
    while True:
        try:
            return await _connect_once(url)
        except StorageUnusable as e:
            if not isinstance(e.__cause__, _NOT_YET) or asyncio.get_running_loop().time() > end:
                raise
            if not waiting:
                _log.warning("waiting for the database: %s", e.__cause__)
            waiting = True
        await asyncio.sleep(_PAUSE)


async def _connect_once(url: str) -> Any:
    try:
        return await asyncpg.connect(url, timeout=15)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as e:
        raise StorageUnusable(f"The database refuses us: {e}.", "Check user and password in DATABASE_URL.") from e
    except asyncpg.InvalidCatalogNameError as e:
        raise StorageUnusable(f"The server is there, but {e}.", "Create it (createdb), or mend DATABASE_URL.") from e
    except (ValueError, asyncpg.InterfaceError) as e:
        raise StorageUnusable(
            f"DATABASE_URL cannot be read: {e}.", "It looks like postgresql://user:password@host:5432/database"
        ) from e
    except (OSError, TimeoutError, asyncpg.PostgresError) as e:
        raise StorageUnusable(
            f"The database cannot be reached: {str(e) or 'no answer within 15 s'}.",
            "Check that the server runs and that DATABASE_URL names its host and port; "
            "or leave DATABASE_URL out to use the embedded PostgreSQL.",
        ) from e


async def _check_server(conn: Any) -> None:
    major = conn.get_server_version().major
    if major < OLDEST_SERVER:
        raise StorageUnusable(
            f"DATABASE_URL names a PostgreSQL {major}; Malgil needs {OLDEST_SERVER} or newer.",
            "Upgrade it, or leave DATABASE_URL out to use the embedded PostgreSQL.",
        )
    row = await conn.fetchrow("SELECT pg_is_in_recovery() AS standby, getdatabaseencoding() AS encoding")
    if row["standby"]:
        raise StorageUnusable("DATABASE_URL names a standby, which cannot be written.", "Name its primary instead.")
    if row["encoding"] != "UTF8":
        raise StorageUnusable(
            f"The database is encoded in {row['encoding']}; Malgil needs UTF8.",
            "Create one with: createdb --encoding=UTF8 --template=template0 NAME",
        )
