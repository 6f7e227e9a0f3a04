"""Plain text in the encodings that people here really use: UTF-8, UTF-16 with its mark, CP949."""

import codecs
import re
from typing import BinaryIO, Final

_ENCODINGS: Final = ("utf-8", "cp949")
_CHUNK: Final = 64 * 1024
# What no text has: control characters but tab, line feed, form feed, carriage return and escape.
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


def encoding_of(file: BinaryIO) -> str | None:
    """Python's name of the encoding in which the whole file is text; None for what is no text."""
    file.seek(0)
    if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16" if _is_text(file, "utf-16") else None
    return next((encoding for encoding in _ENCODINGS if _is_text(file, encoding)), None)


def text_of(file: BinaryIO, most: int) -> str | None:
    """The first `most` characters; None for what is no text."""
    encoding = encoding_of(file)
    if encoding is None:
        return None
    file.seek(0)
    # Four bytes at most a character, and the mark in front; a character cut in half at the end is left out.
    head = file.read(4 * most + 4)
    return codecs.getincrementaldecoder(encoding)().decode(head).removeprefix("\ufeff")[:most]


def _is_text(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while chunk := file.read(_CHUNK):
            if _CONTROL.search(decoder.decode(chunk)):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
