"""Blobs: bytes under a key, on a disk or in S3, behind one port.

Promises: a key is there whole or not at all, whatever happens while it is written; what `put` returned from survives
a crash; reading holds a few chunks in memory, however large the blob; deleting what is not there is no error.
"""

import asyncio
import glob
import os
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from malgil.kit.errors import NotFound, Unavailable

CHUNK: Final = 256 * 1024
_PART: Final = 5 * 1024 * 1024  # the smallest part that S3 takes
_PARTS_AT_ONCE: Final = 2
_FULL: Final = ("os error 28", "os error 122", "os error 27")  # no space, over quota, larger than a file may be
_RETRIES: Final = 2


class BlobMissing(NotFound):
    """There is no blob under this key."""

    code = "BLOB_MISSING"


class StorageFull(Unavailable):
    """No room is left. Nothing of what was to be written stays behind."""

    code = "STORAGE_FULL"
    title = "No room for files"

    def __init__(self) -> None:
        super().__init__("There is no room left to keep files; the operator has to make some.", retry_after=60.0)


class BlobStore(Protocol):
    """Raises StorageFull, and Unavailable when the store cannot be reached."""

    async def put(self, key: str, source: AsyncIterable[bytes], shown: Mapping[str, str] | None = None) -> None:
        """Keep what `source` gives, over what was there. What `source` raises passes through, and nothing is kept.

        `shown` are HTTP headers (Content-Type, Content-Disposition) with which a direct link is to answer.
        """
        ...

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end` (exclusive), in chunks. Raises BlobMissing before the first of them."""
        ...

    async def size(self, key: str) -> int | None:
        """How many bytes there are; None when there is no such blob."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Forget the blobs."""
        ...

    async def link(self, key: str, seconds: int) -> str | None:
        """A URL that anybody may GET the blob from for so long; None: read it here."""
        ...


class _ObjectBlobs:
    """What both adapters do through obstore."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        size = await self.size(key)
        if size is None:
            raise BlobMissing(f"There is no blob {key!r}.")
        end = size if end is None else min(end, size)
        return self._chunks(key, start, end)

    async def _chunks(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        if start >= end:
            return
        try:
            found = await obstore.get_async(self._store, key, options={"range": (start, end)})
            async for chunk in found.stream(CHUNK):
                yield bytes(chunk)
        except (BaseError, OSError) as e:
            raise _translated(e) from e

    async def size(self, key: str) -> int | None:
        try:
            return (await obstore.head_async(self._store, key))["size"]
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as e:
            raise _translated(e) from e

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                pass
            except (BaseError, OSError) as e:
                raise _translated(e) from e

    async def _put(self, key: str, source: AsyncIterable[bytes], attributes: Mapping[str, str] | None) -> None:
        failures: list[Exception] = []
        try:
            await obstore.put_async(
                self._store, key, _remembering(source, failures), attributes=dict(attributes) if attributes else None,
                use_multipart=True, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE,
            )
        except (BaseError, OSError) as e:
            if e in failures:
                raise
            raise _translated(e) from e


class LocalBlobs(_ObjectBlobs):
    """Files in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        super().__init__(LocalStore(folder))

    async def put(self, key: str, source: AsyncIterable[bytes], shown: Mapping[str, str] | None = None) -> None:
        """obstore writes beside the name and renames; here the bytes and the name are made to stay."""
        await self._put(key, source, None)
        await asyncio.to_thread(_sync, self._folder / key, self._folder)

    async def delete(self, keys: Sequence[str]) -> None:
        """Also what a process that died on the way left beside the names."""
        await super().delete(keys)
        try:
            await asyncio.to_thread(_unstage, [self._folder / key for key in keys])
        except OSError as e:
            raise _translated(e) from e

    async def link(self, key: str, seconds: int) -> str | None:
        return None


class S3Blobs(_ObjectBlobs):
    """Objects in a bucket of S3, or of what speaks its protocol."""

    def __init__(
        self, bucket: str, *, region: str, endpoint: str | None = None, key_id: str | None = None,
        secret: str | None = None,
    ) -> None:
        given = {"endpoint": endpoint, "access_key_id": key_id, "secret_access_key": secret}
        config: Any = {name: value for name, value in given.items() if value is not None}
        self._s3 = S3Store(
            bucket, region=region, config=config,
            client_options={"allow_http": True, "connect_timeout": "5s", "timeout": "60s"},
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=10)},
        )
        super().__init__(self._s3)

    async def put(self, key: str, source: AsyncIterable[bytes], shown: Mapping[str, str] | None = None) -> None:
        """In parts, as they come; an upload that fails is aborted."""
        await self._put(key, source, shown)

    async def link(self, key: str, seconds: int) -> str | None:
        return await obstore.sign_async(self._s3, "GET", key, timedelta(seconds=seconds))


async def _remembering(source: AsyncIterable[bytes], failures: list[Exception]) -> AsyncIterator[bytes]:
    """What the source raises comes out of obstore again, and must not be taken for a fault of the store."""
    try:
        async for chunk in source:
            yield chunk
    except Exception as e:
        failures.append(e)
        raise


def _translated(error: Exception) -> Exception:
    if any(sign in str(error) for sign in _FULL):
        return StorageFull()
    return Unavailable("The store of files gives no answer.", code="FILES_UNAVAILABLE", retry_after=5.0)


def _unstage(paths: Sequence[Path]) -> None:
    """obstore writes `name#1`, `name#2`, … and renames."""
    for path in paths:
        for staged in path.parent.glob(f"{glob.escape(path.name)}#*"):
            staged.unlink(missing_ok=True)


def _sync(path: Path, root: Path) -> None:
    """The file's bytes, and the names on the way to it."""
    for one in (path, *(parent for parent in path.parents if parent.is_relative_to(root))):
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
