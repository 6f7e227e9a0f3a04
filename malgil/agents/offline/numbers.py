"""Numbers in a text, and what they count: money, things, or which one is meant."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["money", "count", "id", "plain"]
Bound = Literal["max", "min"]

_NUMBER = re.compile(
    r"(?P<money>[₩$€£]\s?)?"
    r"(?P<id>(?:#|주문\s?(?:번호)?\s?[:#]?|번호\s?[:#]?|order\s?(?:number|no\.?|id)?\s?[:#]?|no\.)\s?)?"
    r"(?<![0-9=/&_])(?<![0-9][-./:,])"
    r"(?P<digits>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15})(?P<part>\.[0-9]{1,6})?(?![0-9]|[-/:,.][0-9])"
    r"(?:\s?(?P<scale>만|천)(?=\s?원|\s|$))?"
    r"(?P<unit>\s?(?:원|(?:won|krw|usd|dollars?)(?![a-z])|개(?!월)|건|가지|items?(?![a-z])|번(?!째)|호)|개월|[년월일시분초%살층명도]|주(?!문))?"
    r"(?P<after>.{0,14})?",
    re.IGNORECASE,
)
_MONEY = {"원", "won", "krw", "usd", "dollar", "dollars"}
_COUNT = {"개", "건", "가지", "item", "items"}
_ID = {"번", "호"}
_MAX = re.compile(r"이하|까지|미만|아래|안쪽|under|below|less than|cheaper than|up to|at most|within", re.IGNORECASE)
_MIN = re.compile(r"이상|넘는|초과|over\b|above|more than|at least", re.IGNORECASE)
_TOP = re.compile(r"(?:top|last|latest|recent|first|최근|상위)\s?$", re.IGNORECASE)
_SCALES = {"만": 10_000, "천": 1_000}
_MOST = 50


@dataclass(frozen=True, slots=True)
class Number:
    """One number, as money in its unit, as a count, as the name of a thing, or just a number."""

    value: int | float
    kind: Kind
    bound: Bound | None = None


def numbers(text: str) -> list[Number]:
    """The numbers of the text in order, each once; dates, times and parts of longer codes are none."""
    found: dict[Number, None] = {}
    at = 0
    while len(found) < _MOST and (match := _NUMBER.search(text, at)):
        at = max(match.end("part"), match.end("digits"))
        number = _number(text, match)
        if number:
            found[number] = None
    return list(found)


def _number(text: str, match: re.Match[str]) -> Number | None:
    value = _value(match)
    before = text[max(0, match.start() - 14) : match.start("digits")]
    unit, after = (match["unit"] or "").strip().lower(), match["after"] or ""
    if unit in _MONEY or match["money"] or match["scale"]:
        bound: Bound | None = "max" if _MAX.search(after) or _MAX.search(before) else None
        if bound is None and (_MIN.search(after) or _MIN.search(before)):
            bound = "min"
        return Number(value, "money", bound)
    if unit in _COUNT or (_TOP.search(before) and value <= 50):
        return Number(value, "count")
    if unit in _ID or match["id"]:
        return Number(value, "id")
    return Number(value, "plain") if not unit else None


def _value(match: re.Match[str]) -> int | float:
    whole = match["digits"].replace(",", "")
    value: int | float = float(whole + match["part"]) if match["part"] else int(whole)
    return value * _SCALES.get(match["scale"] or "", 1)
