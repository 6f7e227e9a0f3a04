"""Archives are bounded by what they claim, before anything is inflated."""

import io
import struct
import zipfile

import pytest

from malgil.knowledge.archive import ENTRIES_MOST, Unreadable, opened
from malgil.knowledge.office import WORD, kind_of
from tests.knowledge.documents import OFFICE, word, zipped


def look(content: bytes) -> list[str]:
    with opened(io.BytesIO(content)) as archive:
        return archive.namelist()


def test_an_honest_archive() -> None:
    assert look(zipped({"a": "x", "b": "y"})) == ["a", "b"]


def test_archives_that_ask_for_too_much() -> None:
    bombs = {
        "one large member": zipped({"a": bytes(300 << 20)}),
        "too good a ratio": zipped({"a": bytes(8 << 20)}),
        "too many entries": zipped({str(n): "" for n in range(ENTRIES_MOST + 1)}, zipfile.ZIP_STORED),
        "a directory of long names": zipped({"x" * 60_000 + str(n): "" for n in range(20)}, zipfile.ZIP_STORED),
    }
    for name, bomb in bombs.items():
        with pytest.raises(Unreadable):
            look(bomb)
            pytest.fail(name)


@pytest.mark.parametrize("content", [
    b"", b"PK\x03\x04", b"PK\x05\x06", zipped({"a": "x"})[:-10], b"x" * 100_000,
    zipped({"a": "x"})[:-22] + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 2**32 - 1, 2**32 - 1, 0),
    zipped({"a": "x"})[:-22] + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 900_000, 4, 0),
], ids=["empty", "head", "mark", "cut", "no archive", "zip64", "a lying end"])
def test_what_is_no_whole_archive(content: bytes) -> None:
    with pytest.raises(Unreadable):
        look(content)


def test_which_office_document_it_is() -> None:
    assert {kind_of(io.BytesIO(content)): kind for kind, content in OFFICE.items()} == {kind: kind for kind in OFFICE}
    assert kind_of(io.BytesIO(zipped({"word/document.xml": "<d/>"}))) is None
    assert kind_of(io.BytesIO(word("x", **{"word/vbaProject.bin": b"macro"}))) is None
    assert kind_of(io.BytesIO(b"%PDF-1.7\n" + OFFICE[WORD])) == WORD  # its own signature decides before this is asked
