"""One server for each story, and people's clients."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.journeys.node import Node, node


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Settings of this story's server; a module may have its own."""
    return {}


@pytest.fixture(scope="module")
def server(settings: dict[str, str]) -> Iterator[Node]:
    """A server in development mode that answers."""
    with node(**settings) as made:
        made.start()
        made.ready()
        yield made


@pytest.fixture
async def http(server: Node) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=20, trust_env=False) as client:
        yield client
