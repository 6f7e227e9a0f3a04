"""Where files are kept."""

import asyncio
from collections.abc import AsyncIterator
from typing import BinaryIO

from malgil.chat.files.inspection import Inspector
from malgil.chat.files.model import THUMB_TYPE, StoredFile
from malgil.chat.files.settings import FileSettings
from malgil.storage.blobs import CHUNK, BlobStore


class Shelf:
    """The blobs, the rules, and who looks at files."""

    def __init__(self, blobs: BlobStore, settings: FileSettings, inspector: Inspector | None = None) -> None:
        settings.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.blobs = blobs
        self.settings = settings
        self.inspector = inspector or Inspector(settings)

    async def store(self, file: StoredFile, body: BinaryIO, thumb: bytes | None) -> None:
        """Put the file and its thumbnail. Raises StorageFull, Unavailable."""
        shown = {"Content-Type": file.media_type, "Content-Disposition": file.disposition}
        await self.blobs.put(file.key, _chunks(body), shown)
        if thumb is not None:
            await self.blobs.put(file.thumb_key, _once(thumb), {"Content-Type": THUMB_TYPE})


async def _chunks(body: BinaryIO) -> AsyncIterator[bytes]:
    body.seek(0)
    while chunk := await asyncio.to_thread(body.read, CHUNK):
        yield chunk


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
