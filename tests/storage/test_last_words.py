"""PostgreSQL's last words, and what they come to mean."""

from pathlib import Path

import pytest

from malgil.storage.last_words import meaning

DATA, LOG = Path("/data/postgres"), Path("/data/postgres.log")


@pytest.mark.parametrize(
    ("said", "detail", "way_out"),
    [
        ('FATAL:  could not write lock file "postmaster.pid": No space left on device', "full", "Free some space"),
        ("FATAL:  could not extend file: Disk quota exceeded", "full", "Free some space"),
        ("FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use", "still use it", "Wait a moment"),
        ("FATAL:  could not resize shared memory segment", "too little shared memory", "--shm-size"),
        ("PANIC:  could not locate a valid checkpoint record at 0/1", "damaged", "from a backup"),
        ("FATAL:  incorrect checksum in control file", "damaged", "from a backup"),
        ('FATAL:  data directory "/data/postgres" has invalid permissions', "others may read", "chmod 700"),
        ("FATAL:  could not create lock file: Permission denied", "may not read its own files", "chown"),
        ("LOG:  one\nFATAL:  a cow ate it", "a cow ate it", str(LOG)),
        ("", "nothing at all", str(LOG)),
    ],
)
def test_each_has_a_way_out(said: str, detail: str, way_out: str) -> None:
    error = meaning(said, DATA, LOG)
    assert detail in error.detail
    assert way_out in error.way_out
    assert str(DATA) in error.detail
