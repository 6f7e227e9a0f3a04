"""Reading: pages, ends, heads, and a weight that does not grow with the stream."""

from typing import Any

import pytest

from malgil.kit import json
from malgil.log import actions, queries, store
from malgil.log.model import Append, Cursor
from malgil.storage.database import Database
from tests.log.notes import Noted, append, create, note, pieces, read_all, spoken


@pytest.fixture
async def log(database: Database) -> Database:
    """Stream "s": notes at 1 and 4, pieces at 2, 3, 5; stream "t" is empty."""
    async with database.unit_of_work() as uow:
        await actions.settle_epoch(uow)
    await create(database, "s", "t")
    first, second, third = spoken("s", "ab", "한", "c")
    await note(database, "s", "one")
    await pieces(database, first, second)
    await note(database, "s", "two")
    await pieces(database, third)
    return database


READS = [  # after, upto, limit, seqs
    (0, None, 1000, [1, 2, 3, 4, 5]),
    (0, None, 2, [1, 2]),
    (2, None, 2, [3, 4]),
    (1, 3, 1000, [2, 3]),
    (3, 3, 1000, []),
    (4, 2, 1000, []),
    (5, None, 1000, []),
    (99, None, 1000, []),
    (-5, 1, 1000, [1]),
    (0, None, 0, []),
    (10**18 - 1, None, 1000, []),
]


async def test_what_is_read(log: Database) -> None:
    async with log.read() as conn:
        for after, upto, limit, seqs in READS:
            entries = await queries.read(conn, "s", after=after, upto=upto, limit=limit)
            assert [e.seq for e in entries] == seqs, (after, upto, limit)


async def test_a_stream_that_is_empty_or_does_not_exist_reads_as_nothing(log: Database) -> None:
    assert await read_all(log, "t") == []
    assert await read_all(log, "none") == []


async def test_pages_add_up(log: Database) -> None:
    for limit in (1, 2, 3, 7):
        assert await read_all(log, "s", limit=limit) == await read_all(log, "s")


async def test_a_cursor_inside_a_range_is_given_the_whole_range(log: Database) -> None:
    async with log.unit_of_work() as uow:
        await actions.compact(uow, "s", "msg_1", 1, 5)
    entries = await read_all(log, "s", after=2)
    assert [(e.from_seq, e.seq) for e in entries] == [(2, 3), (4, 4), (5, 5)]
    assert entries[0].data == {"message_id": "msg_1", "attempt": 1, "index": 0, "offset": 0, "content": "ab한"}


async def test_heads_of_those_that_exist_and_the_epoch(log: Database) -> None:
    async with log.read() as conn:
        epoch, heads = await queries.heads(conn, ["s", "none", "t"])
        assert heads == {"s": 5, "t": 0}
        assert epoch == await queries.epoch(conn)
        assert str(Cursor.parse(f"{epoch}.5")) == f"{epoch}.5", "an epoch can stand in a cursor"
        assert await queries.heads(conn, []) == (epoch, {})


async def test_weight_counts_what_a_replay_carries(log: Database) -> None:
    async with log.read() as conn:
        for after, most, entries in [(0, 100, 5), (0, 3, 3), (4, 100, 1), (5, 100, 0), (0, 0, 0)]:
            counted, size = await queries.weight(conn, "s", after=after, most=most)
            assert counted == entries
            assert (size > 0) == (entries > 0)
        assert await queries.weight(conn, "none", after=0, most=10) == (0, 0)


async def test_weight_is_at_least_the_bytes_of_the_texts(log: Database) -> None:
    await note(log, "s", "한" * 1000)
    await pieces(log, *spoken("s", "글" * 2000, message_id="msg_2"))
    async with log.read() as conn:
        _, size = await queries.weight(conn, "s", after=5, most=100)
    assert 9000 < size < 9000 + 600


async def test_weight_looks_at_no_more_rows_than_it_was_allowed(log: Database) -> None:
    await append(log, Append("s", [Noted(text=f"{n}") for n in range(3000)]))
    await pieces(log, *spoken("s", *("x" for _ in range(3000)), message_id="msg_2"))
    async with log.read() as conn:
        assert (await queries.weight(conn, "s", after=0, most=50))[0] == 50
        explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + store._WEIGHT
        plan = json.loads(await conn.fetchval(explain, "s", 0, queries.END, 50))
    assert 50 <= most_rows(plan[0]["Plan"]) <= 100


def most_rows(node: dict[str, Any]) -> float:
    """The most rows that any step of the plan touched, those it threw away included."""
    own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return max([own, *(most_rows(child) for child in node.get("Plans", []))])
