"""Uploads and downloads over real sockets: clients that lie about a length, break off, stall or do not read."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from malgil.app.setting_types import FILE_TYPES
from malgil.chat.files.settings import FileSettings
from malgil.chat.files.shelf import Shelf
from malgil.chat.model import Session
from malgil.chat.room import ChatRoom
from malgil.storage.blobs import LocalBlobs
from tests.chat.files.matter import file_part, form, path_of
from tests.chat.people import eventually, log_of
from tests.chat.served import served

MOST = 200_000


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    settings = FileSettings(tmp_path / "uploads", frozenset(FILE_TYPES), size_most=MOST, stall=0.5)
    return Shelf(LocalBlobs(tmp_path / "files"), settings)


@pytest.fixture
async def address(room: ChatRoom, shelf: Shelf) -> AsyncIterator[str]:
    async with served(room, shelf=shelf) as at:
        yield at


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, method: str, path: str, *headers: str, body: bytes = b"") -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: test", "X-User: kim", *headers, "", ""]
        self.writer.write("\r\n".join(lines).encode() + body)
        await self.writer.drain()

    async def status(self) -> int:
        async with asyncio.timeout(10):
            return int((await self.reader.readline()).split()[1])


Connect = Callable[[str], Awaitable[Wire]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes connections, and breaks them off at the end."""
    made: list[Wire] = []

    async def one(address: str) -> Wire:
        host, port = address.split(":")
        made.append(Wire(*await asyncio.open_connection(host, int(port))))
        return made[-1]

    yield one
    for wire in made:
        wire.writer.transport.abort()
    await asyncio.sleep(0)


def spooled(shelf: Shelf) -> int:
    """How many files of the spool this process holds open."""
    held = 0
    for handle in os.listdir("/proc/self/fd"):
        try:
            held += os.readlink(f"/proc/self/fd/{handle}").startswith(str(shelf.settings.spool) + "/")
        except FileNotFoundError:
            continue
    return held


KIND = "Content-Type: multipart/form-data; boundary=b"


async def test_who_announces_too_much_is_answered_before_the_first_byte(
    address: str, connect: Connect, session: Session
) -> None:
    wire = await connect(address)
    await wire.ask("POST", path_of(session), KIND, "Content-Length: 9999999999")
    assert await wire.status() == 413
    for tricks in ("Content-Length: " + "9" * 14, "Content-Length: 600000"):
        other = await connect(address)
        await other.ask("POST", path_of(session), KIND, tricks)
        assert await other.status() == 413


async def test_who_sends_too_much_in_chunks_is_stopped(
    address: str, connect: Connect, shelf: Shelf, session: Session
) -> None:
    wire = await connect(address)
    body, _ = form(file_part(b"x" * (MOST + 1)))
    await wire.ask("POST", path_of(session), KIND, "Transfer-Encoding: chunked")
    wire.writer.write(f"{len(body):x}\r\n".encode() + body)  # and the body never ends
    assert await wire.status() == 413
    await eventually(lambda: _none_spooled(shelf))


async def _none_spooled(shelf: Shelf) -> bool:
    return spooled(shelf) == 0


async def test_a_client_that_goes_half_way_leaves_nothing(
    address: str, connect: Connect, room: ChatRoom, shelf: Shelf, session: Session
) -> None:
    wire = await connect(address)
    body, _ = form(file_part(b"x" * 100_000))
    await wire.ask("POST", path_of(session), KIND, f"Content-Length: {len(body)}", body=body[:50_000])

    async def one_spooled() -> bool:
        return spooled(shelf) == 1

    await eventually(one_spooled)
    assert list(shelf.settings.spool.iterdir()) == []  # it has no name: a kill -9 would leave nothing either
    wire.writer.transport.abort()
    await eventually(lambda: _none_spooled(shelf))
    assert len(await log_of(room, session.session_id)) == 1
    async with room.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM chat_files") == 0


async def test_a_client_that_falls_silent_is_sent_away(
    address: str, connect: Connect, shelf: Shelf, session: Session
) -> None:
    wire = await connect(address)
    body, _ = form(file_part(b"x" * 100_000))
    await wire.ask("POST", path_of(session), KIND, f"Content-Length: {len(body)}", body=body[:50_000])
    assert await wire.status() == 422
    await eventually(lambda: _none_spooled(shelf))


async def test_a_client_that_does_not_read_holds_no_connection_to_the_database(
    room: ChatRoom, connect: Connect, tmp_path: Path, session: Session
) -> None:
    settings = FileSettings(tmp_path / "uploads", frozenset(FILE_TYPES), size_most=32 << 20)
    large = Shelf(LocalBlobs(tmp_path / "files"), settings)
    async with served(room, shelf=large) as address:
        async with httpx.AsyncClient(base_url=f"http://{address}", headers={"x-user": "kim"}, trust_env=False) as kim:
            content = b"0123456789abcde\n" * (1 << 20)
            made = (await kim.post(path_of(session), files={"file": ("a.txt", content)}, timeout=30)).json()
        wires = [await connect(address) for _ in range(40)]  # more than the pool has connections
        for wire in wires:
            await wire.ask("GET", made["file_url"])
            assert await wire.status() == 200
        assert room.database.pool_stats()["active"] == 0
        for wire in wires:
            wire.writer.transport.abort()
