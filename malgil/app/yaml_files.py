"""The YAML files under `config/`: each key is another way to write one setting, and knows the line it stands on."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

# file → key → setting. A key that is not here is an error.
YAML_KEYS: Final[dict[str, dict[str, str]]] = {
    "api.yaml": {
        "cors.origins": "cors_origins",
        "timeouts.drain": "drain_timeout",
        "timeouts.keep_alive": "keep_alive_timeout",
        "timeouts.database_pool": "database_pool_timeout",
        "body_limits.json": "json_body_limit",
        "body_limits.file": "max_file_size",
        "proxies.trusted": "trusted_proxies",
    },
    "websocket.yaml": {
        "connections.max": "ws_max_connections",
        "connections.max_per_user": "ws_max_connections_per_user",
        "connections.heartbeat_interval": "ws_heartbeat_interval",
        "connections.timeout": "ws_connection_timeout",
        "connections.message_size_limit": "ws_message_size_limit",
        "sessions.replay_entries": "ws_replay_entries",
        "sessions.replay_bytes": "ws_replay_bytes",
    },
    "rate_limit.yaml": {
        "enabled": "rate_limit_enabled",
        "messages_per_minute": "rate_limit_messages_per_minute",
        "default": "rate_limit_default",
        "endpoints": "rate_limit_endpoints",
        "roles": "rate_limit_roles",
    },
}


_NULL: Final = "tag:yaml.org,2002:null"
_DEEPEST: Final = 8

Inside = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One setting in a file: its value and where it stands (`config/api.yaml:3: cors.origins`).

    `inside`: where each part of a value of several parts stands, by its path.
    """

    value: Any
    where: str
    inside: Mapping[Inside, str]

    def place(self, path: Sequence[str | int]) -> tuple[str, list[str | int]]:
        """Where the part at `path` stands, and what of the path is not in the file."""
        place, rest = self.where, list(path)
        known: Inside = ()
        while rest:
            if (*known, rest[0]) in self.inside:
                known = (*known, rest.pop(0))
                place = self.inside[known]
            elif rest[0] == 0:
                rest.pop(0)  # a single thing where a list may stand
            else:
                break
        return place, rest


def read_files(folder: Path) -> tuple[dict[str, Found], list[str]]:
    """The settings that the files of `folder` hold, by setting name, and what is wrong with the files."""
    found: dict[str, Found] = {}
    faults: list[str] = []
    for name, keys in YAML_KEYS.items():
        path = folder / name
        if path.is_file():
            _read(path, f"{folder.name}/{name}", keys, found, faults)
    return found, faults


def _read(path: Path, shown: str, keys: dict[str, str], found: dict[str, Found], faults: list[str]) -> None:
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 1
        faults.append(f"{shown}:{line}: not YAML: {e.problem}")
        return
    except (OSError, ValueError, yaml.YAMLError) as e:
        faults.append(f"{shown}: cannot be read: {e}")
        return
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        faults.append(f"{shown}:1: want `key: value` lines")
        return
    for key, line, node in _leaves(root, "", set(keys)):
        where = f"{shown}:{line}: {key}"
        if key not in keys:
            faults.append(f"{where}: no such key{_nearest(key, keys)}")
        elif keys[key] in found:
            faults.append(f"{where}: given twice")
        else:
            try:
                inside: dict[Inside, str] = {}
                value = _value(node)
                _look_inside(node, (), f"{shown}:{{}}: {key}", inside, faults)
                found[keys[key]] = Found(value, where, inside)
            except yaml.MarkedYAMLError as e:
                faults.append(f"{where}: {e.problem}")


def _look_inside(node: yaml.Node, path: Inside, shown: str, inside: dict[Inside, str], faults: list[str]) -> None:
    """Note where each part of a value stands; YAML's own reader drops what is given twice without a word."""
    parts: list[tuple[str | int, yaml.Node, yaml.Node]] = []
    if len(path) >= _DEEPEST:
        return  # a file whose parts hold themselves
    if isinstance(node, yaml.SequenceNode):
        parts = [(number, child, child) for number, child in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        parts = [(str(name.value), name, child) for name, child in node.value]
    for part, at, child in parts:
        here = (*path, part)
        name = f"[{part}]" if isinstance(part, int) else f".{part}"
        place = shown.format(at.start_mark.line + 1) + name
        if here in inside:
            faults.append(f"{place}: given twice")
        inside[here] = place
        _look_inside(child, here, shown + name.replace("{", "{{").replace("}", "}}"), inside, faults)


def _leaves(node: yaml.MappingNode, prefix: str, keys: set[str]) -> list[tuple[str, int, yaml.Node]]:
    """Every key of the file with its line; sections (`cors:`) are walked into, known keys and strangers are leaves."""
    leaves: list[tuple[str, int, yaml.Node]] = []
    for name, child in node.value:
        key = f"{prefix}{name.value if isinstance(name, yaml.ScalarNode) else '?'}"
        is_section = any(known.startswith(f"{key}.") for known in keys)
        if is_section and isinstance(child, yaml.MappingNode):
            leaves += _leaves(child, f"{key}.", keys)
        elif not (is_section and child.tag == _NULL):  # an empty section says nothing
            leaves.append((key, name.start_mark.line + 1, child))
    return leaves


def _value(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _nearest(key: str, keys: dict[str, str]) -> str:
    close = difflib.get_close_matches(key, keys, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(keys))}"
