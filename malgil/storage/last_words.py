"""What PostgreSQL said before it gave up, as an error that a person can act on."""

from pathlib import Path

from malgil.storage.data_dir import disk_full
from malgil.storage.errors import StorageUnusable

STILL_USED = "pre-existing shared memory block"

_DAMAGED = "its files are damaged or missing"
_RESTORE = "Restore the folder from a backup, or move it away to begin with an empty database."
_MEMORY = "Give the container at least 64 MB of shared memory (docker run --shm-size=64m)."

# (words of PostgreSQL, what they mean, the way out); the first that is found counts.
_MEANINGS = (
    (STILL_USED, "processes of a server that died still use it", "Wait a moment and start again."),
    ("could not resize shared memory", "there is too little shared memory", _MEMORY),
    ("could not create shared memory", "the system refuses shared memory", _MEMORY),
    ("could not locate a valid checkpoint record", _DAMAGED, _RESTORE),
    ("could not locate required checkpoint record", _DAMAGED, _RESTORE),
    ("could not find the database system", _DAMAGED, _RESTORE),
    ("with PG_CONTROL_VERSION", _DAMAGED, _RESTORE),
    ("incorrect checksum in control file", _DAMAGED, _RESTORE),
    ("invalid page in block", _DAMAGED, _RESTORE),
    ("invalid data in file", _DAMAGED, _RESTORE),
    ("could not read file", _DAMAGED, _RESTORE),
    ("could not open file", _DAMAGED, _RESTORE),
    ("could not open directory", _DAMAGED, _RESTORE),
    ("has invalid permissions", "others may read its files", "Close the folder to them: chmod 700 on it."),
    ("Permission denied", "it may not read its own files", "Give them back to the user that made them (chown -R)."),
)


def meaning(said: str, pgdata: Path, log_file: Path) -> StorageUnusable:
    """The error for a server that ended, or could not be made, with `said` on its lips."""
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return disk_full(pgdata)
    for words, means, way_out in _MEANINGS:
        if words in said:
            return StorageUnusable(f"PostgreSQL cannot use {pgdata}: {means}.", f"{way_out}\nIts log: {log_file}")
    last = "\n".join(f"  {line}" for line in said.strip().splitlines()[-5:]) or "  nothing at all"
    return StorageUnusable(f"PostgreSQL cannot use {pgdata}. It said:\n{last}", f"The whole log: {log_file}")
