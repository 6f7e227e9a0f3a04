"""A round: sessions talk, the server is killed and killed again, everybody comes back, and the checker has its say."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.checker import check
from tests.crash.harness import SERVE, TEST_SERVER, Server, until
from tests.crash.history import Frame, History, Violation
from tests.crash.plan import Plan, plan
from tests.crash.play import Play, told

ROUNDS_A_FOLDER = 20
"""A new DATA_DIR after so many rounds: the shop's orders can be refunded once."""
PATIENCE = 45.0
"""Seconds that a round may take to come to rest. Only a fault, or a very slow machine, needs them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A round that is over. `reached`: the failpoints at which the server died; at the others we killed it."""

    plan: Plan
    reached: list[str]
    history: History
    notes: list[str]
    violations: list[Violation]


@dataclass(slots=True)
class Figures:
    """What many rounds add up to."""

    rounds: int = 0
    kills: int = 0
    drains: int = 0
    failpoints: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    sessions: int = 0
    sends: int = 0
    answers: int = 0
    resumed: int = 0
    resets: int = 0
    reconnects: int = 0
    pieces: int = 0
    refunds: int = 0
    violations: int = 0
    seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        history = outcome.history
        self.rounds += 1
        missed = len(outcome.plan.failpoints) - len(outcome.reached)
        self.kills += missed + (not outcome.plan.drained)
        self.drains += outcome.plan.drained
        self.failpoints.update(outcome.reached)
        self.missed += missed
        self.sessions += len(history.sessions)
        self.sends += sum(send.times for send in history.sends)
        logged = [frame for session in history.sessions.values() for frame in session.log]
        self.answers += sum(frame["type"] == "stream_end" for frame in logged)
        self.resumed += sum(frame["type"] == "turn" and frame["state"] == "resumed" for frame in logged)
        self.resets += sum(frame["type"] == "stream_reset" for frame in logged)
        self.reconnects += sum(max(0, sum(bool(v.seen) for v in c.visits) - 1) for c in history.clients)
        self.pieces += sum(f["type"] == "stream_chunk" for client in history.clients for f in told(client))
        self.refunds += len(history.refunds)
        self.violations += len(outcome.violations)

    def __str__(self) -> str:
        at = ", ".join(f"{name} {count}" for name, count in sorted(self.failpoints.items()))
        return (
            f"{self.rounds} rounds in {self.seconds:.0f} s: {self.sessions} sessions, {self.sends} sends, "
            f"{self.answers} answers, {self.resumed} taken up again ({self.resets} reset), "
            f"{self.refunds} refunds\n"
            f"{self.kills} kills and {self.drains} drains by chance, {self.failpoints.total()} deaths at failpoints "
            f"({at}; {self.missed} not reached)\n"
            f"{self.reconnects} reconnects, {self.pieces} pieces told, {self.violations} violations"
        )


async def play_round(server: Server, drawn: Plan) -> Outcome:
    """Play it on a server that is up; afterwards it is up again."""
    async with Play(server, random.Random(f"clients {drawn.seed}:{drawn.number}")) as play:
        sessions = [await play.session() for _ in drawn.sessions]
        for session_id, part in zip(sessions, drawn.sessions, strict=True):
            for kind in part.listeners:
                play.listen(session_id, kind)
            for ask in part.first:
                play.ask(session_id, ask)
            if part.stop_after is not None:
                play.stop(session_id, part.stop_after)
        await until(lambda: play.pieces >= drawn.pieces or play.quiet, PATIENCE)
        play.note(f"{'SIGTERM' if drawn.drained else 'kill -9'} after {play.pieces} pieces")
        lost_at = time.monotonic()
        if drawn.drained:
            await server.drain()
        server.kill()
        for session_id, part in zip(sessions, drawn.sessions, strict=True):
            for ask in part.then:
                play.ask(session_id, ask)
        command = (*TEST_SERVER, "--resets") if drawn.resets else SERVE
        reached = []
        for failpoint, nth in drawn.failpoints:
            server.start(f"{failpoint}:kill:{nth}", command=command)
            if await _live(server, play, failpoint, lost_at):
                reached.append(failpoint)
            lost_at = time.monotonic()
        server.start(command=command)
        await server.ready()
        play.lost(lost_at)
        play.note("the last life")
        play.history.may_fail = len(drawn.failpoints) > 1
        history = await play.finish(PATIENCE)
        return Outcome(drawn, reached, history, play.notes, check(history))


async def _live(server: Server, play: Play, failpoint: str, lost_at: float) -> bool:
    """One life, to its failpoint or, when that is not on its way, until all is quiet. Whether it was reached."""
    await server.ready()
    play.lost(lost_at)
    play.note(f"a life until {failpoint}")
    await until(lambda: not server.alive or play.quiet, PATIENCE)
    reached = not server.alive
    play.note("dead" if reached else "not reached, kill -9")
    server.kill()
    return reached


async def run(
    folder: Path, seed: int, numbers: list[int], *, lanes: int = 2, after: Callable[[Outcome], None] | None = None
) -> tuple[Figures, list[Outcome]]:
    """Play the rounds of these numbers, `lanes` at a time on a server each; the figures, and the rounds that failed."""
    figures, failed = Figures(), []
    left = iter(numbers)
    begun = time.monotonic()

    async def lane(name: str) -> None:
        for number_of_folder, some in enumerate(_portions(left)):
            async with Server(folder / f"{name}-{number_of_folder}") as server:
                server.start()
                await server.ready()
                for number in some:
                    outcome = await play_round(server, plan(seed, number))
                    figures.add(outcome)
                    if outcome.violations:
                        failed.append(outcome)
                    if after:
                        after(outcome)

    await _together(*(lane(f"lane{place}") for place in range(min(lanes, len(numbers)))))
    figures.seconds = time.monotonic() - begun
    return figures, failed


def report(outcome: Outcome) -> str:
    """What was wrong with a round, what happened in it, and how to play it again alone."""
    drawn = outcome.plan
    where = {v.where for v in outcome.violations}
    about = [s for s in outcome.history.sessions.values() if any(s.session_id in one for one in where)]
    return "\n".join([
        f"round {drawn.number} of seed {drawn.seed} broke {len(outcome.violations)} promises",
        f"again, alone: python -m tests.crash --seed {drawn.seed} --only {drawn.number}",
        *(f"  {violation}" for violation in outcome.violations[:20]),
        f"{drawn}", *outcome.notes,
        *(f"{s.session_id} {_line(frame)}" for s in about[:2] for frame in s.log),
        *(f"{c.name}: {[(v.begin, len(v.seen), v.status) for v in c.visits]}" for c in outcome.history.clients),
    ])


def _line(frame: Frame) -> str:
    hidden = {"cursor", "timestamp", "metadata", "result", "type", "seq"}
    return f"{frame['seq']:4} {frame['type']:12} { {k: v for k, v in frame.items() if k not in hidden} }"


def _portions(numbers: Iterator[int]) -> Iterator[Iterator[int]]:
    """The numbers, so many for each folder, taken one at a time by whichever lane is free."""
    while (first := next(numbers, None)) is not None:
        yield _some(first, numbers)


def _some(first: int, numbers: Iterator[int]) -> Iterator[int]:
    yield first
    for _ in range(ROUNDS_A_FOLDER - 1):
        number = next(numbers, None)
        if number is None:
            return
        yield number


async def _together(*work: Awaitable[None]) -> None:
    """All of it; if one part fails the others are cancelled and waited for, so that nothing is left running."""
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(_run(one))


async def _run(work: Awaitable[None]) -> None:
    await work
