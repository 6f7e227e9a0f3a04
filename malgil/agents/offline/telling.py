"""Any tool result as readable lines: what it says of itself, else its passages, else field by field."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from malgil.agents.offline import text_en, text_ko
from malgil.agents.offline.language import Language
from malgil.agents.offline.passages import Passage, quote
from malgil.agents.offline.words import spelled

_MOST_ITEMS, _MOST_DEPTH, _LONGEST = 10, 3, 600
_WON = re.compile(r"(?:^|_)krw$")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?")
_TOLD_BY_OTHER_MEANS = frozenset({"say", "found", "ok", "success"})


@dataclass(frozen=True, slots=True)
class Voice:
    """One language: its catalogue and what it calls fields."""

    language: Language
    catalogue: Mapping[str, str]
    fields: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        return self.catalogue[key].format(**values)


VOICES: dict[Language, Voice] = {
    "ko": Voice("ko", text_ko.SAY, text_ko.FIELDS),
    "en": Voice("en", text_en.SAY, text_en.FIELDS),
}


def tell(result: Any, question: str, voice: Voice) -> str:
    """The result of a tool as text in the voice's language."""
    if isinstance(result, dict):
        said = _own_words(result.get("say"), voice.language)
        if said:
            return said
        passages = _passages(result)
        if passages is not None:
            return quoted(passages, question, voice) or voice("no_passage")
        result = {key: value for key, value in result.items() if key not in _TOLD_BY_OTHER_MEANS}
    lines = _lines(result, voice, 0)
    return "\n".join(lines).strip() or voice("nothing")


def lists_nothing(result: Any) -> bool:
    """Whether the result is about a list and the list is empty."""
    lists = [value for value in result.values() if isinstance(value, list)] if isinstance(result, dict) else []
    return bool(lists) and not any(lists)


def _own_words(say: Any, language: Language) -> str:
    if isinstance(say, dict):
        say = say.get(language) or next((text for text in say.values() if isinstance(text, str) and text), "")
    return say.strip() if isinstance(say, str) else ""


def _passages(result: dict[str, Any]) -> list[Passage] | None:
    given = result.get("passages")
    if not isinstance(given, list):
        return None
    return [
        Passage(str(one["text"]), str(one.get("title") or ""), one.get("page"))
        for one in given if isinstance(one, dict) and one.get("text")
    ]


def received(document: Passage, voice: Voice) -> str:
    """What is said of a file that came without a question."""
    return voice("file_read" if document.text else "file_unread", name=_where(document, voice))


def quoted(passages: Sequence[Passage], question: str, voice: Voice) -> str | None:
    """What of the passages fits the question, with where it stands; None when nothing does."""
    quotes = quote(passages, question)
    if not quotes:
        return None
    cited = sorted({number for _, number in quotes})
    return "\n".join([
        voice("from_passages"),
        *(voice("line", text=f"{sentence} [{number}]") for sentence, number in quotes),
        *(voice("passage_source", number=n, title=_where(passages[n - 1], voice)) for n in cited),
    ])


def _where(passage: Passage, voice: Voice) -> str:
    title = passage.title or voice("untitled")
    return title if passage.page is None else voice("page", title=title, page=passage.page)


def _lines(value: Any, voice: Voice, depth: int) -> list[str]:
    match value:
        case dict():
            return _object_lines(_in_language(value, voice.language), voice, depth)
        case list():
            return _list_lines(value, voice, depth)
        case _:
            return [_scalar("", value, voice)] if value is not None else []


def _object_lines(fields: dict[str, Any], voice: Voice, depth: int) -> list[str]:
    lines: list[str] = []
    for key, value in fields.items():
        name = voice.fields.get(key, spelled(key))
        if isinstance(value, dict | list):
            inner = _lines(value, voice, depth + 1) if depth < _MOST_DEPTH else []
            lines += [f"{name}:", *inner] if inner else [f"{name}: {voice('none')}"]
        elif value is not None:
            lines.append(f"{name}: {_scalar(key, value, voice)}")
    return lines


def _list_lines(values: list[Any], voice: Voice, depth: int) -> list[str]:
    lines = [voice("line", text=_inline(value, voice, depth)) for value in values[:_MOST_ITEMS]]
    return lines + ([voice("more", count=len(values) - _MOST_ITEMS)] if len(values) > _MOST_ITEMS else [])


def _inline(value: Any, voice: Voice, depth: int) -> str:
    return _cut(", ".join(_lines(value, voice, depth + 1)) if isinstance(value, dict | list) else
                _scalar("", value, voice))


def _in_language(fields: dict[str, Any], language: Language) -> dict[str, Any]:
    """Of `name_ko` and `name_en` only the language's own, as `name`."""
    told: dict[str, Any] = {}
    for key, value in fields.items():
        base, _, ending = key.rpartition("_")
        if not base or ending not in VOICES:
            told[key] = value
        elif ending == language or f"{base}_{language}" not in fields:
            told[base] = value
    return told


def _scalar(key: str, value: Any, voice: Voice) -> str:
    if value is None:
        return voice("none")
    if isinstance(value, bool):
        return voice("yes" if value else "no")
    if isinstance(value, int | float):
        return f"₩{value:,}" if _WON.search(key) else str(value)
    text = str(value)
    return _moment(text, voice) if _DATE.fullmatch(text) else _cut(text)


def _moment(text: str, voice: Voice) -> str:
    try:
        if len(text) == len("2026-01-01"):
            day = date.fromisoformat(text)
            return voice("day", year=day.year, month=day.month, day=day.day)
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return voice("moment", year=at.year, month=at.month, day=at.day, hour=at.hour, minute=at.minute)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
