"""What the documents show does what they say."""

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import httpx

from tests.crash.harness import Server, until
from tests.system.pages import QUESTION, documented


def module_of(source: str, path: Path) -> ModuleType:
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_documented_python_client_survives_kill_9(
    server: Server, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    client = module_of(documented("python"), tmp_path / "follow.py")
    seen = SimpleNamespace(text="", done=False)

    def show(_message_id: str, text: str, done: bool) -> None:
        seen.text, seen.done = text, done

    address = f"{server.url.replace('http', 'ws', 1)}/ws/documented"
    following = asyncio.create_task(client.follow(address, show, QUESTION))
    assert await until(lambda: len(seen.text) > 10, 30)
    assert not seen.done

    server.kill()
    server.start()

    assert await until(lambda: seen.done, 30)
    following.cancel()
    asked, answer = (await api.get("/api/chat/sessions/documented/messages")).json()["messages"]
    assert asked["content"] == QUESTION
    assert seen.text == answer["content"]
