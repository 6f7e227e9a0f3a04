"""The log against a model of it: whatever is done in whatever order, what realtime.md promises stays true.

dense unique seq · an (epoch, seq) never has two payloads · fences never go down · view at C + entries after C =
view at the head, for every C.
"""

import asyncio
import itertools
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from malgil.log import actions, queries
from malgil.log.errors import Fenced, StreamMissing, VersionConflict
from malgil.log.model import DELTA, Append, Entry, Fact, Head, Piece
from malgil.storage.database import Database
from tests.log.notes import NOW, Cut, Noted, View, assert_dense, create, read_all, same_payload

T = TypeVar("T")
_names = itertools.count()

STREAMS = st.integers(0, 2)
MESSAGES = st.sampled_from(["msg_a", "msg_b"])
# Text with code points outside the BMP, combining marks, and none at all.
WORDS = st.text(st.sampled_from("aé한👩🏽\u0301 \n"), max_size=4)
NOTES = st.lists(WORDS.map(lambda text: Noted(text=text)), max_size=3)
EXPECTED = st.sampled_from([None, None, 0, 0, -1, 1])  # relative to the true version
FENCE = st.sampled_from([None, None, 0, 0, -1, 1])  # relative to the present fence
NEW_FENCE = st.sampled_from([None, None, 1, 5, 0, -1])  # relative to the present fence


class Rollback(Exception):
    """Ends a transaction without a commit."""


