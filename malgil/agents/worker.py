"""The worker: claims turns, keeps their leases, runs them, lets go of those it has lost, hands them over on a drain."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

from malgil.agents import actions, store
from malgil.agents.events import AnswerEnded
from malgil.agents.model import Turn
from malgil.agents.settings import TurnSettings
from malgil.kit import failpoints
from malgil.kit.errors import Unavailable
from malgil.log.errors import Fenced
from malgil.log.scribe import Scribe
from malgil.realtime.bus import TURNS, Bus, Message, Unsubscribe
from malgil.storage.database import Database

_logger = logging.getLogger(__name__)


class Runs(Protocol):
    """What runs a claimed turn to its end."""

    async def run(self, turn: Turn) -> None: ...


class TurnWorker:
    """One process's worker. `owner` names this life of the process, `node` all its lives (the identity in DATA_DIR).

    Two loops: one claims (when told that a turn was queued, and every second anyway), one renews leases. A turn
    whose lease could not be renewed belongs to somebody else and its run is cancelled; should the run be frozen
    instead, the fence refuses what it writes.
    """

    def __init__(
        self, database: Database, scribe: Scribe, bus: Bus, runner: Runs, settings: TurnSettings, *,
        owner: str, node: str,
    ) -> None:
        self._database = database
        self._scribe = scribe
        self._bus = bus
        self._runner = runner
        self._settings = settings
        self._owner = owner
        self._node = node
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._draining = False
        # Only until the first look around: two processes that share a node id (a copied DATA_DIR) would otherwise
        # take every turn from each other until its attempts are used up.
        self._left_behind = True
        self._unsubscribe: Unsubscribe | None = None

    @property
    def running(self) -> int:
        """How many turns run here now."""
        return len(self._runs)

    def start(self) -> None:
        """Begin to claim; turns that earlier lives of this node left behind come first."""
        self._unsubscribe = self._bus.subscribe(TURNS, self._hear)
        self._loops = [self._spawn(self._claim_loop(), "turn-claims"), self._spawn(self._renew_loop(), "turn-leases")]

    async def drain(self) -> None:
        """Claim nothing more, stop every run and hand its turn over: any other worker may claim it at once."""
        self._draining = True
        if self._unsubscribe is not None:
            self._unsubscribe()
        tasks = [*self._loops, *self._runs.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._release(None, handover=True)  # what was just being claimed included
        await self._bus.publish(TURNS, Message("turns"))

    def _hear(self, message: Message) -> None:
        self._wake.set()
        for entry in message.entries:
            if entry.kind == AnswerEnded.kind and entry.data["finish_reason"] == "stopped":
                self._abandon(entry.data["turn_id"])

    def _abandon(self, turn_id: str) -> None:
        run = self._runs.get(turn_id)
        if run is not None:
            run.cancel()

    async def _claim_loop(self) -> None:
        while True:
            self._wake.clear()
            free = self._settings.concurrency - len(self._runs)
            if free > 0 and await self._claim(free):
                continue
            try:
                # Not wait_for: before Python 3.12 it swallows a cancellation that comes together with the wake.
                async with asyncio.timeout(self._settings.scan_every):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _claim(self, most: int) -> bool:
        """Whether anything was claimed. A database that is away is asked again at the next scan."""
        try:
            async with self._database.unit_of_work() as uow:
                turns = await actions.claim(
                    uow, self._scribe, owner=self._owner, node=self._node, lease=self._settings.lease, most=most,
                    held=list(self._runs), left_behind=self._left_behind,
                )
        except Exception as e:
            _logger.warning("turns could not be claimed: %s", e)
            return False
        self._left_behind = self._left_behind and len(turns) == most
        if turns:
            failpoints.reach("turn.claimed")
        for turn in turns:
            self._runs[turn.turn_id] = self._spawn(self._run(turn), f"turn-{turn.turn_id}")
        return bool(turns)

    async def _run(self, turn: Turn) -> None:
        try:
            await self._runner.run(turn)
        except Fenced:
            _logger.info("turn %s was taken over", turn.turn_id)
        except Unavailable as e:
            _logger.warning("turn %s is left to its lease: %s", turn.turn_id, e.detail)
        except Exception:
            # A fault of ours: the next attempt may fare better, and MAX_ATTEMPTS bounds it.
            _logger.exception("turn %s broke", turn.turn_id)
            await self._release([turn.turn_id], handover=False)
        finally:
            del self._runs[turn.turn_id]
            self._wake.set()

    async def _renew_loop(self) -> None:
        while True:
            await asyncio.sleep(self._settings.renew_every)
            held = list(self._runs)
            if not held:
                continue
            try:
                async with self._database.read() as conn:
                    kept = await store.renew(conn, held, self._owner, self._settings.lease)
            except Exception as e:
                _logger.warning("leases could not be renewed: %s", e)
                continue
            for turn_id in set(held) - kept:
                self._abandon(turn_id)

    async def _release(self, turn_ids: list[str] | None, *, handover: bool) -> None:
        try:
            async with self._database.unit_of_work() as uow:
                await store.release(uow.conn, turn_ids, self._owner, handover=handover)
        except Exception as e:
            _logger.warning("turns %s are left to their leases: %s", turn_ids or "that run here", e)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=name)
