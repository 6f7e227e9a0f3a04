"""results.json keeps what each benchmark last found; RESULTS.md shows it."""

import importlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Run = dict[str, Any]
"""`at`, `load` (1 minute, before), `seconds`, `machine`, `command`, and `figures` or `error`."""

HERE = Path(__file__).parent
JSON_FILE = HERE / "results.json"
PAGE_FILE = HERE / "RESULTS.md"


def write(machine: dict[str, str], command: str, runs: Mapping[str, Run]) -> None:
    """Merge the runs into both files."""
    kept: dict[str, Run] = json.loads(JSON_FILE.read_text(encoding="utf-8")) if JSON_FILE.exists() else {}
    kept |= {name: {**run, "machine": machine, "command": command} for name, run in runs.items()}
    JSON_FILE.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    PAGE_FILE.write_text(_page(kept), encoding="utf-8")


def line(figure: Mapping[str, Any]) -> str:
    """One figure as a line of text."""
    shown = f"{figure['what']}: {_number(figure['measured'])} {figure['unit']}"
    if figure["limit"] is not None:
        shown += f", limit {_number(figure['limit'])}, ratio {figure['ratio']:.2f}"
    return shown + (f"  [{figure['bar']}: {_verdict(figure)}]" if figure["bar"] else "")


def _page(runs: Mapping[str, Run]) -> str:
    parts = [
        "# Results\n\n",
        "Written by `make bench` (`python -m bench`). *Measured* is Malgil; *limit* is the same stack with no product",
        " in it, in the same run (how, and exactly what the limit is: below); *ratio* is the one over the other, the",
        " median of the ratios of neighbouring slices. Rows without a bar explain the others.\n",
    ]
    for machine, names in _groups(runs):
        parts.append("\n" + "".join(f"- {name}: {value}\n" for name, value in machine.items()) + "\n")
        parts.append("| benchmark | what | bar | measured | limit | ratio | |\n|---|---|---|---|---|---|---|\n")
        for name in names:
            parts += _rows(name, runs[name])
    parts.append("\n## How each is measured\n")
    for name, run in runs.items():
        module = importlib.import_module(f"bench.measures.{name}")
        parts.append(f"\n### {name}\n\n{inspect.getdoc(module)}\n\n")
        taken = f"`{run['command']}`, {run['at']}, {run['seconds']} s"
        parts.append(f"{taken}; load of the machine before: {run['load']}.\n")
    return "".join(parts)


def _groups(runs: Mapping[str, Run]) -> list[tuple[dict[str, str], list[str]]]:
    """Benchmarks that were run on one machine stand in one table."""
    groups: list[tuple[dict[str, str], list[str]]] = []
    for name, run in runs.items():
        for machine, names in groups:
            if machine == run["machine"]:
                names.append(name)
                break
        else:
            groups.append((run["machine"], [name]))
    return groups


def _rows(name: str, run: Run) -> list[str]:
    if "error" in run:
        return [f"| {name} | failed: {run['error']} | | | | | **failed** |\n"]
    rows = []
    for f in run["figures"]:
        limit = "" if f["limit"] is None else f"{_number(f['limit'])} {f['unit']}"
        ratio = "" if f["ratio"] is None else f"{f['ratio']:.2f}"
        measured = f"{_number(f['measured'])} {f['unit']}"
        rows.append(f"| {name} | {f['what']} | {f['bar']} | {measured} | {limit} | {ratio} | {_verdict(f)} |\n")
    return rows


def _verdict(figure: Mapping[str, Any]) -> str:
    return {True: "met", False: "**not met**", None: ""}[figure["met"]]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
