"""The look at one file, in a process of its own: the file on stdin, the types that are taken as arguments.

Decoders are native code, and what they read comes from strangers. Here one may crash, run on or be taken over: the
process holds nothing but the file, may open little, write nothing, and goes with the one that started it.

Says on stdout, as it comes to know it: a line of what the file is, a line of what there is to see in it, and the bytes
of the thumbnail. Its imports are few: every upload pays for them.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Collection
from importlib import import_module
from typing import Any, BinaryIO, Final

from malgil.chat.files.errors import FileDamaged
from malgil.chat.files.media import media_type_of
from malgil.knowledge import parsing

MEMORY_MOST: Final = 1024 * 1024 * 1024
CPU_SECONDS_MOST: Final = 15
SECONDS_MOST: Final = 30
"""By the clock, for one whose parent has stopped counting."""

_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_LIMITS: Final = {
    resource.RLIMIT_CPU: CPU_SECONDS_MOST, resource.RLIMIT_NOFILE: 32, resource.RLIMIT_NPROC: 0,
    resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0,
}
_SET_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG


def confine() -> None:
    """Take away what the look at a file does not need. Nothing of it can be had back."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.nice(10)
    for limit, most in _LIMITS.items():
        resource.setrlimit(limit, (most, most))
    signal.setitimer(signal.ITIMER_REAL, SECONDS_MOST)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MOST, MEMORY_MOST))
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


def look(file: BinaryIO, allowed: Collection[str], out: BinaryIO) -> None:
    """Look at the file and say what is seen."""
    media_type = media_type_of(file)
    _say(out, {"media_type": media_type})
    kind = media_type.partition(";")[0]
    if kind not in allowed:
        return
    if kind not in _PICTURES:
        _say(out, {"text": parsing.text_of(file, media_type)})
        return
    try:
        # Named here and not at the top: for what is no picture Pillow is not loaded.
        picture: Any = import_module("malgil.chat.files.thumbs").picture_of(file, kind)
    except FileDamaged as e:
        _say(out, {"damage": {"code": e.code, "detail": e.detail}})
        return
    _say(out, {"width": picture.width, "height": picture.height})
    out.write(picture.thumb or b"")


def _say(out: BinaryIO, what: dict[str, Any]) -> None:
    out.write(json.dumps(what, ensure_ascii=False).encode() + b"\n")
    out.flush()


def main() -> None:
    """The process."""
    confine()
    with open(0, "rb") as file, open(1, "wb") as out:
        look(file, sys.argv[1:], out)


if __name__ == "__main__":
    main()
