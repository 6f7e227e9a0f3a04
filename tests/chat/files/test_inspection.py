"""The look at a file happens in a process of its own: whatever becomes of that one, the server lives on."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import httpx
import psutil
import pytest
import uvloop
from fastapi import FastAPI

from malgil.app.problems import install
from malgil.app.setting_types import FILE_TYPES
from malgil.chat.files.errors import FileDamaged, TypeNotAllowed
from malgil.chat.files.inspection import SAID_MOST, Inspector, Look
from malgil.chat.files.settings import FileSettings
from malgil.chat.files.shelf import Shelf
from malgil.chat.model import Session
from malgil.chat.room import ChatRoom
from malgil.chat.routes import build_router
from malgil.storage.blobs import LocalBlobs
from tests.chat.files.matter import picture, send
from tests.chat.people import authenticate, eventually, log_of
from tests.knowledge.documents import pdf

ROOT = Path(__file__).parents[3]
TYPES = frozenset(FILE_TYPES)
CONFINED = "import sys, os, time; from malgil.chat.files.looking import confine; confine()\n"
"""How the process begins that really looks."""

KNOWN = "print('{\"media_type\": \"image/png\"}', flush=True)\n"
CRASH = "import ctypes; ctypes.string_at(0)"
EAT = "held = []\nwhile True: held.append(bytearray(1 << 24))"
SPIN = "while True: pass"
SLEEP = "time.sleep(600)"
GARBAGE = "sys.stdout.buffer.write(os.urandom(10_000))"
FLOOD = "while True: sys.stdout.buffer.write(bytes(1 << 20))"
SILENT = ""
CLOSED = "os.close(1); time.sleep(600)"
ILLS = {
    "crash": CRASH, "eats memory": EAT, "never ends": SPIN, "sleeps": SLEEP, "garbage": GARBAGE, "a flood": FLOOD,
    "silent": SILENT, "closed": CLOSED,
}


def settings(folder: Path, **more: float) -> FileSettings:
    return FileSettings(folder, TYPES, **{"look_seconds": 4.0} | more)


def running(folder: Path, program: str, **more: float) -> Inspector:
    """One whose process runs that program, under the limits of the real one."""
    return Inspector(settings(folder, **more), (sys.executable, "-B", "-P", "-c", CONFINED + program))


@pytest.fixture
def body() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(picture())
        file.flush()
        yield file


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process, dead or alive."""
    before = psutil.Process().children()
    yield
    assert [child for child in psutil.Process().children() if child not in before] == []


@pytest.mark.parametrize("ill", ILLS)
async def test_a_process_that_does_ill_is_a_damaged_file(tmp_path: Path, body: BinaryIO, ill: str) -> None:
    with pytest.raises(FileDamaged):
        await running(tmp_path, ILLS[ill]).look(body, "kim")


@pytest.mark.parametrize("ill", ILLS)
async def test_once_the_type_is_known_a_document_stays_and_a_picture_goes(
    tmp_path: Path, body: BinaryIO, ill: str
) -> None:
    known = KNOWN.replace("image/png", "application/pdf")
    refused, kept = await asyncio.gather(
        running(tmp_path, KNOWN + ILLS[ill]).look(body, "kim"), running(tmp_path, known + ILLS[ill]).look(body, "kim"),
        return_exceptions=True,
    )
    assert isinstance(refused, FileDamaged)
    assert kept == Look("application/pdf")


@pytest.mark.parametrize("said", [
    '{"media_type": "text/plain\\r\\nSet-Cookie: a=b"}', '{"media_type": "text/plain", "more": 1}', '{"media_type": 1}',
    "[]", "{", "null", '{"media_type": "' + "a" * 100 + '/x"}', '\x00\x00',
])
async def test_what_it_says_of_the_type_has_to_fit(tmp_path: Path, body: BinaryIO, said: str) -> None:
    with pytest.raises(FileDamaged):
        await running(tmp_path, f"print({said!r})").look(body, "kim")


@pytest.mark.parametrize("said", [
    '{"text": "a\\u0000b"}', '{"text": "\\ud800"}', '{"width": 0}', '{"width": 4294967296}', '{"width": "1"}',
    '{"damage": {"code": "INTERNAL", "detail": "x"}}', '{"text": ["x"]}', '{"text": "' + "x" * 70_000 + '"}', "",
])
async def test_what_it_says_of_the_content_has_to_fit(tmp_path: Path, body: BinaryIO, said: str) -> None:
    with pytest.raises(FileDamaged, match="decoded"):
        await running(tmp_path, f"{KNOWN}print({said!r})").look(body, "kim")


