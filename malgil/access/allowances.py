"""Which rules a request answers to: by its endpoint and by the roles of who calls. Pure; app fills it.

One thing decides, the most particular: the endpoint's own rules, else for a door that takes messages those of
messages, else the default. A role may have rules of its own; who has several gets the most generous.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from malgil.access.limits import Rule

Rules = tuple[Rule, ...]

ANY: Final = "*"
_MOST_TABLES: Final = 256
_PARAMETER: Final = re.compile(r"\{\w+(:path)?\}")


@dataclass(frozen=True, slots=True)
class Allowance:
    """Rules of everybody or of a role; what is None or not there is as for everybody. Endpoints: `POST /agent/chat`."""

    default: Rules | None = None
    messages: Rules | None = None
    endpoints: Mapping[str, Rules] = field(default_factory=dict)


class Allowances:
    """`doors` are the endpoints that take messages; `free` are paths that are not limited."""

    def __init__(
        self, everybody: Allowance, roles: Mapping[str, Allowance] | None = None, *, doors: Sequence[str] = (),
        free: Iterable[str] = (),
    ) -> None:
        self._everybody = everybody
        self._roles = roles or {}
        self._doors = doors
        self._free = frozenset(free)
        self._tables: dict[frozenset[str], _Table] = {}

    def of_request(self, method: str, path: str, roles: frozenset[str]) -> Rules:
        """The rules of a request; none: it is free."""
        if path in self._free or method == "OPTIONS":
            return ()
        return self._table(roles).find(method, path)

    def of_message(self, roles: frozenset[str]) -> Rules:
        """The rules of a message that comes over a socket."""
        return self._table(roles).messages

    def _table(self, roles: frozenset[str]) -> "_Table":
        found = self._tables.get(roles)
        if found is None:
            if len(self._tables) >= _MOST_TABLES:
                self._tables.clear()
            found = self._tables[roles] = self._make(roles)
        return found

    def _make(self, roles: frozenset[str]) -> "_Table":
        sections = [self._everybody, *(one for name, one in self._roles.items() if name in roles)]
        default = _most_generous(one.default for one in sections)
        messages = _most_generous(one.messages for one in sections)
        named = dict.fromkeys(name for one in sections for name in one.endpoints)
        endpoints = {name: _most_generous(one.endpoints.get(name) for one in sections) for name in named}
        return _Table(default, messages, [*endpoints.items(), *((door, messages) for door in self._doors)])


class _Table:
    """What holds for callers of the same roles, with the endpoints of each method as one pattern."""

    def __init__(self, default: Rules, messages: Rules, endpoints: Sequence[tuple[str, Rules]]) -> None:
        self._default = default
        self.messages = messages
        split = [(name.partition(" "), rules) for name, rules in endpoints]
        methods = {method for (method, _, _), _ in split} | {ANY}
        self._by_method = {
            method: _compile([(path, rules) for (one, _, path), rules in split if one in (method, ANY)])
            for method in methods
        }

    def find(self, method: str, path: str) -> Rules:
        pattern, rules = self._by_method.get(method) or self._by_method[ANY]
        found = pattern.fullmatch(path)
        return rules[found.lastindex - 1] if found and found.lastindex else self._default


def _compile(endpoints: Sequence[tuple[str, Rules]]) -> tuple[re.Pattern[str], list[Rules]]:
    """One pattern whose group number names the endpoint; the first that fits counts."""
    # Without endpoints a pattern that fits nothing.
    whole = "|".join(f"{_expression(path)}()" for path, _ in endpoints) or r"(?!)"
    return re.compile(whole), [rules for _, rules in endpoints]


def _expression(template: str) -> str:
    """`/a/{id}` fits one segment, `/a/{rest:path}` all that follows."""
    parts, end = [], 0
    for found in _PARAMETER.finditer(template):
        parts += [re.escape(template[end : found.start()]), ".+" if found[1] else "[^/]+"]
        end = found.end()
    return "".join([*parts, re.escape(template[end:])])


def _most_generous(choices: Iterable[Rules | None]) -> Rules:
    given = [rules for rules in choices if rules]
    return max(given, key=lambda rules: min(rule.rate for rule in rules), default=())
