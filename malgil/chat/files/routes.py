"""Routes of files: bring one into a session, get it, get its thumbnail."""

import logging
import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from malgil.chat.doors import Door, Doors
from malgil.chat.files import queries
from malgil.chat.files.errors import BytesMissing, FileNotFound
from malgil.chat.files.model import THUMB_TYPE, StoredFile
from malgil.chat.files.requests import FORM, Uploaded
from malgil.chat.files.sending import upload
from malgil.chat.files.serving import GUARDS, Shown, part_of
from malgil.chat.http import answers, describe, reply, session_in
from malgil.storage.blobs import BlobMissing

UPLOADS: Final = re.compile(r"/api/chat/sessions/[^/]+/files")
"""Paths whose POST counts its own bytes as they stream in."""

_log = logging.getLogger(__name__)

FILES = Doors("", "Files")

_ID: Final = {"name": "file_id", "in": "path", "required": True, "schema": {"type": "string", "examples": ["file_01…"]}}
_RANGE: Final = {"name": "Range", "in": "header", "schema": {"type": "string", "examples": ["bytes=0-1023"]}}
_TOKEN: Final = {"name": "token", "in": "query", "schema": {"type": "string"},
                 "description": "For browsers, which set no headers on images."}
_FORM: Final = describe(session=True, idempotent=True) | {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}
}
_GET: Final = {"parameters": [_ID, _RANGE, _TOKEN]}
_BYTES: Final = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_SHOWN: Final[dict[int | str, Any]] = answers(404, 503) | {
    200: {"description": "The bytes.", "content": _BYTES}, 206: {"description": "The range.", "content": _BYTES},
    304: {"description": "You have it."}, 307: {"description": "Get it there: a link of a few minutes (S3)."},
    416: {"description": "There are no such bytes."},
}


@FILES.at(
    "POST", "/api/chat/sessions/{session_id}/files", summary="Bring a file into a session", status_code=201,
    openapi_extra=_FORM, responses=answers(403, 404, 409, 413, 415, 422, 503, ok=201, model=Uploaded),
)
async def upload_file(door: Door, request: Request) -> Response:
    """Posts a message of type `file`, which the session's agent answers. What the file is, its content says."""
    caller = await door.authenticate(request)
    return reply(await upload(door.room, door.shelf, request, caller, session_in(request)), 201)


@FILES.at("GET", "/files/{file_id}", summary="Get a file", openapi_extra=_GET, responses=_SHOWN)
async def get_file(door: Door, request: Request) -> Response:
    """For who takes part in a session that holds it. One range at a time; with S3 a redirect to a direct link."""
    file = await _file(door, request)
    return await _answer(door, request, file.key, _whole(file))


@FILES.at("HEAD", "/files/{file_id}", summary="Ask about a file", openapi_extra=_GET, responses=_SHOWN)
async def head_file(door: Door, request: Request) -> Response:
    """The headers of GET."""
    return _head(request, _whole(await _file(door, request)))


@FILES.at("GET", "/files/{file_id}/thumb", summary="Get a file's thumbnail", openapi_extra=_GET, responses=_SHOWN)
async def get_thumb(door: Door, request: Request) -> Response:
    """A WebP of at most 320 × 320, of pictures only: 404 for other files."""
    file = await _file(door, request)
    return await _answer(door, request, file.thumb_key, _thumb(file))


@FILES.at("HEAD", "/files/{file_id}/thumb", summary="Ask about a thumbnail", openapi_extra=_GET, responses=_SHOWN)
async def head_thumb(door: Door, request: Request) -> Response:
    """The headers of GET."""
    return _head(request, _thumb(await _file(door, request)))


async def _file(door: Door, request: Request) -> StoredFile:
    caller = await door.authenticate(request)
    # The connection goes back before the first byte leaves: a slow reader holds none.
    async with door.room.database.read() as conn:
        return await queries.open_file(conn, caller, request.path_params["file_id"])


async def _answer(door: Door, request: Request, key: str, shown: Shown) -> Response:
    shelf = door.shelf
    part = part_of(shown, request.headers)
    if part.start < part.end:
        link = await shelf.blobs.link(key, shelf.settings.link_seconds)
        if link is not None:
            return RedirectResponse(link, 307, GUARDS | {"Cache-Control": "private, no-store"})
        # Opened before the status leaves: what is missing can still be said.
        try:
            chunks = await shelf.blobs.get(key, part.start, part.end)
        except BlobMissing as e:
            _log.error("a file has lost its bytes: %s", key)
            raise BytesMissing from e
        return StreamingResponse(chunks, part.status, part.headers)
    return Response(status_code=part.status, headers=part.headers)


def _head(request: Request, shown: Shown) -> Response:
    part = part_of(shown, request.headers)
    return Response(status_code=part.status, headers=part.headers)


def _whole(file: StoredFile) -> Shown:
    return Shown(file.size, file.media_type, f'"{file.sha256}"', file.created_at, file.disposition)


def _thumb(file: StoredFile) -> Shown:
    if file.thumb_size is None:
        raise FileNotFound(file.file_id)
    return Shown(file.thumb_size, THUMB_TYPE, f'"{file.sha256}-thumb"', file.created_at, "inline")
