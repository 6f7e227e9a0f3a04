"""A multipart upload as it streams in: one file into the spool, a few short texts, nothing else.

The spool is a file without a name: it vanishes with its handle, whatever happens to the request, the process or the
machine. Nothing is written to the store before the whole file is here and has been looked at.
"""

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from malgil.access.model import NAME_LENGTH
from malgil.chat.files.errors import FileTooLarge
from malgil.chat.files.model import clean_name
from malgil.chat.files.settings import FileSettings
from malgil.chat.model import CLIENT_ID_MOST, CONTENT_MOST
from malgil.kit.errors import FieldError, Invalid, UnsupportedType
from malgil.kit.text import storable
from malgil.storage.blobs import StorageFull

OVERHEAD: Final = 256 * 1024
"""What a body may have besides the file: boundaries, headers, the texts."""

_TEXTS: Final = {"message": CONTENT_MOST, "client_message_id": CLIENT_ID_MOST, "user_id": NAME_LENGTH}
"""The fields that are texts, and how many characters each may have."""
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Upload:
    """What came in. `body` is at its start, and gone when the block of `receive` ends."""

    body: BinaryIO
    name: str
    size: int
    sha256: str
    message: str | None
    client_message_id: str | None
    user_id: str | None


@asynccontextmanager
async def receive(request: Request, settings: FileSettings) -> AsyncIterator[Upload]:
    """The request's upload. Raises UnsupportedType, FileTooLarge, StorageFull, Invalid; Starlette's ClientDisconnect
    when the client has gone."""
    boundary = _boundary(request)
    most = settings.size_most + OVERHEAD
    announced = request.headers.get("content-length", "0")
    if not announced.isascii() or not announced.isdigit() or len(announced) > 15 or int(announced) > most:
        raise FileTooLarge(settings.size_most)
    try:
        with TemporaryFile(dir=settings.spool) as spool:
            form = _Form(boundary, settings.size_most)
            await _read(request, form, spool, most, settings)
            spool.seek(0)
            yield form.upload(spool)
    except OSError as e:
        if e.errno in _FULL:
            raise StorageFull from e
        raise


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise UnsupportedType("Send the file as `multipart/form-data`.")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise _malformed("the Content-Type names no boundary")
    return boundary


async def _read(request: Request, form: "_Form", spool: BinaryIO, most: int, settings: FileSettings) -> None:
    stream = request.stream()
    while (chunk := await _next(stream, settings.stall)) is not None:
        most -= len(chunk)
        if most < 0:
            raise FileTooLarge(settings.size_most)
        if piece := form.feed(chunk):
            await asyncio.to_thread(spool.write, piece)
    form.finish()
    await asyncio.to_thread(spool.flush)


async def _next(stream: AsyncIterator[bytes], stall: float) -> bytes | None:
    try:
        async with asyncio.timeout(stall):
            return await anext(stream, None)
    except TimeoutError as e:
        raise Invalid(f"Nothing came for {stall:g} s.", code="UPLOAD_STALLED") from e


class _Form:
    """What of the form has been read so far."""

    def __init__(self, boundary: bytes, size_most: int) -> None:
        self._size_most = size_most
        self._hash = hashlib.sha256()
        self._size = 0
        self._pieces: list[bytes] = []
        self._texts: dict[str, bytearray] = {}
        self._name: str | None = None
        self._field = ""
        self._seen: set[str] = set()
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value = b"", b""
        self._whole = False
        try:
            self._parser = MultipartParser(boundary, {
                "on_part_begin": self._begin, "on_part_data": self._data, "on_header_field": self._on_header,
                "on_header_value": self._on_value, "on_header_end": self._on_header_end,
                "on_headers_finished": self._begun, "on_end": self._on_end,
            })
        except FormParserError as e:
            raise _malformed("the boundary is too long") from e

    def feed(self, chunk: bytes) -> bytes:
        """The file's bytes in the chunk."""
        try:
            self._parser.write(chunk)
        except FormParserError as e:
            raise _malformed("it does not follow its boundary") from e
        piece, self._pieces = b"".join(self._pieces), []
        self._hash.update(piece)
        return piece

    def finish(self) -> None:
        """The body has ended. Raises Invalid when the form has not, or has no file."""
        if not self._whole:
            raise _malformed("it ends before its last boundary")
        if "file" not in self._seen:
            raise _faulty("file", "is missing")
        if not self._size:
            raise _faulty("file", "is empty")

    def upload(self, spool: BinaryIO) -> Upload:
        texts = {field: self._text(field) for field in _TEXTS}
        return Upload(spool, self._name or "file", self._size, self._hash.hexdigest(), **texts)

    def _text(self, field: str) -> str | None:
        """What the field says; None when it is not there or says nothing, as browsers send what was left empty."""
        try:
            text = storable(self._texts.get(field, b"").decode())
        except ValueError as e:
            raise _faulty(field, "is not UTF-8 text that can be stored") from e
        if len(text) > _TEXTS[field]:
            raise _too_long(field)
        return text if text.strip() else None

    def _begin(self) -> None:
        self._headers = {}

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _begun(self) -> None:
        """Which part this is. The options come as Latin-1, whatever the client wrote: browsers and curl write UTF-8."""
        disposition = self._headers.get(b"content-disposition", b"").decode("latin-1")
        kind, options = parse_options_header(disposition)
        self._field = options.get(b"name", b"").decode(errors="replace")
        if kind != b"form-data" or self._field not in ("file", *_TEXTS):
            raise _faulty(self._field[:64] or "?", "is no part of this form")
        if self._field in self._seen:
            raise _faulty(self._field, "may be there once")
        self._seen.add(self._field)
        if self._field == "file":
            if b"filename" not in options:
                raise _faulty("file", "is a text, not a file: it has no filename")
            # Browsers write a quotation mark in a name as %22, and leave every other % as it is.
            self._name = clean_name(options[b"filename"].decode(errors="replace").replace("%22", '"'))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field == "file":
            self._size += end - start
            if self._size > self._size_most:
                raise FileTooLarge(self._size_most)
            self._pieces.append(data[start:end])
            return
        text = self._texts.setdefault(self._field, bytearray())
        text += data[start:end]
        if len(text) > 4 * _TEXTS[self._field]:
            raise _too_long(self._field)

    def _on_end(self) -> None:
        self._whole = True


def _malformed(why: str) -> Invalid:
    return Invalid(f"The multipart body cannot be read: {why}.", code="MALFORMED_BODY")


def _too_long(field: str) -> Invalid:
    return _faulty(field, f"may have at most {_TEXTS[field]} characters")


def _faulty(field: str, why: str) -> Invalid:
    fault = FieldError(field=f"body.{field}", message=why)
    return Invalid("The request does not fit; `errors` says where.", errors=[fault])
