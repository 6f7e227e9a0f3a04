"""A part of the edge that is loaded when it is first wanted."""

import asyncio
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from malgil.app.late import Late

HEAVY = "wsgiref.simple_server"
"""Of the standard library, and used by nobody here."""


class _Served:
    """Counts what it is asked."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1


async def test_it_is_loaded_once_by_the_first_of_many() -> None:
    sys.modules.pop(HEAVY, None)
    built: list[_Served] = []

    def build(module: ModuleType) -> ASGIApp:
        built.append(_Served(module))
        return built[-1]

    late = Late(HEAVY, build)
    assert HEAVY not in sys.modules
    await asyncio.gather(*(late({}, _nothing, _nothing) for _ in range(10)))
    assert [(one.module.__name__, one.asked) for one in built] == [(HEAVY, 10)]


async def test_a_module_that_is_not_there_is_tried_again() -> None:
    late = Late("malgil.app.nothing_such", _Served)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            await late({}, _nothing, _nothing)


def test_starting_does_not_load_what_only_some_clients_need() -> None:
    asked = "import sys, malgil.app.serve; print([m for m in ('socketio', 'engineio', 'aiohttp') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout == "[]\n"


async def _nothing(*_: Any) -> Any: ...
