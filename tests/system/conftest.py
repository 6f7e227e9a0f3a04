"""A real server process and a real headless Chromium that talks to it."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, async_playwright

from tests.crash.harness import Server

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # The browser's own wall between the web and this machine takes the pages handed to it here for foreign ones. Down
    # with it: what has to hold is the server's guard.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that answers, with answers that take about a second."""
    async with Server(tmp_path / "node") as started:
        started.start()
        assert await started.ready()
        yield started


@pytest.fixture
async def api(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """The server's REST API, past the browser: what is really stored."""
    async with httpx.AsyncClient(base_url=server.url, timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium with a fresh profile. CHROMIUM names the program; `make test-system` sets it."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert program, "no Chromium: install one, or run `make test-system`, which does"
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield launched
        await launched.close()
