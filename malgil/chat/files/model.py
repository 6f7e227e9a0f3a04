"""A file as a value: its face, its names, and how it may be shown. Pure, no I/O."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

NAME_BYTES_MOST: Final = 200
FILE: Final = "file"
THUMB_TYPE: Final = "image/webp"

_FILE_ID = re.compile(r"file_[0-9a-hjkmnp-tv-z]{26}", re.ASCII)
_SPACE = re.compile(r"\s+")
# No PDFs: browsers run the scripts in them, whatever the headers say.
_INLINE = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "text/plain"})
_PLAIN = re.compile(r"[^A-Za-z0-9!#$&+.^_`|~ -]", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as its row holds it; all but its text, which only agents read. `media_type` may name a charset."""

    file_id: str
    tenant: str
    uploader_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    width: int | None
    height: int | None
    thumb_size: int | None
    created_at: datetime

    @property
    def type(self) -> str:
        """The media type alone."""
        return self.media_type.partition(";")[0]

    @property
    def key(self) -> str:
        return key_of(self.file_id)

    @property
    def thumb_key(self) -> str:
        return thumb_key(self.key)

    @property
    def url(self) -> str:
        return f"/files/{self.file_id}"

    @property
    def thumb_url(self) -> str | None:
        return f"{self.url}/thumb" if self.thumb_size else None

    @property
    def face(self) -> dict[str, Any]:
        """What a message says of it (`metadata.file`)."""
        shown = {"file_id": self.file_id, "name": self.name, "type": self.type, "size": self.size,
                 "file_url": self.url}
        return shown | {"thumbnail_url": self.thumb_url} if self.thumb_url else shown

    @property
    def disposition(self) -> str:
        """Shown in place only if it is of a type that runs nothing; RFC 6266, with the name in both spellings."""
        how = "inline" if self.type in _INLINE else "attachment"
        plain = _PLAIN.sub("_", self.name)
        return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name, safe='')}"


def key_of(file_id: str) -> str:
    """Where the file's bytes are. The last letters of an id are random, so folders fill evenly."""
    return f"{file_id[-2:]}/{file_id}"


def thumb_key(key: str) -> str:
    """Where the thumbnail of the file under `key` is."""
    return f"{key}.thumb"


def valid_file_id(text: str) -> bool:
    """Whether a file could have this id at all."""
    return _FILE_ID.fullmatch(text) is not None


def clean_name(given: str) -> str:
    """A name that can be shown, stored and saved anywhere: the last part of a path, composed (NFC), with nothing in
    it that cannot be seen or that turns the reading direction round. Never empty."""
    last = re.split(r"[/\\]", given)[-1]
    seen = "".join(c for c in unicodedata.normalize("NFC", last) if unicodedata.category(c)[0] != "C" or c == "\t")
    name = _SPACE.sub(" ", seen).strip(" .")
    return _cut(name) or "file"


def _cut(name: str) -> str:
    """Not more bytes than file systems take, the ending kept."""
    if len(name.encode()) <= NAME_BYTES_MOST:
        return name
    stem, dot, ending = name.rpartition(".")
    ending = f"{dot}{ending}" if stem and len(ending.encode()) <= 16 else ""
    room = NAME_BYTES_MOST - len(ending.encode())
    return name.encode()[:room].decode(errors="ignore").rstrip(" .") + ending
