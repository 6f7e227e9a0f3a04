"""The text of office documents (OOXML): paragraphs, slides, rows. Parsed as a stream, no entity is ever expanded."""

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final
from xml.parsers import expat

from malgil.knowledge.archive import Unreadable, opened

_PREFIX: Final = "application/vnd.openxmlformats-officedocument."
WORD: Final = _PREFIX + "wordprocessingml.document"
SLIDES: Final = _PREFIX + "presentationml.presentation"
SHEET: Final = _PREFIX + "spreadsheetml.sheet"
MAIN_PARTS: Final = {
    WORD: "word/document.xml", SLIDES: "ppt/presentation.xml", SHEET: "xl/workbook.xml",
}
# What expat and zipfile raise for damage; RuntimeError: it wants a password; ValueError: it points before its begin.
_FAULTS: Final = (
    expat.ExpatError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, KeyError, RuntimeError, OSError,
    EOFError, ValueError,
)
_CHUNK: Final = 64 * 1024
_SLIDE = re.compile(r"ppt/slides/slide([0-9]{1,5})\.xml")
_TABLE = re.compile(r"xl/worksheets/sheet([0-9]{1,5})\.xml")


def kind_of(file: BinaryIO) -> str | None:
    """Which office document the archive is; None for another archive, and for one with macros. Raises Unreadable."""
    with opened(file) as archive:
        names = set(archive.namelist())
    if "[Content_Types].xml" not in names or any(name.endswith("vbaProject.bin") for name in names):
        return None
    return next((kind for kind, part in MAIN_PARTS.items() if part in names), None)


def text_of(file: BinaryIO, kind: str, most: int) -> str:
    """About the first `most` characters. Raises Unreadable."""
    with opened(file) as archive:
        pieces = _sheets(archive) if kind == SHEET else _flowing(archive, kind)
        return "".join(_up_to(pieces, most)).strip()


def _up_to(pieces: Iterator[str], most: int) -> Iterator[str]:
    for piece in pieces:
        if most <= 0:
            return
        yield piece[:most]
        most -= len(piece)


def _flowing(archive: zipfile.ZipFile, kind: str) -> Iterator[str]:
    """Texts run by run, a new line after each paragraph, an empty one after each slide."""
    budget = _Budget()
    for part in [MAIN_PARTS[WORD]] if kind == WORD else _numbered(archive, _SLIDE):
        for event, name, said in _parsed(archive, part, budget):
            if event == "end" and name == "t":
                yield said
            elif event == "end" and name in ("p", "br", "tab"):
                yield "\t" if name == "tab" else "\n"
        yield "\n"


def _sheets(archive: zipfile.ZipFile) -> Iterator[str]:
    """Rows as lines, cells between tabs, an empty line after each sheet."""
    strings, budget, kind = _shared(archive), _Budget(), ""
    for part in _numbered(archive, _TABLE):
        for event, name, said in _parsed(archive, part, budget):
            if event == "start":
                kind = said if name == "c" else kind
            elif name == "v":
                yield strings[int(said)] if kind == "s" and said.isdecimal() and int(said) < len(strings) else said
            elif name == "t":
                yield said
            elif name in ("c", "row"):
                yield "\t" if name == "c" else "\n"
        yield "\n"


def _shared(archive: zipfile.ZipFile) -> list[str]:
    part = "xl/sharedStrings.xml"
    strings: list[str] = []
    if part not in archive.namelist():
        return strings
    current = ""
    for event, name, said in _parsed(archive, part, _Budget()):
        if event == "end" and name == "t":
            current += said
        elif event == "end" and name == "si":
            strings.append(current)
            current = ""
    return strings


def _numbered(archive: zipfile.ZipFile, pattern: re.Pattern[str]) -> list[str]:
    found = [match for name in archive.namelist() if (match := pattern.fullmatch(name))]
    return [match.string for match in sorted(found, key=lambda match: int(match.group(1)))]


Event = tuple[str, str, str]
"""(start, element, its `t` attribute) or (end, element, the text right in it); names without their prefix."""


@dataclass(slots=True)
class _Budget:
    """How much may still be inflated for one document: a little archive can hold a great deal of nothing."""

    left: int = 8 * 1024 * 1024


def _parsed(archive: zipfile.ZipFile, part: str, budget: _Budget) -> Iterator[Event]:
    """The part's events, until its end or the budget's."""
    events: list[Event] = []
    parser = _parser(events.append)
    try:
        with archive.open(part) as source:
            while budget.left > 0 and (chunk := source.read(_CHUNK)):
                budget.left -= len(chunk)
                parser.Parse(chunk)
                yield from events
                events.clear()
    except _FAULTS as e:
        raise Unreadable(f"{part} cannot be read") from e


def _parser(tell: Callable[[Event], None]) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    said: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        said.clear()
        tell(("start", name.rpartition(":")[2], attributes.get("t", "")))

    def end(name: str) -> None:
        tell(("end", name.rpartition(":")[2], "".join(said)))
        said.clear()

    def doctype(*_: object) -> None:
        # No office program writes one; who does wants entities.
        raise Unreadable("a document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = said.append
    parser.StartDoctypeDeclHandler = doctype
    return parser
