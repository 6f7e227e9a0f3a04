"""The unit of work and the pool: one transaction, effects after it, and honest errors when the database goes."""

import asyncio
import logging

import asyncpg
import pytest

from malgil.kit.errors import Unavailable
from malgil.storage import database as module
from malgil.storage.database import Connection, Database, UnitOfWork


@pytest.fixture
async def notes(database: Database) -> Database:
    """A database with a table to write into."""
    async with database.read() as conn:
        await conn.execute("CREATE TABLE notes (body text PRIMARY KEY, extra jsonb)")
    return database


async def count(database: Database) -> int:
    async with database.read() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM notes"))


async def kill(url: str, conn: Connection) -> None:
    """End the server process behind `conn`, as an administrator would."""
    other = await asyncpg.connect(url)
    try:
        await other.execute("SELECT pg_terminate_backend($1, 5000)", conn.get_server_pid())
    finally:
        await other.close()


async def write(uow: UnitOfWork, body: str) -> None:
    await uow.conn.execute("INSERT INTO notes VALUES ($1)", body)


async def test_commits_when_the_block_ends_well(notes: Database) -> None:
    async with notes.unit_of_work() as uow:
        await write(uow, "a")
        assert await count(notes) == 0
    assert await count(notes) == 1


async def test_rolls_back_and_raises_what_was_raised(notes: Database) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with notes.unit_of_work() as uow:
            await write(uow, "a")
            raise ValueError("mine")
    assert await count(notes) == 0


async def test_a_refused_statement_raises_the_refusal(notes: Database) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        async with notes.unit_of_work() as uow:
            await write(uow, "a")
            await write(uow, "a")
    assert await count(notes) == 0


async def test_effects_run_in_order_after_the_commit(notes: Database) -> None:
    seen: list[tuple[str, int]] = []

    def note(name: str) -> module.Effect:
        async def effect() -> None:
            seen.append((name, await count(notes)))

        return effect

    async with notes.unit_of_work() as uow:
        uow.after_commit(note("first"))
        await write(uow, "a")
        uow.after_commit(note("second"))
        assert seen == []
    assert seen == [("first", 1), ("second", 1)]


async def test_effects_of_a_rolled_back_unit_never_run(notes: Database) -> None:
    ran: list[str] = []

    async def effect() -> None:
        ran.append("effect")

    with pytest.raises(ValueError, match="no"):
        async with notes.unit_of_work() as uow:
            uow.after_commit(effect)
            raise ValueError("no")
    assert ran == []


async def test_a_failing_effect_neither_fails_the_work_nor_the_next_effect(
    notes: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    async def fails() -> None:
        raise RuntimeError("boom")

    async def runs() -> None:
        ran.append("second")

    async with notes.unit_of_work() as uow:
        await write(uow, "a")
        uow.after_commit(fails)
        uow.after_commit(runs)
    assert await count(notes) == 1
    assert ran == ["second"]
    assert "effect after commit failed" in caplog.text


async def test_json_columns_are_python_values(notes: Database) -> None:
    value = {"말": ["길", 1, None, True], "nested": {"π": 3.14}}
    async with notes.unit_of_work() as uow:
        await uow.conn.execute("INSERT INTO notes VALUES ('a', $1)", value)
        assert await uow.conn.fetchval("SELECT extra FROM notes") == value


async def test_cancelled_work_is_rolled_back_and_its_connection_used_again(notes: Database) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        async with notes.unit_of_work() as uow:
            await write(uow, "a")
            entered.set()
            await uow.conn.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(notes) == 0
    assert notes.pool_stats()["active"] == 0


async def test_a_connection_killed_between_statements_is_unavailable(notes: Database) -> None:
    with pytest.raises(Unavailable) as caught:
        async with notes.unit_of_work() as uow:
            await write(uow, "a")
            await kill(notes.url, uow.conn)
            await write(uow, "b")
    assert caught.value.code == "DATABASE_UNAVAILABLE"
    assert await count(notes) == 0  # and the pool has replaced the connection


async def test_a_connection_killed_before_the_commit_is_unavailable(notes: Database) -> None:
    ran: list[str] = []

    async def effect() -> None:
        ran.append("effect")

    with pytest.raises(Unavailable):
        async with notes.unit_of_work() as uow:
            await write(uow, "a")
            uow.after_commit(effect)
            await kill(notes.url, uow.conn)
    assert await count(notes) == 0
    assert ran == []


async def test_a_connection_killed_in_a_statement_is_unavailable(notes: Database) -> None:
    async def killer(conn: Connection) -> None:
        await kill(notes.url, conn)

    with pytest.raises(Unavailable):
        async with notes.read() as conn:
            kills = asyncio.create_task(killer(conn))
            await conn.execute("SELECT pg_sleep(60)")
    await kills


async def test_a_connection_that_dies_idle_harms_nobody(notes: Database) -> None:
    async with notes.read() as conn:
        pid = conn.get_server_pid()
    other = await asyncpg.connect(notes.url)
    await other.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    await other.close()
    assert await count(notes) == 0


async def test_a_connection_that_breaks_while_given_back_does_not_undo_the_read(notes: Database) -> None:
    async with notes.read() as conn:
        assert await conn.fetchval("SELECT 1") == 1
        await kill(notes.url, conn)
    assert await count(notes) == 0


async def test_an_exhausted_pool_is_unavailable_in_time(database_url: str) -> None:
    small = Database(database_url, pool_size=1, max_overflow=1, timeout=0.1)
    await small.open()
    try:
        async with small.read(), small.read():
            assert small.pool_stats() == {"size": 2, "idle": 0, "active": 2, "limit": 2}
            with pytest.raises(Unavailable, match="No database connection is free"):
                async with small.read():
                    raise AssertionError("nothing was free")
        async with small.read() as conn:
            assert await conn.fetchval("SELECT 1") == 1
    finally:
        await small.close()


async def test_a_connection_held_too_long_is_reported_with_its_stack(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LEAK_SECONDS", 0.01)
    with caplog.at_level(logging.WARNING):
        async with database.read() as conn:
            await conn.execute("SELECT pg_sleep(0.1)")
    assert "a leak?" in caplog.text
    assert __name__.rpartition(".")[2] in caplog.text


async def test_before_open_and_after_close_it_is_unavailable(database_url: str) -> None:
    database = Database(database_url)
    assert database.pool_stats()["size"] == 0
    with pytest.raises(Unavailable, match="closed"):
        async with database.read():
            raise AssertionError("never open")
    await database.open()
    await database.close()
    await database.close()
    with pytest.raises(Unavailable, match="closed"):
        async with database.unit_of_work():
            raise AssertionError("closed")


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/none", "postgresql://nobody@/none?host=/nowhere"], ids=["tcp", "socket"]
)
async def test_a_server_that_is_not_there_is_unavailable(url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        await Database(url, timeout=2).open()
    assert caught.value.code == "DATABASE_UNAVAILABLE"


async def test_a_transaction_that_stands_still_is_ended_by_the_server(notes: Database) -> None:
    """Its process may be frozen with locks in its hands; `may_pause` says for how long that is meant."""
    with pytest.raises(Unavailable):
        async with notes.unit_of_work() as uow:
            await uow.may_pause(0.02)
            await write(uow, "a")
            await asyncio.sleep(0.15)
            await write(uow, "b")
    assert await count(notes) == 0
    async with notes.unit_of_work() as uow:
        await uow.may_pause(5)
        await write(uow, "c")
        await asyncio.sleep(0.05)
    assert await count(notes) == 1
    async with notes.read() as conn:
        assert await conn.fetchval("SHOW idle_in_transaction_session_timeout") == "10s"