@dataclass
class Stream:
    """What a stream must hold: each entry as it was first written, and the view at each seq."""

    name: str
    fence: int = 0
    version: int = 0
    entries: list[Entry] = field(default_factory=list)
    views: list[View] = field(default_factory=lambda: [View()])

    @property
    def head(self) -> int:
        return len(self.entries)

    @property
    def view(self) -> View:
        return self.views[-1]

    def take(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.views.append(self.view.apply(entry))
        self.version += entry.kind != DELTA

    def written(self, entry: Entry) -> list[Entry]:
        """The entries that `entry` stands for, as they were written."""
        return self.entries[entry.from_seq - 1 : entry.seq]


class LogMachine(RuleBasedStateMachine):
    """Three streams, two messages each, and a stream that does not exist."""

    database: ClassVar[Database]
    runner: ClassVar[asyncio.Runner]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def open(self) -> None:
        self.streams = [Stream(f"machine-{next(_names)}") for _ in range(3)]
        self.run(create(self.database, *(s.name for s in self.streams)))

    def append_to(self, at: int, facts: Sequence[Fact], expected: int | None, fence: int | None,
                  new_fence: int | None) -> Append:
        s = self.streams[at]
        return Append(
            s.name, facts, expected_version=None if expected is None else s.version + expected,
            fence=None if fence is None else s.fence + fence,
            new_fence=None if new_fence is None else s.fence + new_fence, actor="kim",
        )

    @rule(at=STREAMS, facts=NOTES, expected=EXPECTED, fence=FENCE, new_fence=NEW_FENCE, commit=st.booleans())
    def append(self, at: int, facts: Sequence[Fact], expected: int | None, fence: int | None,
               new_fence: int | None, commit: bool) -> None:
        self.append_many([self.append_to(at, facts, expected, fence, new_fence)], commit)

    @rule(at=STREAMS, message=MESSAGES, keep=st.integers(0, 4), commit=st.booleans())
    def cut(self, at: int, message: str, keep: int, commit: bool) -> None:
        """What an answer's reset is to the log: a durable fact between its pieces."""
        offset = min(keep, len(self.streams[at].view.texts.get(message, "")))
        self.append_many([self.append_to(at, [Cut(message_id=message, offset=offset)], None, 0, None)], commit)

    @rule(data=st.data(), at=st.permutations(range(3)), missing=st.booleans(), commit=st.booleans())
    def append_to_several(self, data: st.DataObject, at: Sequence[int], missing: bool, commit: bool) -> None:
        appends = [
            self.append_to(k, *data.draw(st.tuples(NOTES, EXPECTED, FENCE, NEW_FENCE))) for k in at[1:]
        ]
        self.append_many([*appends, Append("machine-none", [Noted(text="lost")])] if missing else appends, commit)

    def append_many(self, appends: Sequence[Append], commit: bool) -> None:
        results = self.run(self._in_transaction(appends, commit))
        for one, result in zip(appends, results, strict=True):
            s = next((s for s in self.streams if s.name == one.stream), None)
            assert isinstance(result, list) == (s is not None and _allowed(s, one))
            if s is None:
                assert isinstance(result, StreamMissing)
            elif isinstance(result, Exception):
                wrong_version = one.expected_version not in (None, s.version)
                assert isinstance(result, VersionConflict if wrong_version else Fenced)
            else:
                _check_facts(s, one, result)
                if commit:
                    s.fence = s.fence if one.new_fence is None else one.new_fence
                    for entry in result:
                        s.take(entry)

    async def _in_transaction(self, appends: Sequence[Append], commit: bool) -> list[list[Entry] | Exception]:
        results: list[list[Entry] | Exception] = []
        with _passing_rollback():
            async with self.database.unit_of_work() as uow:
                results = await actions.append_many(uow, appends, NOW)
                if not commit:
                    raise Rollback
        return results

    @rule(said=st.lists(st.tuples(STREAMS, MESSAGES, WORDS, st.booleans()), max_size=6), attempt=st.integers(1, 2))
    def append_pieces(self, said: Sequence[tuple[int, str, str, bool]], attempt: int) -> None:
        texts = [dict(s.view.texts) for s in self.streams]
        given: list[Piece] = []
        for at, message, words, stale in said:
            s, before = self.streams[at], texts[at].get(message, "")
            index = s.head + len(given)  # whatever grows
            given.append(Piece(s.name, s.fence - stale, message, attempt, index, len(before), words))
            texts[at][message] = before if stale else before + words
        results = self.run(self._write_pieces(given))
        for (at, _, _, stale), piece, result in zip(said, given, results, strict=True):
            assert isinstance(result, Fenced if stale else Entry)
            if isinstance(result, Entry):
                s = self.streams[at]
                assert (result.seq, result.from_seq, result.kind) == (s.head + 1, s.head + 1, DELTA)
                assert result.data["content"] == piece.content
                s.take(result)

    async def _write_pieces(self, given: Sequence[Piece]) -> list[Entry | Exception]:
        async with self.database.unit_of_work() as uow:
            return await actions.append_pieces(uow, given, NOW)

    @rule(at=STREAMS, message=MESSAGES, ends=st.tuples(st.integers(0, 40), st.integers(0, 40)))
    def compact(self, at: int, message: str, ends: tuple[int, int]) -> None:
        s = self.streams[at]
        before = self.run(read_all(self.database, s.name))
        fewer = self.run(self._compact(s.name, message, *sorted(ends)))
        after = self.run(read_all(self.database, s.name))
        assert fewer == len(before) - len(after)
        assert self.run(self._compact(s.name, message, *sorted(ends))) == 0, "a second time changes nothing"

    async def _compact(self, stream: str, message: str, first: int, last: int) -> int:
        async with self.database.unit_of_work() as uow:
            return await actions.compact(uow, stream, message, first, last)

    @rule(at=STREAMS, cursor=st.integers(0, 40), limit=st.integers(1, 5))
    def resume(self, at: int, cursor: int, limit: int) -> None:
        self.check_from(self.streams[at], min(cursor, self.streams[at].head), limit)

    def check_from(self, s: Stream, cursor: int, limit: int) -> None:
        entries = self.run(read_all(self.database, s.name, after=cursor, limit=limit))
        assert s.views[cursor].apply_all(entries) == s.view
        if entries:
            assert entries[0].from_seq <= cursor + 1 <= entries[0].seq
            assert_dense(entries, first=entries[0].from_seq)
            assert entries[-1].seq == s.head
        assert all(same_payload(entry, s.written(entry)) for entry in entries)

    @invariant()
    def heads_are_what_they_must_be(self) -> None:
        if hasattr(self, "streams"):
            held = self.run(self._heads())
            assert held == {s.name: Head(s.name, s.head, s.version, s.fence) for s in self.streams}

    async def _heads(self) -> dict[str, Head]:
        async with self.database.unit_of_work() as uow:
            names = [s.name for s in self.streams]
            _, heads = await queries.heads(uow.conn, names)
            assert heads == {s.name: s.head for s in self.streams}
            return await actions.lock(uow, names)

    def teardown(self) -> None:
        for s in getattr(self, "streams", []):
            for cursor in range(s.head + 1):
                self.check_from(s, cursor, limit=1000)


def _allowed(s: Stream, one: Append) -> bool:
    return (
        one.expected_version in (None, s.version)
        and one.fence in (None, s.fence)
        and (one.new_fence is None or one.new_fence > s.fence)
    )


def _check_facts(s: Stream, one: Append, result: list[Entry]) -> None:
    """The entries that an append answers are what it was given, numbered on from the head."""
    assert [(e.seq, e.kind, e.v, e.data) for e in result] == [
        (s.head + k, fact.kind, fact.v, fact.model_dump()) for k, fact in enumerate(one.facts, 1)
    ]
    assert all(replace(e, seq=0, from_seq=0, kind="", data={}, v=1) == Entry(s.name, 0, 0, "", {}, NOW, "kim")
               for e in result)


@contextmanager
def _passing_rollback() -> Iterator[None]:
    try:
        yield
    except Rollback:
        return


def test_the_log_keeps_its_promises(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(database_url, pool_size=2, max_overflow=2)
        runner.run(database.open())
        runner.run(_settle(database))
        LogMachine.database, LogMachine.runner = database, runner
        try:
            run_state_machine_as_test(LogMachine, settings=settings(
                max_examples=40, stateful_step_count=25, deadline=None, database=None,
                phases=[Phase.explicit, Phase.generate, Phase.shrink],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ))
        finally:
            runner.run(database.close())


async def _settle(database: Database) -> None:
    async with database.unit_of_work() as uow:
        await actions.settle_epoch(uow)
