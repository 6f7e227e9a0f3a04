"""The limit on request bodies: nobody makes the server hold more than it agreed to."""

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from malgil.chat.files.routes import UPLOADS
from malgil.kit.errors import TooLarge

_BODILESS = ("GET", "HEAD")  # nothing of ours reads a body of theirs
_DROPPED_MOST: Final = 16 * 1024 * 1024
_PATIENCE: Final = 2.0


def bounded(scope: Scope, receive: Receive, limit: int) -> Receive:
    """`receive` for a body of at most `limit` bytes. Raises TooLarge, at once when the length is announced."""
    if scope["method"] == "POST" and UPLOADS.fullmatch(scope["path"]):
        return receive  # counted where it is written as it comes
    announced = None
    for name, value in scope["headers"]:
        if name == b"content-length":
            announced = value
            break
    if announced is None:
        return receive if scope["method"] in _BODILESS else _counted(receive, limit)
    if announced.isdigit() and len(announced) < 16 and int(announced) <= limit:
        return receive  # the server itself holds the client to what it announced
    raise TooLarge(_detail(limit))


def _counted(receive: Receive, limit: int) -> Receive:
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            # Starlette's own exception: FastAPI turns every other one into "cannot parse the body".
            raise HTTPException(413, _detail(limit))
        return message

    return counted


def _detail(limit: int) -> str:
    return f"The body may have at most {limit} bytes."


async def drop_rest(receive: Receive) -> None:
    """Read and forget what of a refused body still comes, for a moment.

    Many clients listen only when they have said everything: closed on at once, they would see a reset and no answer.
    """
    dropped = 0
    try:
        async with asyncio.timeout(_PATIENCE):
            while dropped < _DROPPED_MOST:
                message = await receive()
                if not message.get("more_body", False):
                    return
                dropped += len(message.get("body", b""))
    except TimeoutError:
        return
