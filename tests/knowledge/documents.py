"""Small documents of every kind, made by hand, so that each test can bend them."""

import io
import zipfile

from malgil.knowledge.office import SHEET, SLIDES, WORD

_TYPES = "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'/>"


def zipped(parts: dict[str, str | bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive with these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def word(*paragraphs: str, **more: str | bytes) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{one}</w:t></w:r></w:p>" for one in paragraphs)
    document = f"<w:document xmlns:w='w'><w:body>{body}</w:body></w:document>"
    return zipped({"[Content_Types].xml": _TYPES, "word/document.xml": document, **more})


def slides(*texts: str) -> bytes:
    shown = {
        f"ppt/slides/slide{n}.xml": f"<p:sld xmlns:p='p' xmlns:a='a'><a:p><a:r><a:t>{one}</a:t></a:r></a:p></p:sld>"
        for n, one in enumerate(texts, 1)
    }
    return zipped({"[Content_Types].xml": _TYPES, "ppt/presentation.xml": "<p/>", **shown})


def sheet() -> bytes:
    """A row of a shared string, a number and an inline string."""
    strings = "<sst><si><t>사과</t></si><si><r><t>배</t></r><r><t>즙</t></r></si></sst>"
    rows = (
        "<worksheet><sheetData><row><c t='s'><v>1</v></c><c><v>3.5</v></c><c t='inlineStr'><is><t>끝</t></is></c></row>"
        "<row><c t='s'><v>0</v></c></row></sheetData></worksheet>"
    )
    return zipped({
        "[Content_Types].xml": _TYPES, "xl/workbook.xml": "<w/>", "xl/sharedStrings.xml": strings,
        "xl/worksheets/sheet1.xml": rows,
    })


OFFICE = {WORD: word("안녕", "두 번째"), SLIDES: slides("첫 장", "둘째 장"), SHEET: sheet()}


def pdf(*lines: str, encrypt: bool = False) -> bytes:
    """A PDF with a page for each line of ASCII text."""
    pages = range(len(lines))
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in pages)
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(lines)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, line in enumerate(lines):
        drawn = f"BT /F1 24 Tf 72 700 Td ({line}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * n} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    made, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(made))
        made += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{at:010} 00000 n \n" for at in offsets)
    locked = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O ({'o' * 32}) /U ({'u' * 32}) /P -4 >> " if encrypt else ""
    end = (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R "
        f"{locked}/ID [(12) (12)] >>\nstartxref\n{len(made)}\n%%EOF\n"
    )
    return made + end.encode()
