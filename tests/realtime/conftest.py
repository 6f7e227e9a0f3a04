"""A served world for the tests of the transports."""

from collections.abc import AsyncIterator

import pytest

from tests.realtime.fakes import World, serving


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with serving() as opened:
        yield opened
