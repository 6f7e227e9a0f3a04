"""The child that takes Korean texts apart: however it fares, nobody waits for it for ever, and nothing of it stays."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import uvloop

from malgil.kit import json
from malgil.knowledge.analyst import AT_ONCE, COMMAND, Analyst, Patience, _parted
from malgil.knowledge.terms import ANALYSED_MOST, Unready
from tests.fixtures.words import KoreanHere

ROOT = Path(__file__).parents[2]
SHORT = Patience(answer=2.0)

# A child of the test's own: it says that it is ready, then does with each line what is put in here.
CHILD = """
import json, os, sys, time
def say(value):
    print(json.dumps(value), flush=True)
say([])
for line in sys.stdin:
    texts = json.loads(line)
    {act}
    say([[text] for text in texts])
"""


def acting(act: str) -> tuple[str, ...]:
    return (sys.executable, "-c", CHILD.format(act=act))


def children() -> list[psutil.Process]:
    """Those of this process that an analyst has started: each leads a session of its own, as does the tests' database.
    Zombies too."""
    found = [one for one in psutil.Process().children() if os.getsid(one.pid) == one.pid]
    return [one for one in found if one.name() != "postgres"]


async def until(true: Callable[[], bool | Awaitable[bool]], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        found = true()
        if found if isinstance(found, bool) else await found:
            return
        assert time.monotonic() < deadline, "it never became true"
        await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def nothing_stays() -> object:
    before = {one.pid for one in children()}
    yield
    assert {one.pid for one in children()} <= before, "neither a process nor a zombie"


async def test_it_reads_as_kiwi_reads() -> None:
    texts = ["무료배송조회를 부탁드려요", "", "먹었습니다\n\"줄\"", "no Korean", "가" * ANALYSED_MOST]
    async with Analyst() as analyst:
        with pytest.raises(Unready):
            await analyst.words(texts)
        await analyst.ready()
        assert await analyst.words(texts) == await KoreanHere().words(texts)
        assert await analyst.words([]) == []
        many = await asyncio.gather(*(analyst.words([text]) for text in texts * 4))
        assert [one for (one,) in many] == list(await KoreanHere().words(texts * 4))
        assert len(children()) == 1


async def test_nothing_is_started_before_it_is_needed() -> None:
    async with Analyst():
        assert children() == []


async def test_who_asks_while_it_loads_is_told_at_once() -> None:
    async with Analyst((sys.executable, "-c", "import time; time.sleep(60)"), Patience(loading=2)) as analyst:
        for _ in range(3):
            with pytest.raises(Unready):
                await analyst.words(["가"])
        await until(lambda: len(children()) == 1)
        with pytest.raises(Unready):
            await analyst.ready()


async def test_killed_between_questions_it_is_started_again() -> None:
    async with Analyst() as analyst:
        await analyst.ready()
        (child,) = children()
        child.kill()
        assert await analyst.words(["배송"]) == [["배송"]]
        (other,) = children()
        assert other.pid != child.pid


async def test_killed_over_a_question_it_is_asked_once_more() -> None:
    async with Analyst(acting("time.sleep(2 if texts == ['가'] else 0)"), Patience(answer=30)) as analyst:
        await analyst.ready()
        asked = asyncio.create_task(analyst.words(["가"]))
        await asyncio.sleep(0.1)
        (child,) = children()
        child.kill()
        assert await asked == [["가"]]


@pytest.mark.parametrize("act", [
    "os._exit(1)", "os.kill(os.getpid(), 9)", "print('garbage'); continue", "print('x' * 3_000_000); continue",
    "say([[1]]); continue", "say([]); continue", "say({}); continue", "time.sleep(60)", "os.close(1); time.sleep(60)",
    "[print('x' * 1000, end='') for _ in iter(int, 1)]",
])
async def test_a_text_that_it_always_fails_at_has_no_words_and_others_have(act: str) -> None:
    wanted = acting(f"if '나쁜' in texts:\n        {act}")
    async with Analyst(wanted, SHORT) as analyst:
        await analyst.ready()
        bad = "나쁜"
        good = "좋은" * AT_ONCE  # a question of its own
        assert await analyst.words([bad, good]) == [[], [good]]
        assert await analyst.words(["다음"]) == [["다음"]]
        assert len(children()) == 1


@pytest.mark.parametrize("command", [
    ("/nowhere/at/all",), (sys.executable, "-c", "raise SystemExit(1)"), (sys.executable, "-c", "print('garbage')"),
    (sys.executable, "-c", "print('[[]]')"), (sys.executable, "-c", "while True: print('x' * 999, end='')"),
])
async def test_where_it_cannot_be_started_it_is_tried_again_later(command: tuple[str, ...]) -> None:
    async with Analyst(command, Patience(loading=1.0, again=0.2)) as analyst:
        with pytest.raises(Unready):
            await analyst.ready()
        with pytest.raises(Unready):
            await analyst.words(["가"])


async def test_who_has_gone_is_not_waited_for_and_the_next_gets_his_own_answer() -> None:
    async with Analyst(acting("time.sleep(0.3 if texts[0] < '다' else 0)"), Patience(answer=30)) as analyst:
        await analyst.ready()
        first, second = (asyncio.create_task(analyst.words([text])) for text in ("가", "나"))
        await asyncio.sleep(0.05)
        first.cancel()
        second.cancel()
        assert await analyst.words(["라"]) == [["라"]]
        with pytest.raises(asyncio.CancelledError):
            await second


async def test_an_idle_child_is_sent_away_and_another_one_comes() -> None:
    async with Analyst(acting("pass"), Patience(idle=0.2)) as analyst:
        await analyst.ready()
        (child,) = children()
        await until(lambda: not child.is_running() and children() == [])
        with pytest.raises(Unready):
            await analyst.words(["가"])
        await analyst.ready()
        assert await analyst.words(["가"]) == [["가"]]


async def test_closed_over_a_question_nothing_waits() -> None:
    async with Analyst(acting("time.sleep(60)")) as analyst:
        await analyst.ready()
        asked = [asyncio.create_task(analyst.words(["가"])) for _ in range(3)]
        await asyncio.sleep(0.1)
    with pytest.raises(Unready):
        await asked[0]
    assert all(isinstance(one, Unready) for one in await asyncio.gather(*asked, return_exceptions=True))


PARENT = """
import asyncio
from malgil.knowledge.analyst import Analyst

