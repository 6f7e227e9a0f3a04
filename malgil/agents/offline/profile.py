"""What a tool says of itself, read once: the units it is about, its parameters, and whether it acts or only reads."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic_ai.tools import ToolDefinition

from malgil.agents.offline.language import Language, language_of
from malgil.agents.offline.lexicon import ACTING, READING
from malgil.agents.offline.words import bigrams, spelled, units
from malgil.kit import json

Role = Literal["enum", "flag", "money", "count", "id", "number", "text", "email", "url", "date", "list", "other"]

_NAME, _DESCRIPTION, _PARAMETER = 1.0, 0.9, 0.4
_SENTENCE = re.compile(r"(?<=[.!?。])\s+")
_LONGEST_LABEL = 90


@dataclass(frozen=True)
class Parameter:
    """One argument of a tool, as its JSON schema describes it."""

    name: str
    role: Role
    required: bool
    schema: dict[str, Any]
    units: frozenset[str]
    name_units: frozenset[str]

    @property
    def choices(self) -> list[Any]:
        return list(self.schema.get("enum") or ([self.schema["const"]] if "const" in self.schema else []))

    def label(self, language: Language) -> str:
        """What a person calls it: the part of its description in the language, else its name in words."""
        return _in_language(self.schema.get("description", ""), ",", language) or spelled(self.name)


@dataclass(frozen=True)
class Profile:
    """A tool as the offline model knows it. `weights` says how much each unit speaks for it."""

    name: str
    description: str
    title: str
    acts: bool
    parameters: tuple[Parameter, ...]
    weights: dict[str, float]
    pairs: frozenset[str]
    name_units: frozenset[str]

    def label(self, language: Language) -> str:
        """What people call the tool."""
        return _in_language(self.title, "/", language) or spelled(self.name)

    def ability(self, language: Language) -> str:
        """What it does in a line."""
        told = _in_language(self.description, None, language)
        return told if told and len(told) <= _LONGEST_LABEL else self.label(language)

    @property
    def names_thing(self) -> Parameter | None:
        """The parameter that says which thing is meant, if there is one."""
        return next((p for p in self.parameters if p.role == "id"), None)


def profile(tool: ToolDefinition) -> Profile:
    """The profile of a tool; remembered by what the definition says."""
    about = tool.metadata or {}
    acts = about.get("idempotent") is False
    return _profile(
        tool.name, tool.description or "", str(about.get("title") or ""), acts, json.dumps(tool.parameters_json_schema)
    )


@lru_cache(maxsize=512)
def _profile(name: str, description: str, title: str, acts: bool, schema_text: str) -> Profile:
    schema = json.loads(schema_text)
    parameters = tuple(_parameters(schema))
    name_units = units(spelled(name))
    weights: dict[str, float] = {}
    for parameter in parameters:
        weights |= dict.fromkeys(parameter.units, _PARAMETER)
    weights |= dict.fromkeys(units(f"{title} {description}"), _DESCRIPTION) | dict.fromkeys(name_units, _NAME)
    acts = acts or _sounds_acting(spelled(name).lower().split())
    return Profile(name, description, title, acts, parameters, weights, bigrams(weights), name_units)


def _sounds_acting(name: list[str]) -> bool:
    return bool(name) and name[0] in ACTING and name[-1] not in READING


def _parameters(schema: dict[str, Any]) -> list[Parameter]:
    required = set(schema.get("required", ()))
    found = []
    for name, own in schema.get("properties", {}).items():
        plain = _resolved(own, schema.get("$defs", {}))
        named = units(spelled(name))
        values = " ".join(spelled(str(value)) for value in plain.get("enum", ()))
        about = named | units(f"{plain.get('description', '')} {values}")
        found.append(Parameter(name, _role(plain, named or about), name in required, plain, about, named))
    return found


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with references followed and `X | null` taken as X."""
    for _ in range(4):
        if "$ref" in schema:
            schema = {**definitions.get(schema["$ref"].rsplit("/", 1)[-1], {}), **_without(schema, "$ref")}
            continue
        options = [one for one in schema.get("anyOf", schema.get("oneOf", ())) if one.get("type") != "null"]
        if not options:
            break
        schema = {**options[0], **_without(schema, "anyOf", "oneOf")}
    return schema


def _without(schema: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in keys}


def _role(schema: dict[str, Any], named: frozenset[str]) -> Role:
    if schema.get("enum") or "const" in schema:
        return "enum"
    match schema.get("type"):
        case "boolean":
            return "flag"
        case "integer" | "number":
            return _number_role(schema, named)
        case "array":
            return "list"
        case "string":
            return _text_role(schema, named)
        case _:
            return "other"


def _number_role(schema: dict[str, Any], named: frozenset[str]) -> Role:
    if named & {"#price", "#payment", "#fee", "#balance", "amount"}:
        return "money"
    if named & {"#count"}:
        return "count"
    return "id" if schema["type"] == "integer" and named & {"#number", "#order", "id"} else "number"


def _text_role(schema: dict[str, Any], named: frozenset[str]) -> Role:
    formats: dict[str, Role] = {"email": "email", "uri": "url", "date": "date", "date-time": "date"}
    if schema.get("format") in formats:
        return formats[schema["format"]]
    if "#email" in named:
        return "email"
    return "id" if named & {"#number", "id"} else "text"


def _in_language(text: str, separator: str | None, language: Language) -> str:
    parts = _SENTENCE.split(text) if separator is None else text.split(separator)
    return next((part.strip(" .") for part in parts if part.strip() and language_of([part], "en") == language), "")
