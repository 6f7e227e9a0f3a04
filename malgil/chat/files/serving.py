"""A file as an HTTP answer: whole, in part, or not at all because the client has it. Pure; see RFC 9110."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)

GUARDS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, max-age=3600",
}
"""What keeps a file from being anything but a file, whatever it holds."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a client may be sent: bytes that never change, so the tag is their hash."""

    size: int
    media_type: str
    tag: str
    made: datetime
    disposition: str


@dataclass(frozen=True, slots=True)
class Part:
    """What to send: a status, the headers, and the bytes from `start` up to `end`."""

    status: int
    headers: dict[str, str]
    start: int = 0
    end: int = 0


def part_of(shown: Shown, asked: Mapping[str, str]) -> Part:
    """The part that the request's headers (names in lower case) ask for."""
    made = shown.made.astimezone(UTC).replace(microsecond=0)
    headers = {
        **GUARDS, "ETag": shown.tag, "Last-Modified": format_datetime(made, usegmt=True), "Accept-Ranges": "bytes",
    }
    if _has_it(asked, shown.tag, made):
        return Part(304, headers)
    whole = headers | {"Content-Type": shown.media_type, "Content-Disposition": shown.disposition}
    span = _span(asked.get("range", ""), shown.size) if _may_be_partial(asked, shown.tag, made) else None
    if span is None:
        return Part(200, whole | {"Content-Length": str(shown.size)}, 0, shown.size)
    start, end = span
    if start >= end:
        return Part(416, GUARDS | {"Content-Range": f"bytes */{shown.size}", "Content-Length": "0"})
    whole |= {"Content-Range": f"bytes {start}-{end - 1}/{shown.size}", "Content-Length": str(end - start)}
    return Part(206, whole, start, end)


def _has_it(asked: Mapping[str, str], tag: str, made: datetime) -> bool:
    named = asked.get("if-none-match")
    if named is not None:
        return named.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in named.split(","))
    since = _date(asked.get("if-modified-since"))
    return since is not None and made <= since


def _may_be_partial(asked: Mapping[str, str], tag: str, made: datetime) -> bool:
    """If-Range: only of the very bytes that the client has the other part of."""
    condition = asked.get("if-range")
    return condition is None or condition.strip() == tag or _date(condition) == made


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """The one range of bytes; None for what is to be answered whole: no range, several, or no sense. Empty when there
    are no such bytes."""
    found = _RANGE.fullmatch(asked.strip().replace(" ", ""))
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1 if last else size, size)


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
