"""What a file is, told by its content alone: names and declared types are claims of the sender."""

import re
from typing import BinaryIO, Final

import puremagic

from malgil.knowledge import plain
from malgil.knowledge.archive import Unreadable
from malgil.knowledge.office import kind_of

UNKNOWN: Final = "application/octet-stream"
ZIP: Final = "application/zip"
_HEAD: Final = 8 * 1024

_SIGNATURES: Final = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"%PDF-[0-9]"), "application/pdf"),
)
# Text that a browser would run, however it was named. Comments and declarations may stand before the root; each is
# atomic (`(?>`, `*+`): tried another way round they would cost an attacker's text exponential time.
_MARKUP = re.compile(
    r"\ufeff?\s*+(?>(?:<\?xml(?>.*?\?>)|<!--(?>.*?-->))\s*+)*+(?:<!doctype\s+([a-z]+)|<([a-z][a-z0-9:]*))",
    re.IGNORECASE | re.DOTALL,
)
_ROOTS: Final = {"svg": "image/svg+xml", "svg:svg": "image/svg+xml"} | dict.fromkeys(
    ("html", "head", "body", "script", "iframe", "frameset", "style", "title", "meta", "link", "object", "embed",
     "img", "form", "base"), "text/html",
)
# Labels of the Web's encodings, by Python's.
_CHARSETS: Final = {"utf-8": "utf-8", "utf-16": "utf-16", "cp949": "euc-kr"}


def media_type_of(file: BinaryIO) -> str:
    """The media type, with the charset of a text."""
    file.seek(0)
    head = file.read(_HEAD)
    for signature, kind in _SIGNATURES:
        if signature.match(head):
            return kind
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _archive(file)
    return _text(file) or _other(head)


def _archive(file: BinaryIO) -> str:
    try:
        return kind_of(file) or ZIP
    except Unreadable:
        return ZIP


def _text(file: BinaryIO) -> str | None:
    encoding = plain.encoding_of(file)
    if encoding is None:
        return None
    found = _MARKUP.match(plain.text_of(file, _HEAD) or "")
    kind = _ROOTS.get((found[1] or found[2]).lower(), "text/plain") if found else "text/plain"
    return kind if kind.startswith("image/") else f"{kind}; charset={_CHARSETS[encoding]}"


def _other(head: bytes) -> str:
    try:
        return str(puremagic.from_string(head, mime=True)) or UNKNOWN
    except (puremagic.PureError, ValueError):
        return UNKNOWN
