"""The look that is taken at a file before it is kept, from the server's side: one short-lived process a file.

Whatever becomes of that process is a file that cannot be read, and nothing else: a picture is refused, a document is
kept without its text. What it says is taken for a claim too, and has to fit.
"""

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

import malgil
from malgil.chat.files.errors import FileDamaged, TypeNotAllowed
from malgil.chat.files.settings import FileSettings
from malgil.kit.text import Text
from malgil.knowledge.parsing import TEXT_MOST
from malgil.resilience.fairness import FairLimiter

LOOKING: Final = (sys.executable, "-B", "-P", "-m", "malgil.chat.files.looking")
SAID_MOST: Final = 1024 * 1024
"""Bytes. A thumbnail has some 100 KiB at most, a text in JSON some 400 KiB."""

_CHUNK: Final = 64 * 1024
_MEDIA_TYPE: Final = r"^[A-Za-z0-9!#$&^_.+-]{1,80}/[A-Za-z0-9!#$&^_.+-]{1,120}(; charset=[a-z0-9-]{1,20})?$"
_ENVIRONMENT: Final = {"PYTHONPATH": str(Path(malgil.__file__).parents[1])}
"""All of it: our own holds secrets."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """What a file is, by its content."""

    media_type: str
    width: int | None = None
    height: int | None = None
    thumb: bytes | None = None
    text: str | None = None


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Kind(_Said):
    media_type: Annotated[str, StringConstraints(pattern=_MEDIA_TYPE)]


class _Damage(_Said):
    code: Literal["FILE_DAMAGED", "IMAGE_TOO_LARGE"]
    detail: Annotated[Text, StringConstraints(max_length=200)]


class _Sight(_Said):
    width: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    height: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    text: Annotated[Text, StringConstraints(max_length=TEXT_MOST)] | None = None
    damage: _Damage | None = None


Said = TypeVar("Said", bound=_Said)


class Inspector:
    """Looks at files, some at the same time and the others after them, of each user one. `command` is run with the
    types that are taken as arguments and says what `looking` says."""

    def __init__(self, settings: FileSettings, command: Sequence[str] = LOOKING) -> None:
        self._settings = settings
        self._command = (*command, *sorted(settings.types))
        self._eyes = FairLimiter(settings.looking_at_once)

    async def look(self, body: BinaryIO, whose: Hashable) -> Look:
        """What the file is; `body` has a descriptor, and everything is written. Raises TypeNotAllowed, FileDamaged."""
        async with self._eyes.acquire(whose):
            said, status = await self._ask(body)
        first, _, rest = said.partition(b"\n")
        second, _, thumb = rest.partition(b"\n")
        kind = _fitting(_Kind, first)
        if kind is None:
            _log.warning("a file could not be looked at: status %s", status)
            raise FileDamaged("The file cannot be read.")
        media_type = kind.media_type
        if (alone := media_type.partition(";")[0]) not in self._settings.types:
            raise TypeNotAllowed(alone)
        sight = _fitting(_Sight, second) if status == 0 else None
        if sight is None:
            _log.warning("a file of type %s could not be read: status %s", alone, status)
            if alone.startswith("image/"):
                raise FileDamaged("The picture cannot be decoded.")
            return Look(media_type)
        if sight.damage:
            raise FileDamaged(sight.damage.detail, code=sight.damage.code)
        return Look(media_type, sight.width, sight.height, thumb or None, sight.text)

    async def _ask(self, body: BinaryIO) -> tuple[bytes, int]:
        """What the process has said, as far as it came, and how it ended: 0 is well."""
        process = await self._start(body)
        assert process.stdout is not None
        said = b""
        try:
            async with asyncio.timeout(self._settings.look_seconds):
                while len(said) <= SAID_MOST and (piece := await process.stdout.read(_CHUNK)):
                    said += piece
                if len(said) <= SAID_MOST:
                    await process.wait()
        except TimeoutError:
            pass
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            await process.stdout.read()  # what still stood in the pipe: the transport ends with it
            status = await process.wait()
        return said, status

    async def _start(self, body: BinaryIO) -> Process:
        handle = _reopened(body)
        try:
            # In a session of its own: what somebody types at our terminal is not for it.
            return await asyncio.create_subprocess_exec(
                *self._command, stdin=handle, stdout=PIPE, stderr=DEVNULL, env=_ENVIRONMENT, cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(handle)


def _reopened(body: BinaryIO) -> int:
    """Another handle on the file, that cannot write and has a place of its own."""
    return os.open(f"/dev/fd/{body.fileno()}", os.O_RDONLY)


def _fitting(model: type[Said], line: bytes) -> Said | None:
    try:
        return model.model_validate_json(line)
    except ValidationError:
        return None
