"""A tool's arguments from what was said, by its JSON schema. What is not said is left out; nothing is made up."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from malgil.agents.offline.numbers import Kind
from malgil.agents.offline.profile import Parameter, Profile
from malgil.agents.offline.reading import Reading
from malgil.agents.offline.words import CONCEPT, Word, is_korean, spelled, units

_FORMS = {
    "email": re.compile(r"[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"),
    "url": re.compile(r"https?://[^\s<>\"'）)]{1,2000}"),
    "date": re.compile(r"(?<![0-9])[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.+Z-]{4,25})?"),
}
_CODE = re.compile(r"(?<![\w-])(?=[\w-]{0,40}[0-9])[A-Za-z0-9][A-Za-z0-9_-]{1,40}")
_KINDS: dict[str, tuple[Kind, ...]] = {
    "money": ("money", "plain"), "count": ("count",), "number": ("plain", "money", "count"),
}
_TEXT_MOST = 200
_ENOUGH = 0.5


@dataclass(frozen=True)
class Filled:
    """Arguments found, and the required parameters for which nothing was said."""

    values: dict[str, Any]
    missing: tuple[Parameter, ...]


def fill(tool: Profile, clause: Reading, whole: Reading, *, thing: int | str | None) -> Filled:
    """The tool's arguments from a clause, what else stands in the question, and the thing that is meant, if any."""
    values: dict[str, Any] = {}
    for parameter in tool.parameters:
        value = thing if parameter.role == "id" else _value(parameter, tool, clause, whole, values)
        if value is not None and _fits(value, parameter.schema):
            values[parameter.name] = value
    missing = (p for p in tool.parameters if p.required and p.name not in values)
    return Filled(values, tuple(missing))


def things(tool: Profile, reading: Reading) -> tuple[int | str, ...]:
    """What the reading names that the tool could take as the thing it is about."""
    parameter = tool.names_thing
    if parameter is None:
        return ()
    coded = parameter.schema.get("type") == "string"
    named: Sequence[int | str] = _CODE.findall(reading.text) if coded else reading.ids
    return tuple(one for one in named if _fits(one, parameter.schema))


def _value(parameter: Parameter, tool: Profile, clause: Reading, whole: Reading, taken: dict[str, Any]) -> Any:
    match parameter.role:
        case "enum":
            used = [v for v in taken.values() if isinstance(v, str)]
            return choice(parameter, clause, used) or choice(parameter, whole, used)
        case "flag":
            return True if parameter.name_units & set(clause.units) else None
        case "money" | "count" | "number":
            return _amount(parameter, clause, taken)
        case "email" | "url" | "date" as form:
            found = _FORMS[form].search(whole.text)
            return found.group() if found else None
        case "text":
            return _text(parameter, tool, clause)
        case "list":
            return _several(parameter, tool, clause)
        case _:
            return None


def choice(parameter: Parameter, reading: Reading, used: Sequence[str] = ()) -> Any:
    """The allowed value that the reading speaks of most and first, or None; a value already taken comes last."""
    said = [word.text for word in reading.words]
    about = set(reading.units)
    best, most = None, (0.0, 0)
    for value in parameter.choices:
        own, name = units(spelled(str(value))), str(value).lower()
        score = 2.0 if name in said else len(own & about) / len(own) if own else 0.0
        rank = (score / 4 if value in used else score, -said.index(name) if name in said else -len(said))
        if rank > most or (best is None and score):
            best, most = value, rank
    return best if most[0] >= _ENOUGH else None


def _text(parameter: Parameter, tool: Profile, clause: Reading) -> str | None:
    """Quotations go to a tool's texts in order, required ones first; without any, what is left goes to the first."""
    takers = sorted((p for p in tool.parameters if p.role == "text"), key=lambda p: not p.required)
    given = [quotation[:_TEXT_MOST] for quotation in clause.quotations] or [rest(tool, clause)]
    place = takers.index(parameter)
    return (given[place] or None) if place < len(given) else None


def rest(tool: Profile, clause: Reading) -> str:
    """The words of the clause that carry meaning and are not what the tool is called by: what to look for, or where."""
    return " ".join(word.text for word in clause.words if _is_value(word, tool))[:_TEXT_MOST]


def _is_value(word: Word, tool: Profile) -> bool:
    if not word.units:
        return False
    concepts = {unit for unit in word.units if unit.startswith(CONCEPT)}
    if concepts:
        return not concepts & tool.weights.keys()
    return not word.units & tool.name_units and not (is_korean(word.text) and len(word.text) == 1)


def _several(parameter: Parameter, tool: Profile, clause: Reading) -> list[Any] | None:
    kind = parameter.schema.get("items", {}).get("type")
    if kind == "integer":
        return list(clause.ids) or None
    return rest(tool, clause).split() or None if kind in (None, "string") else None


def _amount(parameter: Parameter, clause: Reading, taken: dict[str, Any]) -> int | float | None:
    bound = "max" if "#maximum" in parameter.units else "min" if "#minimum" in parameter.units else None
    whole = parameter.schema.get("type") == "integer"
    for kind in _KINDS[parameter.role]:
        for number in clause.numbers:
            if number.kind == kind and number.bound == bound and number.value not in taken.values():
                return int(number.value) if whole else number.value
    return None


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether the schema's limits allow the value."""
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return _within(value, schema)
    if isinstance(value, str):
        long_enough = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return bool(long_enough) and _follows(str(schema.get("pattern", "")), value)
    return True


def _follows(pattern: str, value: str) -> bool:
    try:
        return bool(re.search(pattern, value))
    except re.error:
        # A pattern of another regular expression dialect: the tool itself will judge.
        return True


def _within(value: float, schema: dict[str, Any]) -> bool:
    return bool(
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and schema.get("exclusiveMinimum", value - 1) < value < schema.get("exclusiveMaximum", value + 1)
    )
