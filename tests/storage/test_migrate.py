"""Migrations: from nothing, at once from several replicas, never over newer data; and the tables as written."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from malgil.storage import migrate as module
from malgil.storage.embedded import EmbeddedPostgres
from malgil.storage.errors import NewerSchema, StorageUnusable
from malgil.storage.migrate import migrate, revisions
from malgil.storage.migrations.upgrade import config
from malgil.storage.schema import metadata
from tests.fixtures.database import run

ROOT = Path(__file__).parents[2]


async def revision_of(url: str) -> str | None:
    conn = await asyncpg.connect(url)
    try:
        return await module.current_revision(conn)
    finally:
        await conn.close()


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


async def on(url: str, act: Callable[[Connection], Any]) -> Any:
    """What `act` says of the database at `url`; what it changed is committed."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    try:
        async with engine.begin() as conn:
            return await conn.run_sync(act)
    finally:
        await engine.dispose()


CATALOGUE = """
SELECT c.relname || ' ' || c.relkind::text || ' ' || coalesce(c.reloptions::text, '') FROM ours c
UNION ALL SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || a.attidentity::text
    || a.attnotnull || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
    FROM ours c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
UNION ALL SELECT c.relname || ' ' || conname || ' ' || pg_get_constraintdef(k.oid)
    FROM ours c JOIN pg_constraint k ON k.conrelid = c.oid
UNION ALL SELECT pg_get_indexdef(c.oid) FROM ours c WHERE c.relkind = 'i'
"""


async def catalogue(url: str) -> list[str]:
    """Everything in the public schema, Alembic's own table left out, as sorted lines."""
    conn = await asyncpg.connect(url)
    try:
        rows = await conn.fetch(
            "WITH ours AS (SELECT * FROM pg_class WHERE relnamespace = 'public'::regnamespace "
            f"AND relname NOT LIKE 'alembic%') {CATALOGUE}"
        )
    finally:
        await conn.close()
    return sorted(row[0] for row in rows)


async def test_from_nothing_then_nothing_to_do(empty_url: str) -> None:
    assert await revision_of(empty_url) is None
    assert await migrate(empty_url) is True
    assert await revision_of(empty_url) == revisions()[-1]
    assert await migrate(empty_url) is False


async def test_replicas_that_start_at_once(empty_url: str) -> None:
    assert all(await asyncio.gather(*(migrate(empty_url) for _ in range(4))))
    assert await revision_of(empty_url) == revisions()[-1]


async def test_an_upgrade_cut_short_leaves_nothing_behind(empty_url: str) -> None:
    await run(empty_url, "CREATE TABLE log_streams (in_the_way int)")
    with pytest.raises(Exception, match="log_streams"):
        await migrate(empty_url)
    assert await revision_of(empty_url) is None
    await run(empty_url, "DROP TABLE log_streams")
    assert await migrate(empty_url) is True


async def test_data_of_a_newer_malgil_is_refused_and_left_alone(database_url: str) -> None:
    await run(database_url, "UPDATE alembic_version SET version_num = '9999_wonders'")
    with pytest.raises(NewerSchema, match="9999_wonders") as caught:
        await migrate(database_url)
    assert "newer Malgil" in caught.value.way_out
    assert await revision_of(database_url) == "9999_wonders"


def test_revisions_are_named_by_their_files_and_form_one_line() -> None:
    script = ScriptDirectory.from_config(config())
    line = [revision.revision for revision in script.walk_revisions()]
    assert list(reversed(line)) == revisions()


