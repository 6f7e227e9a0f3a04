"""ZIP archives that somebody sent: opened only after what they claim of themselves has been bounded.

Nothing is inflated to find that out. A reader of a member gets at most the size that the archive's directory declares
(`zipfile` stops there), so bounding the declared sizes bounds everything.
"""

import struct
import zipfile
from typing import BinaryIO, Final

ENTRIES_MOST: Final = 5_000
DIRECTORY_MOST: Final = 1024 * 1024
INFLATED_MOST: Final = 256 * 1024 * 1024
RATIO_MOST: Final = 200
RATIO_FROM: Final = 1024 * 1024
"""Below it nobody minds how well a thing was packed."""

_END = struct.Struct("<4s4H2LH")
_MARK: Final = b"PK\x05\x06"
_COMMENT_MOST: Final = 65_535


class Unreadable(Exception):
    """It is not what it seems to be, is damaged, or asks for too much."""


def opened(file: BinaryIO) -> zipfile.ZipFile:
    """The archive. Raises Unreadable for what is none, and for one that would be too large."""
    _bound_directory(file)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as e:
        raise Unreadable("a damaged archive") from e
    inflated = sum(entry.file_size for entry in archive.infolist())
    packed = sum(entry.compress_size for entry in archive.infolist())
    if inflated > INFLATED_MOST or (inflated > RATIO_FROM and inflated > RATIO_MOST * max(1, packed)):
        raise Unreadable("an archive that inflates to too much")
    return archive


def _bound_directory(file: BinaryIO) -> None:
    """`zipfile` reads the whole directory at once, so its size is looked at first."""
    size = file.seek(0, 2)
    start = max(0, size - _END.size - _COMMENT_MOST)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(_MARK)
    if at < 0 or at + _END.size > len(tail):
        raise Unreadable("no archive")
    _, disk, first_disk, _, entries, length, offset, _ = _END.unpack_from(tail, at)
    # All ones: the true figures would stand in a ZIP64 record, which no honest document of this size needs.
    if disk or first_disk or entries > ENTRIES_MOST or length > DIRECTORY_MOST or offset > size:
        raise Unreadable("an archive with too many entries")