async def test_a_type_that_is_not_taken_is_not_taken_whoever_says_so(tmp_path: Path, body: BinaryIO) -> None:
    with pytest.raises(TypeNotAllowed):
        await running(tmp_path, KNOWN.replace("image/png", "text/html") + "print('{}')").look(body, "kim")


async def test_as_much_as_it_may_say(tmp_path: Path, body: BinaryIO) -> None:
    program = "{known}sys.stdout.buffer.write(b'{{}}\\n' + bytes({size})); sys.stdout.flush()"
    room = SAID_MOST - len('{"media_type": "image/png"}\n{}\n')
    look = await running(tmp_path, program.format(known=KNOWN, size=room)).look(body, "kim")
    assert look.thumb is not None
    assert len(look.thumb) == room
    with pytest.raises(FileDamaged):
        await running(tmp_path, program.format(known=KNOWN, size=room + 1)).look(body, "kim")


HELD = """
import json, resource
held = [os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{one}")]
try:
    with open(sys.argv[1], "wb") as out:
        out.write(b"x")
    wrote = True
except OSError:
    wrote = False
try:
    os.write(0, b"x")
    wrote = True
except OSError:
    pass
which = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)
said = [held, wrote, sorted(os.environ), os.getsid(0) == os.getpid(), [resource.getrlimit(one)[1] for one in which]]
print('{"media_type": "text/plain"}')
print(json.dumps({"text": json.dumps(said)}))
"""


async def test_it_holds_nothing_but_the_file(tmp_path: Path, body: BinaryIO) -> None:
    await _holds_nothing(tmp_path, body)


def test_it_holds_nothing_under_uvloop_either(tmp_path: Path, body: BinaryIO) -> None:
    """uvloop hands on whatever is inheritable, and the socket that the server listens on is."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_holds_nothing(tmp_path, body))


async def _holds_nothing(tmp_path: Path, body: BinaryIO) -> None:
    program = HELD.replace("sys.argv[1]", repr(str(tmp_path / "written")))
    with socket.create_server(("127.0.0.1", 0)) as listening, (tmp_path / "secret").open("wb") as secret:
        for handle in (listening.fileno(), secret.fileno()):
            os.set_inheritable(handle, True)
        look = await running(tmp_path, program).look(body, "kim")
    assert look.text is not None
    held, wrote, environment, leads, limits = json.loads(look.text)
    assert len(held) == 3
    assert held.count("/dev/null") == 1
    assert not [one for one in held if "secret" in one]
    assert not wrote
    assert set(environment) <= {"PYTHONPATH", "LC_CTYPE"}
    assert leads
    assert limits == [1 << 30, 15, 0]


def test_what_is_looked_at_is_the_same_under_uvloop(tmp_path: Path, body: BinaryIO) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        look = runner.run(Inspector(settings(tmp_path)).look(body, "kim"))
        with pytest.raises(FileDamaged):
            runner.run(running(tmp_path, KNOWN + FLOOD).look(body, "kim"))
        with pytest.raises(FileDamaged):
            runner.run(running(tmp_path, KNOWN + SLEEP).look(body, "kim"))
    assert (look.media_type, look.width, look.height) == ("image/png", 64, 48)


async def test_no_handle_stays_open(tmp_path: Path, body: BinaryIO) -> None:
    held = []
    for _ in range(3):
        for ill in (KNOWN + FLOOD, KNOWN + GARBAGE, CRASH):
            with pytest.raises(FileDamaged):
                await running(tmp_path, ill).look(body, "kim")
        held.append(len(os.listdir("/proc/self/fd")))
    assert held[0] == held[-1]


async def test_who_goes_takes_the_look_along(tmp_path: Path, body: BinaryIO) -> None:
    before = len(psutil.Process().children())

    async def one_more() -> bool:
        return len(psutil.Process().children()) == before + 1

    look = asyncio.create_task(running(tmp_path, SLEEP, look_seconds=600).look(body, "kim"))
    await eventually(one_more)
    look.cancel()
    with pytest.raises(asyncio.CancelledError):
        await look


PARENT = """
import asyncio, sys
from pathlib import Path
from malgil.chat.files.inspection import Inspector
from malgil.chat.files.settings import FileSettings
with open(__file__, "rb") as file:
    asyncio.run(Inspector(FileSettings(Path("/"), frozenset(), look_seconds=600), sys.argv[1:]).look(file, 0))
