"""Files and functions stay small enough to be read at one sitting (docs/architecture.md)."""

from tests.architecture.source import FILES, ROOT, functions, place, report

FILE_LINES = 400
FUNCTION_LINES = 60


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    report(
        [f"{path.relative_to(ROOT)}: {lines} lines" for path, lines in lengths.items() if lines > FILE_LINES],
        f"A file has at most {FILE_LINES} lines (200 wanted). Split it along what it knows, not by its length:",
    )


def test_functions_are_short() -> None:
    report(
        [
            f"{place(path, function)} {function.name}: {function.end_lineno - function.lineno + 1} lines"
            for path in FILES
            for function in functions(path)
            if function.end_lineno and function.end_lineno - function.lineno + 1 > FUNCTION_LINES
        ],
        f"A function has at most {FUNCTION_LINES} lines (25 wanted). Give its steps names of their own:",
    )
