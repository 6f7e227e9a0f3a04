"""Settings of files, built once in app."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileSettings:
    """`spool`: the folder for what is coming in. `stall`: seconds that a sender may be silent."""

    spool: Path
    types: frozenset[str]
    size_most: int = 10 * 1024 * 1024
    stall: float = 60.0
    link_seconds: int = 300
    look_seconds: float = 20.0
    looking_at_once: int = 2
    """Files that are decoded and read at the same time; each in a process that may need some 500 MiB for a moment."""
