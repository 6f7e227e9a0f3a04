"""A process that freezes in the middle of an answer while another takes over, and then wakes up and writes on."""

import random
import time
from pathlib import Path
from typing import Self

from tests.crash.checker import check
from tests.crash.harness import TEST_SERVER, Server, until
from tests.crash.history import Violation
from tests.crash.plan import Ask
from tests.crash.play import Play

LEASE = 2.0
# It never looks at its leases again, so when it wakes up only the fence stands between it and the log. Its answers take
# less than a lease.
_CARELESS = ("--lease", str(LEASE), "--renew", "3600", "--scan", "3600")
_TAKER = ("--lease", str(LEASE), "--renew", "0.5", "--scan", "0.2")


class Pair:
    """Two servers on one database: `owner` claims what it is asked and will freeze, `taker` takes over."""

    def __init__(self, folder: Path, database_url: str, *, without: str = "") -> None:
        less = ("--without", without) if without else ()
        self.owner = Server(folder / "owner", command=(*TEST_SERVER, *_CARELESS, *less), database_url=database_url)
        self.taker = Server(folder / "taker", command=(*TEST_SERVER, *_TAKER, *less), database_url=database_url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.owner.__aexit__(*error)
        await self.taker.__aexit__(*error)

    async def start(self, failpoint: str) -> None:
        """Both up; the owner will freeze at the failpoint (`name:stop:nth`)."""
        self.owner.start(failpoint)
        self.taker.start()
        await self.owner.ready()
        await self.taker.ready()


async def freeze_and_thaw(pair: Pair, question: str, *, seed: int = 1) -> list[Violation]:
    """Ask until the owner freezes, wait for the takeover and the answer's end, thaw; what the checker says."""
    async with Play(pair.taker, random.Random(seed)) as play:
        session_id = await play.session()
        play.listen(session_id, "socket", pair.owner)
        play.listen(session_id, "events", pair.taker)
        # The other may claim a turn first, at one of its scans.
        while not pair.owner.frozen:
            play.ask(session_id, Ask("post", question, None, after=0.0, repeats=0), pair.owner)
            assert await until(lambda: pair.owner.frozen or play.quiet, 20.0), "it neither froze nor answered"
        lost_at = time.monotonic()
        play.lost(lost_at, LEASE)
        assert await until(lambda: _resumed(play, session_id), LEASE + 20.0), "nobody took over"
        assert await until(lambda: play.quiet, 20.0), "the taker did not finish"
        before = pair.owner.said()
        pair.owner.thaw()
        assert await until(lambda: _awake(pair.owner, before), 20.0), "the frozen one did not go on"
        return check(await play.finish(10.0))


def _resumed(play: Play, session_id: str) -> bool:
    return any(f["type"] == "turn" and f["state"] == "resumed" for f in play.told(session_id))


def _awake(owner: Server, before: str) -> bool:
    """Whether the thawed process has found out: refused by the log, or cut off in the middle of its transaction."""
    after = owner.said()[len(before) :]
    return "was taken over" in after or "is left to its lease" in after
