"""Appending one by one: what is taken, what is refused and then leaves no trace, and the installation's epoch."""

from dataclasses import replace

import asyncpg
import pytest

from malgil.log import actions, queries
from malgil.log.errors import Fenced, StreamMissing, VersionConflict
from malgil.log.model import DELTA, Append, Entry, Head
from malgil.storage.database import Database
from tests.log.notes import NOW, Cut, Noted, append, create, note, pieces, read_all, spoken


@pytest.fixture
async def log(database: Database) -> Database:
    """A database whose stream "s" holds one note, and "t" nothing."""
    async with database.unit_of_work() as uow:
        await actions.settle_epoch(uow)
    await create(database, "s", "t")
    await note(database, "s", "first")
    return database


async def heads(database: Database, *streams: str) -> dict[str, Head]:
    async with database.unit_of_work() as uow:
        return await actions.lock(uow, streams)


async def test_what_is_appended_is_what_is_read(log: Database) -> None:
    facts = [Noted(text="안녕 👩🏽‍💻 é"), Cut(message_id="msg_1", offset=0)]
    entries = await append(log, Append("s", facts, actor="kim"))
    assert entries == [
        Entry("s", 2, 2, "test.noted", {"text": "안녕 👩🏽‍💻 é"}, NOW, "kim", 1),
        Entry("s", 3, 3, "test.cut", {"message_id": "msg_1", "offset": 0}, NOW, "kim", 2),
    ]
    assert await read_all(log, "s", after=1) == entries


async def test_pieces_draw_from_the_same_seq_but_are_no_version(log: Database) -> None:
    found = await pieces(log, *spoken("s", "안녕", " 👋"))
    assert [(e.seq, e.kind, e.data["offset"], e.data["index"]) for e in found if isinstance(e, Entry)] == [
        (2, DELTA, 0, 0), (3, DELTA, 2, 1)
    ]
    assert (await note(log, "s", "after"))[0].seq == 4
    assert (await heads(log, "s"))["s"] == Head("s", 4, 2, 0)
    assert [e.seq for e in await read_all(log, "s")] == [1, 2, 3, 4]


REFUSED: list[tuple[Append, type[Exception]]] = [  # "s" holds one note under fence 7
    (Append("s", [Noted(text="x")], expected_version=0), VersionConflict),
    (Append("s", [Noted(text="x")], expected_version=2), VersionConflict),
    (Append("s", [Noted(text="x")], fence=6), Fenced),
    (Append("s", [Noted(text="x")], fence=8), Fenced),
    (Append("s", [Noted(text="x")], new_fence=7), Fenced),
    (Append("s", [Noted(text="x")], new_fence=6), Fenced),
    (Append("s", [Noted(text="x")], expected_version=1, fence=6, new_fence=9), Fenced),
    (Append("none", [Noted(text="x")]), StreamMissing),
    (Append("none", [], new_fence=1), StreamMissing),
    (Append("", [Noted(text="x")]), StreamMissing),
]


async def test_a_refused_append_keeps_nothing(log: Database) -> None:
    await append(log, Append("s", [], new_fence=7))
    before = await heads(log, "s"), await read_all(log, "s")
    for one, error in REFUSED:
        async with log.unit_of_work() as uow:
            with pytest.raises(error):
                await actions.append(uow, one, NOW)
            # The transaction lives on: the refusal is an answer, not a broken statement.
            await actions.append(uow, Append("t", [Noted(text="neighbour")]), NOW)
        assert (await heads(log, "s"), await read_all(log, "s")) == before, one
    assert len(await read_all(log, "t")) == len(REFUSED)


async def test_of_many_appends_the_refused_one_fails_alone(log: Database) -> None:
    async with log.unit_of_work() as uow:
        results = await actions.append_many(uow, [
            Append("t", [Noted(text="a"), Noted(text="b")], expected_version=0, new_fence=3),
            Append("none", [Noted(text="x")]),
            Append("s", [Noted(text="y")], expected_version=7),
        ], NOW)
    assert [e.seq for e in results[0]] == [1, 2] if isinstance(results[0], list) else False
    assert isinstance(results[1], StreamMissing)
    assert isinstance(results[2], VersionConflict)
    assert (await heads(log, "s", "t")) == {"s": Head("s", 1, 1, 0), "t": Head("t", 2, 2, 3)}


async def test_an_append_that_checks_everything_and_passes(log: Database) -> None:
    await append(log, Append("s", [], new_fence=4))
    (entry,) = await append(log, Append("s", [Noted(text="x")], expected_version=1, fence=4, new_fence=9))
    assert entry.seq == 2
    assert (await heads(log, "s"))["s"] == Head("s", 2, 2, 9)


async def test_an_append_of_nothing_may_raise_the_fence(log: Database) -> None:
    assert await append(log, Append("s", [], new_fence=2)) == []
    assert (await heads(log, "s"))["s"] == Head("s", 1, 1, 2)


async def test_two_appends_to_one_stream_are_a_mistake(log: Database) -> None:
    async with log.unit_of_work() as uow:
        with pytest.raises(ValueError, match="one append a stream"):
            await actions.append_many(uow, [Append("s", []), Append("s", [])], NOW)


