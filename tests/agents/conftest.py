"""The stage of this room's tests."""

from collections.abc import AsyncIterator

import pytest

from malgil.storage.database import Database
from tests.agents.script import Script
from tests.agents.stage import Stage
from tests.fixtures.time import CountedIds, FakeClock


@pytest.fixture
async def stage(database: Database, clock: FakeClock, ids: CountedIds) -> AsyncIterator[Stage]:
    """Opened, with a model that says hello."""
    opened = Stage(database, clock, ids, Script(["안녕", "하세요."]))
    await opened.open()
    yield opened
    await opened.close()
