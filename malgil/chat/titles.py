"""Titles that the agent gives: a consumer of the whole log that names sessions after their first answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from malgil.agents.events import AnswerEnded
from malgil.chat import queries, store
from malgil.chat.events import SessionUpdated
from malgil.chat.model import TITLE_MOST, Session
from malgil.chat.projection import agent_sender, evolve
from malgil.log import actions as log
from malgil.log.consumers import Consumed, consume
from malgil.log.model import Append
from malgil.log.scribe import Scribe
from malgil.realtime.bus import TURNS, Bus, Message
from malgil.storage.database import Database, UnitOfWork

CONSUMER = "chat.titles"
SCAN_SECONDS = 1.0
GATHER_SECONDS = 0.1
"""Between two looks, so that under load one look takes many answers."""

Titler = Callable[[str], Awaitable[str]]
"""From the first question of a session to a title; empty: it has none."""

_log = logging.getLogger(__name__)


class TitleGiver:
    """One for the process; use as a context manager. Several processes take turns, and each title is given once."""

    def __init__(self, database: Database, scribe: Scribe, bus: Bus, titler: Titler) -> None:
        self._database = database
        self._scribe = scribe
        self._bus = bus
        self._titler = titler
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="titles")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> int:
        """Give the titles that the next entries of the log ask for; how many entries there were."""
        return await consume(self._database, CONSUMER, self._handle)

    async def _run(self) -> None:
        unsubscribe = self._bus.subscribe(TURNS, self._hear)
        try:
            while True:
                await self._pause()
                try:
                    while await self.look():
                        pass
                except Exception:
                    _log.warning("titles could not be given, will try again", exc_info=True)
        finally:
            unsubscribe()

    def _hear(self, message: Message) -> None:
        if any(entry.kind == AnswerEnded.kind for entry in message.entries):
            self._wake.set()

    async def _pause(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        try:
            async with asyncio.timeout(SCAN_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _handle(self, uow: UnitOfWork, found: Sequence[Consumed]) -> None:
        answered = {one.entry.stream: one.entry.data["agent_id"] for one in found if _answers(one)}
        if not answered:
            return
        titles = {
            row["session_id"]: title[:TITLE_MOST]
            for row in await store.first_questions(uow.conn, list(answered))
            if (title := await self._titler(row["content"]))
        }
        # Asked again under the lock: a person may have named it meanwhile.
        await log.lock(uow, sorted(titles))
        for row in await store.untitled(uow.conn, list(titles)):
            session = queries.session_of(row)
            await self._name(uow, session, titles[session.session_id], agent_sender(answered[session.session_id]))

    async def _name(self, uow: UnitOfWork, session: Session, title: str, agent: str) -> None:
        fact = SessionUpdated(
            user_id=agent, title=title, metadata=session.metadata, status=session.status,
            queue_policy=session.queue_policy,
        )
        (entry,) = await self._scribe.record(uow, Append(session.session_id, [fact], actor=agent))
        named = evolve(session, entry)
        assert named is not None
        await store.update_face(uow.conn, named)


def _answers(one: Consumed) -> bool:
    data = one.entry.data
    return one.entry.kind == AnswerEnded.kind and bool(data["content"]) and data["finish_reason"] != "failed"
