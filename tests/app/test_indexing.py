"""The loop behind the search index: woken by what is announced, and on its own after a failure."""

import asyncio
from datetime import UTC, datetime

import pytest

from malgil.app import indexing
from malgil.app.indexing import Indexing
from malgil.chat.search.tasks import BATCH
from malgil.log.model import Entry

CREATED = Entry("sess_1", 1, 1, "message.created", {}, datetime.now(UTC))
STARTED = Entry("sess_1", 2, 2, "turn.started", {}, datetime.now(UTC))


class Batches:
    """An indexer that finds what the test says, and counts how often it looked."""

    def __init__(self, *found: int | Exception) -> None:
        self._found = list(found)
        self.looks = 0

    async def __call__(self) -> int:
        self.looks += 1
        found = self._found.pop(0) if self._found else 0
        if isinstance(found, Exception):
            raise found
        return found


async def until_looks(batches: Batches, looks: int) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while batches.looks < looks:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "SOON", 0.01)
    monkeypatch.setattr(indexing, "IDLE", 30.0)


async def test_it_catches_up_at_once() -> None:
    batches = Batches(BATCH, BATCH, 3)
    async with Indexing().running(batches):
        await until_looks(batches, 3)
        await asyncio.sleep(0.1)
    assert batches.looks == 3


async def test_an_announced_message_wakes_it_and_others_do_not() -> None:
    loop, batches = Indexing(), Batches()
    async with loop.running(batches):
        await until_looks(batches, 1)
        await loop.announce([STARTED])
        await asyncio.sleep(0.1)
        assert batches.looks == 1
        await loop.announce([STARTED, CREATED])
        await until_looks(batches, 1 + indexing.KEEN)
        await asyncio.sleep(0.1)
    assert batches.looks == 1 + indexing.KEEN, "for a while it looks again: an older transaction may hold entries back"


async def test_a_failure_waits_for_the_next_look(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "IDLE", 0.01)
    batches = Batches(RuntimeError("down"), BATCH)
    async with Indexing().running(batches):
        await until_looks(batches, 4)
    assert "indexing failed" in caplog.text