async def test_no_appends_and_no_pieces_are_no_statement(log: Database) -> None:
    async with log.unit_of_work() as uow:
        assert await actions.append_many(uow, [], NOW) == []
        assert await actions.append_pieces(uow, [], NOW) == []


async def test_a_stale_piece_fails_alone(log: Database) -> None:
    await append(log, Append("t", [], new_fence=5))
    a, b = spoken("s", "a", "b")
    old = spoken("t", "old", fence=4)
    new = spoken("t", "new", fence=5)
    missing = spoken("none", "x")
    results = await pieces(log, *old, a, *new, *missing, b)
    assert [r.seq if isinstance(r, Entry) else type(r) for r in results] == [Fenced, 2, 1, Fenced, 3]
    assert [e.data["content"] for e in await read_all(log, "t")] == ["new"]


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
async def test_text_that_no_store_can_keep_breaks_the_transaction_and_keeps_nothing(log: Database, text: str) -> None:
    with pytest.raises((asyncpg.PostgresError, ValueError)):
        await append(log, Append("s", [Noted(text="good"), Noted.model_construct(text=text)]))
    with pytest.raises((asyncpg.PostgresError, ValueError)):
        await pieces(log, *spoken("s", "good", text))
    assert await heads(log, "s") == {"s": Head("s", 1, 1, 0)}
    assert [e.seq for e in await read_all(log, "s")] == [1]


async def test_a_rollback_leaves_no_hole_where_a_sequence_would(log: Database) -> None:
    async with log.unit_of_work() as uow:
        await actions.append(uow, Append("s", [Noted(text="never")]), NOW)
        await uow.conn.execute("SELECT 1")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await uow.conn.execute("SELECT 1 / 0")
    await note(log, "s", "second")
    assert [e.seq for e in await read_all(log, "s")] == [1, 2]
    async with log.read() as conn:
        numbers = [row["number"] for row in await conn.fetch("SELECT number FROM log_events ORDER BY number")]
    assert numbers == [1, 3], "the column that is fed by a sequence has a hole: it can be no cursor"


async def test_a_stream_is_created_once(log: Database) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await create(log, "s")


async def test_lock_answers_those_that_exist(log: Database) -> None:
    assert await heads(log, "t", "none", "s") == {"s": Head("s", 1, 1, 0), "t": Head("t", 0, 0, 0)}
    assert await heads(log) == {}


async def test_compaction_merges_only_unbroken_runs_of_one_attempt(log: Database) -> None:
    await pieces(log, *spoken("s", "가", "나"))                                       # 2, 3
    await pieces(log, *spoken("s", "x", message_id="msg_2"))                          # 4
    await pieces(log, *(replace(p, offset=2 + p.offset) for p in spoken("s", "다", "라")))  # 5, 6
    await note(log, "s", "between")                                                   # 7
    await pieces(log, *spoken("s", "마", "바", attempt=2))                            # 8, 9
    await pieces(log, *spoken("s", "사", attempt=3))                                  # 10
    async with log.unit_of_work() as uow:
        assert await actions.compact(uow, "s", "msg_1", 2, 10) == 3
    ranges = [(e.from_seq, e.seq, e.data.get("content")) for e in await read_all(log, "s", after=1)]
    assert ranges == [(2, 3, "가나"), (4, 4, "x"), (5, 6, "다라"), (7, 7, None), (8, 9, "마바"), (10, 10, "사")]


async def test_compaction_leaves_what_is_outside_its_range(log: Database) -> None:
    await pieces(log, *spoken("s", "a", "b", "c", "d"))
    async with log.unit_of_work() as uow:
        assert await actions.compact(uow, "s", "msg_1", 3, 4) == 1
        assert await actions.compact(uow, "s", "msg_9", 1, 9) == 0
        assert await actions.compact(uow, "none", "msg_1", 1, 9) == 0
        assert await actions.compact(uow, "s", "msg_1", 9, 1) == 0
    assert [(e.from_seq, e.seq) for e in await read_all(log, "s", after=1)] == [(2, 2), (3, 4), (5, 5)]
    async with log.unit_of_work() as uow:
        assert await actions.compact(uow, "s", "msg_1", 1, 9) == 2
    assert [(e.from_seq, e.seq, e.data["content"]) for e in await read_all(log, "s", after=1)] == [(2, 5, "abcd")]


async def test_the_epoch_is_settled_once(database: Database) -> None:
    async with database.unit_of_work() as uow:
        first = await actions.settle_epoch(uow)
    async with database.unit_of_work() as uow:
        assert await actions.settle_epoch(uow) == first
    async with database.read() as conn:
        assert await queries.epoch(conn) == first


async def test_another_history_is_another_epoch(database: Database) -> None:
    async with database.unit_of_work() as uow:
        epochs = {await actions.settle_epoch(uow)}
        for change in ("system = 'another'", "timeline = timeline + 1", "timeline = timeline - 1"):
            await uow.conn.execute(f"UPDATE log_epoch SET {change}")
            epochs.add(fresh := await actions.settle_epoch(uow))
            assert await actions.settle_epoch(uow) == fresh
    assert len(epochs) == 4
