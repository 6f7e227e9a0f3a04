"""A checker that cannot fail proves nothing: with one safety taken out it must speak up, and without that be silent.

Each schedule is played twice: on a server that lacks the safety (see ablation.py) and on one that does not.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.checker import check
from tests.crash.freezing import Pair, freeze_and_thaw
from tests.crash.harness import TEST_SERVER, Server
from tests.crash.history import Violation
from tests.crash.plan import Ask
from tests.crash.play import Play

ROUNDS = 5
"""In so many rounds the checker must have found something."""
CONTROL_ROUNDS = 1
QUESTION = "What is your refund policy?"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What the server is burdened with, and what is asked in each of three sessions until (perhaps) somebody stops it.

    `head`: many post while pieces are logged, and their commits are slow. `reconciliation`: the bus loses, doubles and
    delays, and what it loses last nothing follows that would tell of it.
    """

    options: tuple[str, ...]
    questions: int
    stop_after: int | None = None


SCHEDULES = {
    "head": Schedule(("--slow-commits", "0.1"), 7, stop_after=15),
    "reconciliation": Schedule(("--bus", "0.4,0.1,0.1"), 1),
}


async def test_without_the_fence(tmp_path: Path, database_url: str) -> None:
    """The same on a server that has it: test_freeze."""
    async with Pair(tmp_path, database_url, without="fence") as pair:
        await pair.start("turn.before_append:stop:5")
        violations = await freeze_and_thaw(pair, QUESTION)
    assert rules(violations) & {"offset", "after-end"}, violations


@pytest.mark.parametrize("safety", SCHEDULES)
async def test_without_the_safety(safety: str, tmp_path: Path, database_url: str) -> None:
    """Nobody is killed: a slow commit, or a message that the bus lost, is enough to lose a piece for ever."""
    violations = await play(tmp_path, database_url, SCHEDULES[safety], ("--without", safety), ROUNDS)
    assert "delivered" in rules(violations), violations


@pytest.mark.parametrize("safety", SCHEDULES)
async def test_with_the_safety(safety: str, tmp_path: Path, database_url: str) -> None:
    violations = await play(tmp_path, database_url, SCHEDULES[safety], (), CONTROL_ROUNDS)
    assert not violations, "\n".join(map(str, violations))


async def play(
    folder: Path, database_url: str, schedule: Schedule, ablation: tuple[str, ...], rounds: int
) -> list[Violation]:
    """What the checker finds in the first round where it finds anything."""
    command = (*TEST_SERVER, *schedule.options, *ablation)
    async with Server(folder, command=command, database_url=database_url) as server:
        server.start()
        await server.ready()
        for number in range(rounds):
            if violations := await play_round(server, schedule, random.Random(number)):
                return violations
    return []


async def play_round(server: Server, schedule: Schedule, chance: random.Random) -> list[Violation]:
    async with Play(server, chance) as play:
        for _ in range(3):
            session_id = await play.session()
            play.listen(session_id, "events")
            for place in range(schedule.questions):
                later = 0.2 + chance.random() if place else 0.0
                play.ask(session_id, Ask("post", QUESTION, None, after=later, repeats=0))
            if schedule.stop_after is not None:
                play.stop(session_id, schedule.stop_after)
        return check(await play.finish(30.0, grace=3.0))


def rules(violations: list[Violation]) -> set[str]:
    return {violation.rule for violation in violations}
