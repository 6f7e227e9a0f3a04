"""Ranges and conditions, as RFC 9110 has them."""

from datetime import UTC, datetime

import pytest

from malgil.chat.files.model import StoredFile, clean_name, valid_file_id
from malgil.chat.files.serving import Shown, part_of

AT = datetime(2026, 11, 20, 10, 0, 0, 999_999, tzinfo=UTC)
SHOWN = Shown(100, "image/png", '"abc"', AT, "inline")
LATER, SAME, EARLIER = (f"Fri, 20 Nov 2026 {hour}:00:00 GMT" for hour in ("11", "10", "09"))


@pytest.mark.parametrize(("asked", "status", "start", "end"), [
    ({}, 200, 0, 100), ({"range": "bytes=0-9"}, 206, 0, 10), ({"range": "bytes=90-"}, 206, 90, 100),
    ({"range": "bytes=-10"}, 206, 90, 100), ({"range": "bytes=-1000"}, 206, 0, 100),
    ({"range": "bytes=99-1000"}, 206, 99, 100), ({"range": "bytes=0-0"}, 206, 0, 1),
    ({"range": "bytes=100-"}, 416, 0, 0), ({"range": "bytes=-0"}, 416, 0, 0),
    ({"range": "bytes=5-4"}, 200, 0, 100), ({"range": "bytes=-"}, 200, 0, 100),
    ({"range": "bytes=0-1,5-6"}, 200, 0, 100), ({"range": "lines=0-1"}, 200, 0, 100),
    ({"range": "bytes=" + "9" * 30 + "-"}, 200, 0, 100), ({"range": "bytes=0-1\x00"}, 200, 0, 100),
    ({"range": "bytes=٠-٩"}, 200, 0, 100),
    ({"range": "bytes=0-9", "if-range": '"abc"'}, 206, 0, 10),
    ({"range": "bytes=0-9", "if-range": '"other"'}, 200, 0, 100),
    ({"range": "bytes=0-9", "if-range": 'W/"abc"'}, 200, 0, 100),
    ({"range": "bytes=0-9", "if-range": SAME}, 206, 0, 10),
    ({"range": "bytes=0-9", "if-range": EARLIER}, 200, 0, 100),
    ({"if-none-match": '"abc"'}, 304, 0, 0), ({"if-none-match": 'W/"abc", "x"'}, 304, 0, 0),
    ({"if-none-match": "*"}, 304, 0, 0), ({"if-none-match": '"x"', "if-modified-since": LATER}, 200, 0, 100),
    ({"if-modified-since": SAME}, 304, 0, 0), ({"if-modified-since": EARLIER}, 200, 0, 100),
    ({"if-modified-since": "nonsense"}, 200, 0, 100), ({"if-modified-since": "Fri, 99 Nov 9999"}, 200, 0, 100),
])
def test_what_is_sent(asked: dict[str, str], status: int, start: int, end: int) -> None:
    part = part_of(SHOWN, asked)
    assert (part.status, part.start, part.end) == (status, start, end)
    if status in (200, 206):
        assert part.headers["Content-Length"] == str(end - start)
        assert (part.headers["ETag"], part.headers["Last-Modified"]) == ('"abc"', SAME)
    assert part.headers["X-Content-Type-Options"] == "nosniff"


def test_a_range_says_where_it_is() -> None:
    assert part_of(SHOWN, {"range": "bytes=10-19"}).headers["Content-Range"] == "bytes 10-19/100"
    assert part_of(SHOWN, {"range": "bytes=100-"}).headers["Content-Range"] == "bytes */100"


@pytest.mark.parametrize("text", [
    "", "file_", "file_x", "FILE_01kb2q8w0f3v9xk7n5t1m4c6ze", "file_01kb2q8w0f3v9xk7n5t1m4c6zi",
])
def test_ids_that_no_file_has(text: str) -> None:
    assert not valid_file_id(text)


def test_a_long_ending_is_cut_too() -> None:
    assert clean_name("a." + "b" * 500) == "a." + "b" * 198
    assert len(clean_name("👨‍👩‍👧" * 100 + ".jpeg").encode()) <= 200


def test_a_name_cannot_break_out_of_its_header() -> None:
    name = clean_name("a\"; x=\r\nSet-Cookie: y.html")
    file = StoredFile("f", "t", "u", name, "text/html", 1, "", None, None, None, AT)
    assert file.disposition == (
        "attachment; filename=\"a__ x_Set-Cookie_ y.html\"; filename*=UTF-8''a%22%3B%20x%3DSet-Cookie%3A%20y.html"
    )
