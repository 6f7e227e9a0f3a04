"""Acts of the long play: a cluster talks, chance hurts one part of it after another, all heal, the checker has its say.

    python -m tests.crash.acts --seconds 1800 --seed 1

Everything is drawn from one seed; what the machine makes of it is not, so an act is told by what happened in it.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.checker import check
from tests.crash.cluster import Cluster
from tests.crash.harness import TEST_SERVER, Server, until
from tests.crash.history import History, Violation
from tests.crash.plan import FAILPOINTS, draw_ask
from tests.crash.play import Kind, Play, told
from tests.crash.rounds import PATIENCE

ACT_SECONDS = 14.0
SESSIONS = 5
ASKS = 4
LEASE = 10.0
FAULTS = "0.1,0.05,0.05"
"""What the bus of every process loses, doubles and delays of what it is given."""

Hurt = Callable[["Stage"], Awaitable[None]]


@dataclass(slots=True)
class Figures:
    """What the acts add up to."""

    acts: int = 0
    seconds: float = 0.0
    hurts: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def add(self, history: History, violations: list[Violation]) -> None:
        logged = [frame for session in history.sessions.values() for frame in session.log]
        self.acts += 1
        self.violations += violations
        self.told.update(
            sessions=len(history.sessions), clients=len(history.clients),
            sends=sum(send.times for send in history.sends), refunds=len(history.refunds),
            answers=sum(frame["type"] == "stream_end" for frame in logged),
            failed=sum(frame.get("finish_reason") == "failed" for frame in logged),
            stopped=sum(frame.get("finish_reason") == "stopped" for frame in logged),
            takeovers=sum(frame["type"] == "turn" and frame["state"] == "resumed" for frame in logged),
            resets=sum(frame["type"] == "stream_reset" for frame in logged),
            reconnects=sum(max(0, sum(bool(v.seen) for v in c.visits) - 1) for c in history.clients),
            pieces=sum(f["type"] == "stream_chunk" for client in history.clients for f in told(client)),
        )

    def __str__(self) -> str:
        hurts = ", ".join(f"{count} × {name}" for name, count in sorted(self.hurts.items()))
        said = ", ".join(f"{count} {name}" for name, count in self.told.items())
        return (
            f"{self.acts} acts in {self.seconds:.0f} s\nhurt: {hurts}\n{said}\n{len(self.violations)} violations"
        )


@dataclass(slots=True)
class Stage:
    """Where hurts happen. `lives` counts what an answer may have lost: it has three attempts."""

    cluster: Cluster
    play: Play
    chance: random.Random
    lives: int = 0
    losses: list[float] = field(default_factory=list)
    """When turns were lost that no worker has been there to take since."""

    def lost(self, since: float) -> None:
        self.lives += 1
        self.losses.append(since)

    async def look_out(self) -> None:
        """For ever: when a worker can take what was lost, the time for taking it begins."""
        while True:
            await asyncio.sleep(0.2)
            lost = tuple(self.losses)
            if lost and await self._somebody_works():
                for since in lost:
                    self.play.lost(since, LEASE)
                    self.losses.remove(since)

    async def _somebody_works(self) -> bool:
        able = [one for one in self.cluster.workers if one.alive and not one.frozen]
        return any([await one.answers() for one in able])


async def kill_gateway(stage: Stage) -> None:
    await _kill(stage, stage.chance.choice(stage.cluster.gateways))


async def kill_worker(stage: Stage) -> None:
    await _kill(stage, stage.chance.choice(stage.cluster.workers))


async def kill_at_failpoint(stage: Stage) -> None:
    """A worker whose next life ends at a failpoint, if it gets there."""
    server = stage.chance.choice(stage.cluster.workers)
    name, most = stage.chance.choice(FAILPOINTS)
    since = time.monotonic()
    server.kill()
    stage.lost(since)
    server.start(f"{name}:kill:{stage.chance.randrange(1, most + 1)}")
    stage.lost(time.monotonic())


async def drain(stage: Stage) -> None:
    server = stage.chance.choice(stage.cluster.servers)
    since = time.monotonic()
    if server.alive and not server.frozen and await server.ready():
        await server.drain()
        stage.lost(since)
    await _start_again(stage, server)


async def freeze(stage: Stage) -> None:
    """Shorter or longer than a lease."""
    server = stage.chance.choice(stage.cluster.servers)
    if not server.alive:
        return
    since = time.monotonic()
    server.freeze()
    await asyncio.sleep(stage.chance.choice((0.5, 3.0, LEASE + 2.0)))
    server.thaw()
    stage.lost(since)


async def kill_redis(stage: Stage) -> None:
    stage.cluster.redis.kill()
    await asyncio.sleep(stage.chance.random() * 3)
    stage.cluster.redis.start()


async def flush_redis(stage: Stage) -> None:
    if stage.cluster.redis.alive:
        stage.cluster.redis.flush()


async def restart_database(stage: Stage) -> None:
    since = time.monotonic()
    await stage.cluster.restart_database()
    stage.lost(since)


async def kill_database(stage: Stage) -> None:
    since = time.monotonic()
    await stage.cluster.kill_database()
    stage.lost(since)


HURTS: tuple[tuple[Hurt, int], ...] = (
    (kill_gateway, 4), (kill_worker, 4), (kill_at_failpoint, 3), (drain, 3), (freeze, 3), (kill_redis, 3),
    (flush_redis, 2), (restart_database, 1), (kill_database, 1),
)
"""What can happen, and how often in comparison."""


async def _kill(stage: Stage, server: Server) -> None:
    since = time.monotonic()
    server.kill()
    stage.lost(since)
    await _start_again(stage, server)


async def _start_again(stage: Stage, server: Server) -> None:
    await asyncio.sleep(stage.chance.random() * 1.5)
    if not server.alive:
        server.start()


async def act(cluster: Cluster, seed: int, number: int, figures: Figures, *, seconds: float = ACT_SECONDS) -> Play:
    """One act on a cluster that is up; afterwards it is up again. What was wrong with it is in the figures."""
    chance = random.Random(f"act {seed}:{number}")
    async with Play(cluster, random.Random(f"clients {seed}:{number}")) as play:
        await _cast(play, chance)
        stage = Stage(cluster, play, chance)
        looking = asyncio.create_task(stage.look_out())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(chance.random() * 3)
            (hurt,) = chance.choices([one for one, _ in HURTS], [often for _, often in HURTS])
            play.note(hurt.__name__)
            figures.hurts[hurt.__name__] += 1
            await hurt(stage)
        stage.lost(time.monotonic())  # whoever starts again now had no time to take anything before
        await cluster.heal()
        play.note("all are well again")
        await until(lambda: not stage.losses, PATIENCE)
        looking.cancel()
        play.history.may_fail = stage.lives > 3
        history = await play.finish(PATIENCE + LEASE)
        figures.add(history, check(history))
        return play


async def _cast(play: Play, chance: random.Random) -> None:
    """Sessions, who listens in them, and what is asked over the whole act."""
    for _ in range(SESSIONS):
        session_id = await play.session(chance.choice(("socket", "socketio")))
        kinds: tuple[Kind, ...] = ("socket", "events", "socketio")
        for kind in (kinds[chance.randrange(3)], chance.choice(kinds)):
            play.listen(session_id, kind)
        for _ in range(ASKS):
            play.ask(session_id, draw_ask(chance, later=ACT_SECONDS))
        if chance.random() < 0.2:
            play.stop(session_id, chance.randrange(2, 30))


def report(play: Play, violations: list[Violation]) -> str:
    """What was wrong with an act, and what happened in it."""
    return "\n".join([*(f"  {one}" for one in violations[:20]), *play.notes])


async def run(
    folder: Path, seed: int, seconds: float, *, say: Callable[[str], None] = lambda text: None, without: str = "",
    first: int = 0,
) -> Figures:
    """Acts for so long, on one cluster; `without` a safety (ablation.py) they must go wrong."""
    figures = Figures()
    command = [*TEST_SERVER, "--bus", FAULTS, "--seed", str(seed), *(("--without", without) if without else ())]
    begun = time.monotonic()
    async with Cluster(folder, command=command) as cluster:
        number = first
        while time.monotonic() < begun + seconds:
            before = len(figures.violations)
            play = await act(cluster, seed, number, figures)
            wrong = figures.violations[before:]
            say(f"act {number}: {len(wrong)} violations\n{report(play, wrong) if wrong else ''}")
            number += 1
        figures.seconds = time.monotonic() - begun
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--without", default="", help="fence, head or reconciliation: the checker must speak up")
    parser.add_argument("--first", type=int, default=0, help="the number of the first act")
    asked = parser.parse_args()

    def say(text: str) -> None:
        sys.stdout.write(text.rstrip() + "\n")
        sys.stdout.flush()

    say(f"seed {asked.seed}")
    with tempfile.TemporaryDirectory(prefix="malgil-crash-", ignore_cleanup_errors=True) as folder:
        work = run(
            Path(folder), asked.seed, asked.seconds, say=say, without=asked.without, first=asked.first
        )
        figures = asyncio.run(work)
    say(str(figures))
    return 1 if figures.violations else 0


if __name__ == "__main__":
    sys.exit(main())
