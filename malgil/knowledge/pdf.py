"""The text of PDFs. A module of its own, because PDFium costs 0.1 s that who sends no PDF need not pay.

PDFium is native code that may be called from one thread only: call it in a process of its own.
"""

import time
from typing import Any, BinaryIO, Final

import pypdfium2

from malgil.knowledge.archive import Unreadable

PAGES_MOST: Final = 200
SECONDS_MOST: Final = 10.0


def text_of(file: BinaryIO, most: int) -> str:
    """About the first `most` characters, a form feed between pages. Raises Unreadable for a damaged or locked one."""
    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as e:
        raise Unreadable("a damaged or encrypted PDF") from e
    try:
        return _pages(document, most)
    except pypdfium2.PdfiumError as e:
        raise Unreadable("a damaged PDF") from e
    finally:
        document.close()


def _pages(document: Any, most: int) -> str:
    pages: list[str] = []
    until = time.monotonic() + SECONDS_MOST
    for number in range(min(len(document), PAGES_MOST)):
        if most <= 0 or time.monotonic() > until:
            break
        page = document[number]
        text = page.get_textpage()
        try:
            said = text.get_text_range(0, min(text.count_chars(), most)) if most else ""
        finally:
            text.close()
            page.close()
        pages.append(said.replace("\r\n", "\n"))
        most -= len(said)
    return "\f".join(pages).strip()