async def test_the_migrated_schema_is_the_one_the_rooms_describe(
    database_url: str, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = "A table changed: write a new revision in malgil/storage/migrations/versions/ that says how."
    for path in sorted(ROOT.glob("malgil/**/tables.py")):
        import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    monkeypatch.setitem(ischema_names, "xid8", import_module("malgil.log.tables").XID8)
    assert await on(database_url, differences) == [], lesson
    # Alembic does not look at checks, identities and storage parameters. The catalogues of a database made from the
    # tables themselves say whether those agree too.
    await on(empty_url, metadata.create_all)
    assert await catalogue(database_url) == await catalogue(empty_url), lesson


async def test_messages_of_before_know_what_they_answer(empty_url: str) -> None:
    await on(empty_url, lambda conn: command.upgrade(config(conn), "0001_spine"))
    await run(empty_url, """
        INSERT INTO turns (turn_id, session_id, tenant, user_id, agent_id, prompt_id, answer_id, prompt_seq, queued_at)
        SELECT 'turn_' || n, 's', 't', 'kim', 1, 'p' || n, 'a' || n, n * 2, now() FROM generate_series(1, 3) n
    """)
    await run(empty_url, """
        INSERT INTO chat_messages
            (message_id, session_id, seq, sender_type, sender_id, message_type, content, created_at)
        SELECT id, 's', row_number() OVER (), 'user', 'kim', 'text', 'x', now()
        FROM unnest(ARRAY['p1', 'a1', 'p2', 'a2', 'p3']) id
    """)
    assert await migrate(empty_url) is True
    conn = await asyncpg.connect(empty_url)
    try:
        messages = await conn.fetch("SELECT message_id, reply_to FROM chat_messages ORDER BY seq")
        turns = await conn.fetch("SELECT prompt_seq, queued_seq FROM turns ORDER BY turn_id")
    finally:
        await conn.close()
    assert [tuple(row) for row in messages] == [("p1", None), ("a1", "p1"), ("p2", None), ("a2", "p2"), ("p3", None)]
    assert [tuple(row) for row in turns] == [(2, 3), (4, 5), (6, 7)]


def test_a_normal_start_does_not_load_alembic() -> None:
    program = "import sys, malgil.storage.migrate; sys.exit('alembic' in sys.modules or 'sqlalchemy' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("postgresql://me:secret@127.0.0.1:1/db", "cannot be reached"),
        ("postgresql://me:secret@/db?host=/nowhere", "cannot be reached"),
        ("postgresql://me:secret@[::1/db", "cannot be read"),
        ("mysql://me:secret@localhost/db", "cannot be read"),
        ("nonsense secret", "cannot be read"),
    ],
    ids=["no server", "no socket", "half an address", "another database", "nonsense"],
)
async def test_a_wrong_url_says_what_is_wrong_and_no_password(url: str, detail: str) -> None:
    with pytest.raises(StorageUnusable, match=detail) as caught:
        await migrate(url)
    assert "DATABASE_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_server_that_is_only_just_starting_is_waited_for(tmp_path: Path) -> None:
    """As when everything on a machine is started at once; a password that is wrong is not tried for long."""
    server = EmbeddedPostgres(tmp_path / "data", settings={"fsync": "off"})
    try:
        url = await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.stop)
        waiting = asyncio.create_task(migrate(url, patience=60.0))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await asyncio.to_thread(server.start)
        assert await waiting
        with pytest.raises(StorageUnusable, match="refuses us"):
            await migrate(url.replace("//postgres@", "//stranger@"), patience=60.0)
    finally:
        await asyncio.to_thread(server.stop)


async def test_a_database_that_does_not_exist(postgres: str) -> None:
    with pytest.raises(StorageUnusable, match="does not exist") as caught:
        await migrate(postgres.replace("@/postgres?", "@/missing?"))
    assert "createdb" in caught.value.way_out


async def test_a_role_that_does_not_exist(postgres: str) -> None:
    with pytest.raises(StorageUnusable, match="refuses us"):
        await migrate(postgres.replace("//postgres@", "//stranger@"))


async def test_a_database_of_another_encoding(postgres: str) -> None:
    await run(postgres, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StorageUnusable, match="encoded in LATIN1"):
        await migrate(postgres.replace("@/postgres?", "@/latin?"))
    await run(postgres, "DROP DATABASE latin")


async def test_an_old_server_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OLDEST_SERVER", 99)
    with pytest.raises(StorageUnusable, match="names a PostgreSQL 18; Malgil needs 99 or newer"):
        await migrate(database_url)


async def test_a_standby_is_refused() -> None:
    class Standby:
        def get_server_version(self) -> asyncpg.types.ServerVersion:
            return asyncpg.types.ServerVersion(18, 0, 0, "final", 0)

        async def fetchrow(self, sql: str) -> dict[str, object]:
            return {"standby": True, "encoding": "UTF8"}

    with pytest.raises(StorageUnusable, match="standby"):
        await module._check_server(Standby())
