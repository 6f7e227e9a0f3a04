"""The source of Malgil as trees, for the rules of the house."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "malgil"
# Revisions are history: long lists of statements that nobody edits once they are released.
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "versions" not in p.parts)
ROOMS = sorted(p.parent for p in PACKAGE.glob("*/__init__.py"))

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(path: Path, node: ast.AST) -> str:
    """`malgil/log/store.py:12`."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(tree(path)):
        if isinstance(node, Function):
            yield node


def imports(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    """Every import statement and the module it names."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node, "." * node.level + (node.module or "")


def report(faults: list[str], lesson: str) -> None:
    """Fail with every place at once, and with what to do instead."""
    assert not faults, "\n  ".join([lesson, *faults])
