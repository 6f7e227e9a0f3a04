"""The promise of a blob store, run over every adapter: a folder, and a server that speaks S3."""

import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from malgil.kit.errors import Unavailable
from malgil.storage.blobs import BlobMissing, BlobStore, LocalBlobs, StorageFull
from tests.fixtures.s3 import s3_at

MIB = 1024 * 1024


@pytest.fixture(params=["local", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "local":
        return LocalBlobs(tmp_path / "files")
    return s3_at(request.getfixturevalue("s3_url"))


async def of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(blobs: BlobStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in await blobs.get(key, start, end)])


async def test_what_was_put_is_read_whole_and_in_part(blobs: BlobStore) -> None:
    await blobs.put("ab/one", of(b"hello ", b"", b"world"))
    assert await read(blobs, "ab/one") == b"hello world"
    assert await read(blobs, "ab/one", 6) == b"world"
    assert await read(blobs, "ab/one", 1, 3) == b"el"
    assert await read(blobs, "ab/one", 9, 99) == b"ld"
    assert await read(blobs, "ab/one", 11) == b""
    assert await blobs.size("ab/one") == 11


async def test_an_empty_blob(blobs: BlobStore) -> None:
    await blobs.put("empty", of())
    assert (await blobs.size("empty"), await read(blobs, "empty")) == (0, b"")


async def test_a_large_one_goes_and_comes_in_pieces(blobs: BlobStore) -> None:
    await blobs.put("large", of(*(bytes([n]) * MIB for n in range(13))))
    sizes = [len(chunk) async for chunk in await blobs.get("large")]
    assert (sum(sizes), max(sizes) <= 2 * MIB) == (13 * MIB, True)
    assert await read(blobs, "large", 12 * MIB - 1, 12 * MIB + 1) == bytes([11, 12])


async def test_what_a_killed_process_left_goes_with_the_name(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    for key in ("ab/one", "ab/one.thumb", "ab/one[1]"):
        await blobs.put(key, of(b"x"))
        (tmp_path / f"{key}#1").write_bytes(b"half")
    (tmp_path / "ab/two#1").write_bytes(b"half")
    await blobs.delete(["ab/one", "ab/one[1]", "ab/two", "no/folder"])
    assert sorted(one.name for one in (tmp_path / "ab").iterdir()) == ["one.thumb", "one.thumb#1"]


async def test_put_again_replaces(blobs: BlobStore) -> None:
    await blobs.put("twice", of(b"first, and longer"))
    await blobs.put("twice", of(b"second"))
    assert await read(blobs, "twice") == b"second"


@pytest.mark.parametrize("before", [1, 6 * MIB])
async def test_a_source_that_fails_leaves_nothing(blobs: BlobStore, before: int) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield bytes(before)
        raise ValueError("the client is gone")

    with pytest.raises(ValueError, match="the client is gone"):
        await blobs.put("broken", failing())
    assert await blobs.size("broken") is None


async def test_what_is_not_there(blobs: BlobStore) -> None:
    assert await blobs.size("nowhere") is None
    with pytest.raises(BlobMissing):
        await blobs.get("nowhere")
    await blobs.put("gone", of(b"x"))
    await blobs.delete(["nowhere", "gone", "gone"])
    assert await blobs.size("gone") is None


async def test_a_link_is_what_anybody_may_get(blobs: BlobStore) -> None:
    await blobs.put("linked", of(b"0123456789"), {"Content-Type": "image/png", "Content-Disposition": "inline"})
    link = await blobs.link("linked", 60)
    if link is None:
        assert isinstance(blobs, LocalBlobs)
        return
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(link, headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.content) == (206, b"234")
    assert (answer.headers["content-type"], answer.headers["content-disposition"]) == ("image/png", "inline")


async def test_a_bucket_that_cannot_be_reached() -> None:
    away = s3_at("http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="no answer"):
        await away.put("x", of(b"x"))
    with pytest.raises(Unavailable, match="no answer"):
        await away.size("x")


async def test_a_full_disk_is_said_and_leaves_no_debris(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, hard))
    try:
        with pytest.raises(StorageFull):
            await blobs.put("ab/large", of(*(bytes(MIB) for _ in range(8))))
        assert [one for one in (tmp_path / "files").rglob("*") if one.is_file()] == []
        await blobs.put("ab/small", of(b"fits"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert await read(blobs, "ab/small") == b"fits"


async def test_nobody_else_may_look_into_the_folder(tmp_path: Path) -> None:
    LocalBlobs(tmp_path / "deep" / "files")
    assert (tmp_path / "deep" / "files").stat().st_mode & 0o077 == 0