async def main():
    async with Analyst() as analyst:
        if {loaded}:
            await analyst.ready()
        else:
            asyncio.get_running_loop().call_later(0.3, print, "loading")
            asyncio.create_task(analyst.ready())
            await asyncio.sleep(0.5)
        print("there", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("loaded", [True, False])
async def test_it_ends_with_a_parent_that_was_killed(loaded: bool) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT.format(loaded=loaded), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    while (await parent.stdout.readline()).strip() != b"there":
        pass
    (child,) = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await until(lambda: not child.is_running())


def test_on_the_loop_that_the_server_runs_on() -> None:
    async def life() -> None:
        wanted = acting("os.kill(os.getpid(), 9) if texts == ['나쁜'] else texts == ['줄'] and print('x' * 3_000_000)")
        async with Analyst(wanted) as analyst:
            await analyst.ready()
            assert await analyst.words(["나쁜"]) == [[]]
            await analyst.ready()
            assert await analyst.words(["줄"]) == [[]]
            await analyst.ready()
            assert await analyst.words(["좋은"]) == [["좋은"]]
            asked = asyncio.create_task(analyst.words(["가"]))
            await asyncio.sleep(0)
        await asyncio.gather(asked, return_exceptions=True)

    uvloop.run(life())


async def test_ctrl_c_is_for_its_parent() -> None:
    async with Analyst() as analyst:
        await analyst.ready()
        (child,) = children()
        assert os.getpgid(child.pid) != os.getpgid(0)


async def test_the_program_lets_nobody_else_speak_and_is_nicer() -> None:
    program = ("import os, malgil.knowledge.korean as it; real = it.KoreanWords.__call__\n"
               "def noisy(self, text):\n    os.write(1, b'noise\\n'); print('noise'); return real(self, text)\n"
               "it.KoreanWords.__call__ = noisy; it.main()")
    async with Analyst((sys.executable, "-c", program)) as analyst:
        await analyst.ready()
        assert await analyst.words(["배송"]) == [["배송"]]
        (child,) = children()
        assert child.nice() > psutil.Process().nice()


def test_long_texts_are_asked_one_by_one() -> None:
    parts = list(_parted(["가" * n for n in (10, AT_ONCE - 10, 1, AT_ONCE * 2, 5, 5)]))
    assert [[len(text) for text in part] for part in parts] == [[10, AT_ONCE - 10], [1], [AT_ONCE * 2], [5, 5]]
    assert json.dumps(parts)


def test_the_command_is_this_python() -> None:
    assert COMMAND[0] == sys.executable
