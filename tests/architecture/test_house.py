"""The house as docs/architecture.md draws it."""

import ast
from pathlib import Path

import pytest

from tests.architecture.source import FILES, PACKAGE, ROOMS, ROOT, place, report, tree

FORBIDDEN_NAMES = {"service", "services", "utils", "util", "helpers", "helper", "common", "misc", "models", "schemas"}


def test_no_module_is_a_drawer() -> None:
    report(
        [
            str(path.relative_to(ROOT))
            for path in FILES
            if set(path.relative_to(PACKAGE).with_suffix("").parts) & FORBIDDEN_NAMES
        ],
        "A name like utils or service says nothing and attracts everything. Name the module by what it knows:",
    )


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_introduces_itself(room: Path) -> None:
    module = tree(room / "__init__.py")
    assert ast.get_docstring(module), (
        f"{room.name}/__init__.py: one paragraph: what this room is, what it promises, what it never does."
    )
    assert len(module.body) == 1, f"{room.name}/__init__.py holds its paragraph only: no imports, no re-exports."


def test_every_file_says_what_it_is() -> None:
    report(
        [str(path.relative_to(ROOT)) for path in FILES if not ast.get_docstring(tree(path))],
        "A file begins with a docstring: what it is for, and what a reader must know before the first line:",
    )


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_room_has_tests(room: Path) -> None:
    tests = list((ROOT / "tests" / room.name).rglob("test_*.py"))
    assert tests, f"tests/{room.name}/ mirrors malgil/{room.name}/ and holds a test_<file>.py for what it does."


def test_the_environment_is_read_in_one_place() -> None:
    settings = PACKAGE / "app" / "settings.py"
    faults = [
        f"{place(path, node)} {ast.unparse(node)}"
        for path in FILES
        if path != settings
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"})
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {"environ", "getenv"} & {alias.name for alias in node.names}
        )
    ]
    report(faults, "Only app/settings.py reads the environment. Take the value as a parameter and let app pass it in:")


def test_nothing_is_waved_through() -> None:
    marks = ("# noqa", "# type: ignore", "# pragma: no cover", "pytest.mark.skip", "pytest.mark.xfail", "pytest.skip(")
    sources = [*FILES, *(ROOT / "tests").rglob("*.py")]
    report(
        [
            f"{path.relative_to(ROOT)}:{number} {mark}"
            for path in sources
            if path != Path(__file__)
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            for mark in marks
            if mark in line
        ],
        "An exception to a rule is a rule that is wrong or code that is wrong. Mend one of them:",
    )
