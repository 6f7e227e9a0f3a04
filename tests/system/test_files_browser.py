"""Files in a real browser: pictures show in a page, and nothing that a file holds ever runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Error, Page

from malgil.access.mint import mint
from malgil.app.setting_types import FILE_TYPES
from malgil.kit import json
from tests.chat.files.matter import picture
from tests.crash.harness import Server
from tests.knowledge.documents import pdf
from tests.system.pages import open_page

SECONDS = 30_000
SECRET = "a secret of more than thirty-two bytes"
SETTINGS = {
    "AUTH_MODE": "jwt", "JWT_SECRET_KEY": SECRET,
    # The operator who takes everything: what he takes must not run either.
    "ALLOWED_FILE_TYPES": json.dumps([*FILE_TYPES, "text/html", "image/svg+xml"]),
}
RUN = "document.title = 'ran'; window.ran = true; try { fetch('/ran'); top.ran = true } catch {}; alert(1)"
"""What a file tries. It is seen by its title, its request or its dialog, whichever gets through first."""

INSERT = """(address) => {
    for (const tag of ["iframe", "embed", "object", "script", "img"]) {
        const made = document.createElement(tag);
        made[tag === "object" ? "data" : "src"] = address;
        document.body.append(made);
    }
}"""
SCRIPT = f"<script>{RUN}</script>"
SVG = f"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'>{SCRIPT}</svg>"
ALERTING = pdf("Hello").replace(
    b"/Type /Catalog", b"/Type /Catalog /OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"
)
ILL_WILLED = {
    "page.html": f"<!doctype html>{SCRIPT}".encode(),
    "drawing.svg": SVG.encode(),
    "drawing.xml": f"<?xml version='1.0'?>{SVG}".encode(),
    "text.html": f"Not quite a page {SCRIPT}".encode(),
    "script.js": RUN.encode(),
    "gif.html": b"GIF89a" + picture("GIF")[6:] + SCRIPT.encode(),
    "gif.js": b"GIF89a" + picture("GIF")[6:] + b"\n" + RUN.encode(),
    "jpeg.html": picture("JPEG", comment=SCRIPT.encode()),
    "alerting.pdf": ALERTING,
    "pdf.html": pdf("Hello") + SCRIPT.encode(),
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path / "node", **SETTINGS) as started:
        started.start()
        assert await started.ready()
        yield started


@pytest.fixture
def token() -> str:
    return mint(SECRET, user="kim", tenant="t", roles=["user"], now=datetime.now(UTC), lifetime=timedelta(hours=1))


@pytest.fixture
async def kim(server: Server, token: str) -> AsyncIterator[httpx.AsyncClient]:
    signed_in = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=server.url, timeout=30, headers=signed_in, trust_env=False) as client:
        yield client


async def bring(kim: httpx.AsyncClient, content: bytes, name: str) -> dict[str, Any]:
    made = (await kim.post("/api/chat/sessions", json={})).json()
    path = f"/api/chat/sessions/{made['session_id']}/files"
    answer = await kim.post(path, files={"file": (name, content)})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_picture_shows_in_a_page(
    server: Server, kim: httpx.AsyncClient, token: str, browser: Browser
) -> None:
    made = await bring(kim, picture(size=(640, 480)), "사진.png")
    page = await open_page(browser, f"{server.url}/page", f"""
        <img src="{made['file_url']}?token={token}"><img src="{made['thumbnail_url']}?token={token}">
        <img src="{made['file_url']}">""")
    sizes = "[...document.images].map((image) => [image.complete, image.naturalWidth, image.naturalHeight])"
    await page.wait_for_function("[...document.images].every((image) => image.complete)", timeout=SECONDS)
    assert await page.evaluate(sizes) == [[True, 640, 480], [True, 320, 240], [True, 0, 0]]


class Watched:
    """A page, and everything by which a script in a file would betray itself."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialogs: list[str] = []
        self.requests: list[str] = []
        self.downloads: list[str] = []
        page.on("dialog", self._dialog)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("download", lambda download: self.downloads.append(download.suggested_filename))

    async def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        with suppress(Error):
            await dialog.dismiss()

    async def visit(self, address: str) -> None:
        with suppress(Error):  # a download is no page
            await self.page.goto(address, timeout=SECONDS)
        await self.page.wait_for_timeout(500)

    async def ran(self) -> bool:
        marks = [await frame.evaluate("document.title === 'ran' || window.ran === true")
                 for frame in self.page.frames if frame.url.startswith(("http", "about"))]
        return any(marks) or bool(self.dialogs) or any(one.endswith("/ran") for one in self.requests)


async def test_what_is_watched_would_be_seen(browser: Browser) -> None:
    """Without this the test below could not fail: the same files as a careless server would give them."""
    held = {"text/html": SCRIPT.encode(), "image/svg+xml": SVG.encode(), "application/pdf": ALERTING}
    for kind, content in held.items():
        async with _careless(content, kind) as address:
            watched = Watched(await browser.new_page())
            await watched.visit(address)
            async with asyncio.timeout(SECONDS / 1000):
                while not await watched.ran():
                    await watched.page.wait_for_timeout(100)
            await watched.page.close()


@asynccontextmanager
async def _careless(content: bytes, kind: str) -> AsyncIterator[str]:
    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = ("HTTP/1.1 200 OK", f"Content-Type: {kind}", f"Content-Length: {len(content)}", "Connection: close")
        writer.write("\r\n".join((*head, "", "")).encode() + content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(give, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/file"


async def test_nothing_in_a_file_runs(
    server: Server, kim: httpx.AsyncClient, token: str, browser: Browser
) -> None:
    for name, content in ILL_WILLED.items():
        made = await bring(kim, content, name)
        address = f"{server.url}{made['file_url']}?token={token}"
        opened = Watched(await browser.new_page())
        await opened.visit(address)
        assert not await opened.ran(), name
        shown = made["file_info"]["type"] in ("image/gif", "image/jpeg", "text/plain")
        assert opened.downloads == ([] if shown else [name])
        await opened.page.close()

        around = Watched(await open_page(browser, f"{server.url}/page", "<title>page</title>"))
        await around.page.evaluate(INSERT, address)
        await around.page.wait_for_timeout(1000)
        assert not await around.ran(), name
        await around.page.close()