"""


async def test_a_killed_server_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    ready = tmp_path / "ready"
    child = f"from pathlib import Path; import os\nPath({str(ready)!r}).write_text(str(os.getpid()))\n{CONFINED}{SLEEP}"
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py", sys.executable, "-c", child], env={"PYTHONPATH": str(ROOT)}
    )
    try:
        await eventually(lambda: _confined(ready))
    finally:
        parent.kill()
        parent.wait()
    pid = int(ready.read_text())

    async def gone() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    await eventually(gone)


async def _confined(ready: Path) -> bool:
    """The child is there and has taken leave of what it does not need: its priority is what `confine` sets."""
    return ready.exists() and bool(ready.read_text()) and psutil.Process(int(ready.read_text())).nice() > 0


async def test_not_more_than_two_at_a_time(tmp_path: Path, body: BinaryIO) -> None:
    before = len(psutil.Process().children())
    inspector = Inspector(settings(tmp_path))
    looks = [asyncio.create_task(inspector.look(body, whose)) for whose in range(6)]
    most = 0
    while not all(look.done() for look in looks):
        most = max(most, len(psutil.Process().children()) - before)
        await asyncio.sleep(0.005)
    assert most == 2
    assert len({look.result() for look in looks}) == 1


async def test_one_users_files_are_looked_at_one_after_the_other(tmp_path: Path, body: BinaryIO) -> None:
    before = len(psutil.Process().children())
    inspector = running(tmp_path, KNOWN + SLEEP, look_seconds=600)

    async def children(count: int) -> bool:
        return len(psutil.Process().children()) == before + count

    many = [asyncio.create_task(inspector.look(body, "kim")) for _ in range(4)]
    await eventually(lambda: children(1))
    another = asyncio.create_task(inspector.look(body, "lee"))
    await eventually(lambda: children(2))
    for look in (*many, another):
        look.cancel()
    assert not [one for one in await asyncio.gather(*many, another, return_exceptions=True) if isinstance(one, Look)]


async def test_it_needs_no_rights(tmp_path: Path) -> None:
    """As another user, as in a container: from there on the limit on processes counts too."""
    program = (
        "import io; from malgil.chat.files import looking\n"
        "looking.look(open(0, 'rb', closefd=False), sys.argv[1:], io.BytesIO())\n"  # loads what only root may read
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n    os.fork()\nexcept BlockingIOError:\n"
        "    looking.look(open(0, 'rb'), sys.argv[1:], open(1, 'wb'))"
    )
    with (tmp_path / "a.pdf").open("w+b") as file:
        file.write(pdf("Hello"))
        file.flush()
        assert await running(tmp_path, program).look(file, "kim") == Look("application/pdf", text="Hello")


@pytest.fixture
async def hurt(room: ChatRoom, tmp_path: Path) -> AsyncIterator[Callable[[str], httpx.AsyncClient]]:
    """A client of a server whose looks crash wherever a file holds the word."""
    program = (
        "import io\nfrom malgil.chat.files import looking\nbody = open(0, 'rb').read()\n"
        "if b'ILL' in body: {ill}\n"
        "looking.look(io.BytesIO(body), sys.argv[1:], open(1, 'wb'))"
    )
    apps: list[httpx.AsyncClient] = []

    def client(ill: str) -> httpx.AsyncClient:
        inspector = running(tmp_path, program.replace("{ill}", ill), look_seconds=8.0)
        app = FastAPI()
        install(app)
        shelf = Shelf(LocalBlobs(tmp_path / "files"), settings(tmp_path / "uploads"), inspector)
        app.include_router(build_router(room, authenticate, shelf))
        apps.append(httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://t", headers={"x-user": "kim"}
        ))
        return apps[-1]

    yield client
    for one in apps:
        await one.aclose()


@pytest.mark.parametrize("ill", ["import ctypes; ctypes.string_at(0)", "time.sleep(600)"], ids=["crash", "sleep"])
async def test_the_uploads_of_others_go_on(
    room: ChatRoom, session: Session, hurt: Callable[[str], httpx.AsyncClient], ill: str
) -> None:
    kim = hurt(ill)
    answers = await asyncio.gather(
        send(kim, session, b"ILL", "a.txt"), send(kim, session, b"well", "b.txt"),
        send(kim, session, picture(), "c.png"),
    )
    assert [answer.status_code for answer in answers] == [422, 201, 201]
    assert answers[0].json()["code"] == "FILE_DAMAGED"
    entries = await log_of(room, session.session_id)
    assert sorted(e.data["content"] for e in entries if e.kind == "message.created") == ["b.txt", "c.png"]
