"""Where files are kept, and the look that is taken at each before it is."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO

from malgil.chat.files.errors import TypeNotAllowed
from malgil.chat.files.media import media_type_of
from malgil.chat.files.model import THUMB_TYPE, StoredFile
from malgil.chat.files.settings import FileSettings
from malgil.knowledge import parsing
from malgil.resilience.limiter import ConcurrencyLimiter
from malgil.storage.blobs import CHUNK, BlobStore

_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


@dataclass(frozen=True, slots=True)
class Look:
    """What a file is, by its content."""

    media_type: str
    width: int | None = None
    height: int | None = None
    thumb: bytes | None = None
    text: str | None = None


class Shelf:
    """The blobs, the rules, and how many files are looked at at the same time."""

    def __init__(self, blobs: BlobStore, settings: FileSettings) -> None:
        settings.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.blobs = blobs
        self.settings = settings
        self._eyes = ConcurrencyLimiter(settings.looking_at_once)

    async def look(self, body: BinaryIO) -> Look:
        """In a thread. Raises TypeNotAllowed, FileDamaged."""
        async with self._eyes.acquire():
            work = asyncio.ensure_future(asyncio.to_thread(_look, body, self.settings.types))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                # The thread goes on; the file must not be closed under it.
                await asyncio.wait([work])
                raise

    async def store(self, file: StoredFile, body: BinaryIO, thumb: bytes | None) -> None:
        """Put the file and its thumbnail. Raises StorageFull, Unavailable."""
        shown = {"Content-Type": file.media_type, "Content-Disposition": file.disposition}
        await self.blobs.put(file.key, _chunks(body), shown)
        if thumb is not None:
            await self.blobs.put(file.thumb_key, _once(thumb), {"Content-Type": THUMB_TYPE})


def _look(body: BinaryIO, allowed: frozenset[str]) -> Look:
    media_type = media_type_of(body)
    kind = media_type.partition(";")[0]
    if kind not in allowed:
        raise TypeNotAllowed(kind)
    if kind not in _PICTURES:
        return Look(media_type, text=parsing.text_of(body, media_type))
    # Named here and not at the top: a process that meets no picture does not load Pillow.
    picture: Any = import_module("malgil.chat.files.thumbs").picture_of(body, kind)
    return Look(media_type, picture.width, picture.height, picture.thumb)


async def _chunks(body: BinaryIO) -> AsyncIterator[bytes]:
    body.seek(0)
    while chunk := await asyncio.to_thread(body.read, CHUNK):
        yield chunk


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
