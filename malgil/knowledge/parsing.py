"""The text of a file, for those who cannot look at files. It runs native code on what strangers send: call it in a
process of its own."""

import logging
import re
from importlib import import_module
from typing import BinaryIO, Final

from malgil.knowledge import office, plain
from malgil.knowledge.archive import Unreadable

TEXT_MOST: Final = 64 * 1024
"""Characters that are read of one file."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_log = logging.getLogger(__name__)


def text_of(file: BinaryIO, media_type: str, most: int = TEXT_MOST) -> str | None:
    """Up to `most` characters of the file's text; None when it has none or cannot be read."""
    try:
        text = _read(file, media_type, most)
    except Unreadable as e:
        _log.info("no text in a %s: %s", media_type, e)
        return None
    return _UNSTORABLE.sub("", text)[:most].strip() or None if text else None


def _read(file: BinaryIO, media_type: str, most: int) -> str | None:
    file.seek(0)
    match media_type.partition(";")[0]:
        case "application/pdf":
            # Named here and not at the top: a process that meets no PDF does not load PDFium.
            found: str = import_module("malgil.knowledge.pdf").text_of(file, most)
            return found
        case office.WORD | office.SLIDES | office.SHEET as kind:
            return office.text_of(file, kind, most)
        case kind if kind.startswith("text/"):
            return plain.text_of(file, most)
        case _:
            return None
