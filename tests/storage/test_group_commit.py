"""Group commit: neighbours share a transaction, never a fate."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from malgil.kit.errors import Unavailable
from malgil.storage.database import Database, UnitOfWork
from malgil.storage.group_commit import GroupCommit


class Writer:
    """A handler that writes its items, and remembers how they were grouped."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.kill_on: str | None = None

    async def __call__(self, uow: UnitOfWork, items: Sequence[str]) -> list[str | Exception]:
        self.batches.append(list(items))
        results: list[str | Exception] = []
        for item in items:
            if item.startswith("refused"):
                results.append(ValueError(item))
                continue
            await uow.conn.execute("INSERT INTO notes VALUES ($1)", item)
            results.append(item.upper())
        if self.kill_on in items:
            await uow.conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return results


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
async def group(database: Database, writer: Writer) -> GroupCommit[str, str]:
    async with database.read() as conn:
        await conn.execute("CREATE TABLE notes (body text PRIMARY KEY)")
    return GroupCommit(database, writer, most=8)


async def bodies(database: Database) -> list[str]:
    async with database.read() as conn:
        return [row["body"] for row in await conn.fetch("SELECT body FROM notes ORDER BY body")]


async def test_a_lone_item_is_written_when_its_answer_comes(group: GroupCommit[str, str], database: Database) -> None:
    assert await group.submit("a") == "A"
    assert await bodies(database) == ["a"]


async def test_what_gathers_during_a_commit_goes_together_and_in_order(
    group: GroupCommit[str, str], writer: Writer
) -> None:
    items = [f"{n:02}" for n in range(20)]
    assert await asyncio.gather(*(group.submit(item) for item in items)) == items
    assert [item for batch in writer.batches for item in batch] == items
    assert [len(batch) for batch in writer.batches] == [8, 8, 4]


async def test_an_item_refused_by_the_handler_fails_alone(
    group: GroupCommit[str, str], writer: Writer, database: Database
) -> None:
    done = await asyncio.gather(*map(group.submit, ["a", "refused", "b"]), return_exceptions=True)
    assert done[0] == "A"
    assert isinstance(done[1], ValueError)
    assert done[2] == "B"
    assert await bodies(database) == ["a", "b"]
    assert len(writer.batches) == 1


async def test_an_item_that_breaks_the_transaction_fails_alone(
    group: GroupCommit[str, str], database: Database
) -> None:
    await group.submit("taken")
    done = await asyncio.gather(*map(group.submit, ["a", "taken", "b"]), return_exceptions=True)
    assert done[0] == "A"
    assert isinstance(done[1], asyncpg.UniqueViolationError)
    assert done[2] == "B"
    assert await bodies(database) == ["a", "b", "taken"]


async def test_a_lost_connection_fails_all_of_the_batch_and_nothing_is_tried_again(
    group: GroupCommit[str, str], writer: Writer, database: Database
) -> None:
    writer.kill_on = "b"
    done = await asyncio.gather(*map(group.submit, ["a", "b", "c"]), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in done)
    assert len(writer.batches) == 1
    assert await bodies(database) == []
    writer.kill_on = None
    assert await group.submit("b") == "B"


async def test_a_timeout_may_have_committed_so_nothing_is_tried_again(database: Database) -> None:
    tries = 0

    async def handler(uow: UnitOfWork, items: Sequence[str]) -> list[str]:
        nonlocal tries
        tries += 1
        raise TimeoutError

    group: GroupCommit[str, str] = GroupCommit(database, handler)
    done = await asyncio.gather(*map(group.submit, "ab"), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in done)
    assert tries == 1


async def test_a_closed_database_is_unavailable(database_url: str, writer: Writer) -> None:
    group: GroupCommit[str, str] = GroupCommit(Database(database_url), writer)
    with pytest.raises(Unavailable):
        await group.submit("a")


async def test_a_cancelled_caller_does_not_take_its_item_back(
    group: GroupCommit[str, str], database: Database
) -> None:
    kept = asyncio.create_task(group.submit("a"))
    leaves = asyncio.create_task(group.submit("b"))
    await asyncio.sleep(0)
    leaves.cancel()
    assert await kept == "A"
    with pytest.raises(asyncio.CancelledError):
        await leaves
    assert await bodies(database) == ["a", "b"]


async def test_drain_waits_for_everything(group: GroupCommit[str, str], database: Database) -> None:
    await group.drain()
    waiting = [asyncio.create_task(group.submit(item)) for item in "abcdefghijkl"]
    await asyncio.sleep(0)
    await group.drain()
    assert all(task.done() for task in waiting)
    assert len(await bodies(database)) == 12


async def test_effects_run_before_the_answer(database: Database) -> None:
    seen: list[str] = []

    async def handler(uow: UnitOfWork, items: Sequence[str]) -> list[str]:
        async def effect() -> None:
            seen.extend(items)

        uow.after_commit(effect)
        return list(items)

    group: GroupCommit[str, str] = GroupCommit(database, handler)
    await group.submit("a")
    assert seen == ["a"]


async def test_a_handler_that_miscounts_fails_its_callers_and_writes_nothing(database: Database) -> None:
    async def handler(uow: UnitOfWork, items: Sequence[str]) -> list[str]:
        return []

    group: GroupCommit[str, str] = GroupCommit(database, handler)
    done = await asyncio.gather(*map(group.submit, "ab"), return_exceptions=True)
    assert all(isinstance(one, RuntimeError) for one in done)
