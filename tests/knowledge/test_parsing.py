"""The text of files: what is read, and that nothing a document claims can make it cost more than agreed."""

import io
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from malgil.knowledge.office import SHEET, SLIDES, WORD
from malgil.knowledge.parsing import text_of
from tests.knowledge.documents import OFFICE, pdf, sheet, slides, word

ROOT = Path(__file__).parents[2]


def read(content: bytes, kind: str, most: int = 1000) -> str | None:
    return text_of(io.BytesIO(content), kind, most)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_plain_text_in_the_encodings_of_here(encoding: str) -> None:
    assert read("보증 기간은 2년입니다.\n".encode(encoding), "text/plain") == "보증 기간은 2년입니다."
    assert read(("가" * 500).encode(encoding), "text/plain", 10) == "가" * 10


def test_a_pdf_page_by_page() -> None:
    assert read(pdf("The warranty lasts two years.", "Page two"), "application/pdf") == (
        "The warranty lasts two years.\fPage two"
    )
    assert read(pdf("one", "two"), "application/pdf", 2) == "on"


@pytest.mark.parametrize("content", [
    b"%PDF-1.4 and nothing else", pdf("x")[:200], pdf("secret", encrypt=True), b"",
], ids=["head only", "cut", "encrypted", "empty"])
def test_a_pdf_that_cannot_be_read_is_no_text(content: bytes) -> None:
    assert read(content, "application/pdf") is None


def test_office_documents() -> None:
    assert read(OFFICE[WORD], WORD) == "안녕\n두 번째"
    assert read(slides("첫 장", "둘째 장"), SLIDES) == "첫 장\n\n둘째 장"
    assert read(sheet(), SHEET) == "배즙\t3.5\t끝\t\n사과"
    assert read(word("가" * 50), WORD, 10) == "가" * 10


@pytest.mark.parametrize("body", [
    "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]><d><t>&b;&b;&b;</t></d>",
    "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><d><t>&x;</t></d>", "<d><t>never closed", "\x00\x01", "",
], ids=["laughs", "a file of ours", "cut", "no xml", "empty"])
def test_xml_that_wants_something(body: str) -> None:
    assert read(word(**{"word/document.xml": body}), WORD) in (None, "never closed")


def test_a_part_that_inflates_to_a_great_deal_of_nothing_is_given_up() -> None:
    # 12 MB of elements, hidden beside noise that makes the ratio honest. The last word is behind what is read.
    noise = Random(1).randbytes(200_000)
    body = "<d><t>first</t>" + "<x/>" * 3_000_000 + "<t>last</t></d>"
    assert read(word(**{"word/document.xml": body, "noise": noise}), WORD) == "first"


def test_what_has_no_text() -> None:
    assert read(b"\x89PNG", "image/png") is None
    assert read(b"\x00\x01\x02", "text/plain") is None
    assert read(b"", "text/plain") is None


def test_pdfium_is_loaded_for_a_pdf_only() -> None:
    program = "import sys, malgil.knowledge.parsing; sys.exit('pypdfium2' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.mark.parametrize("kind", [WORD, SLIDES, SHEET, "application/pdf"])
def test_damaged_documents_are_no_text_and_no_error(kind: str) -> None:
    whole = OFFICE.get(kind) or pdf("Hello", "World")
    random = Random(7)
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(random.choice((1, 3, 20))):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        text = read(bytes(damaged[: random.choice((len(damaged), random.randrange(len(damaged))))]), kind)
        assert text is None or len(text) <= 1000
