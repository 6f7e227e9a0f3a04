"""Everything that makes answers, on a real database, with a scripted model: what most tests of this room stand on."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from malgil.agents import actions, queries
from malgil.agents.model import NewTurn, Queued, Turn
from malgil.agents.providers import ModelCatalogue, Provided
from malgil.agents.queries import AgentRow
from malgil.agents.runner import Runner
from malgil.agents.settings import TurnSettings
from malgil.agents.signals import turn_announcer
from malgil.agents.toolbox import Toolbox
from malgil.agents.tools import Tool
from malgil.agents.transcript import Answer, Said
from malgil.agents.worker import TurnWorker
from malgil.agents.writer import PieceCommits, piece_commits
from malgil.kit.ids import TurnId
from malgil.log import actions as log
from malgil.log.model import Append, Entry, Fact
from malgil.log.queries import read
from malgil.log.scribe import Scribe
from malgil.realtime.bus import MemoryBus
from malgil.storage.database import Connection, Database, UnitOfWork
from tests.agents.client import Client
from tests.agents.script import Script
from tests.fixtures.time import CountedIds, FakeClock

AGENT = AgentRow(1, "말길", None, "Be brief.", "scripted", ["look", "order", "ghost"])
HOUR = TurnSettings(lease=3600, renew_every=600, scan_every=0.05, flush_every=0.001)
"""A lease that no test waits for: who takes over does so for another reason."""
SHORT = replace(HOUR, lease=0.3, renew_every=0.1, scan_every=0.03)
"""A lease that a test can wait for."""


class Prompted(Fact):
    """A user's message, as far as this room needs one."""

    kind: ClassVar[str] = "test.prompted"
    message_id: str
    content: str


class TableTranscript:
    """The Transcript port on one table."""

    async def history(
        self, conn: Connection, session_id: str, *, prompt_seq: int, before_seq: int, most: int
    ) -> list[Said]:
        rows = await conn.fetch(
            "SELECT s.message_id, s.seq, s.sender, s.content FROM said s LEFT JOIN said p ON p.message_id = s.reply_to "
            "WHERE s.session_id = $1 AND s.seq < $3 AND (s.seq = $2 OR coalesce(p.seq, s.seq) < $2) "
            "ORDER BY coalesce(p.seq, s.seq) DESC, s.seq DESC LIMIT $4", session_id, prompt_seq, before_seq, most,
        )
        return [Said(*row) for row in reversed(rows)]

    async def save_answer(self, uow: UnitOfWork, scribe: Scribe, answer: Answer) -> None:
        await uow.conn.execute(
            "INSERT INTO said VALUES ($1, $2, $3, 'agent', $4, $5, $6)",
            answer.message_id, answer.session_id, answer.seq, answer.content,
            {"reason": answer.finish_reason, "tokens": answer.tokens_used, "latency": answer.latency_ms,
             **answer.metadata}, answer.reply_to,
        )


@dataclass
class Process:
    """One life of a server process: a worker with everything below it."""

    worker: TurnWorker
    runner: Runner
    pieces: PieceCommits
    database: Database

    async def kill(self) -> None:
        """What SIGKILL leaves: nothing is released, nothing more is written."""
        tasks = [*self.worker._loops, *self.worker._runs.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.pieces.drain()


@dataclass
class Stage:
    """The wiring. `script` is what every process's model follows."""

    database: Database
    clock: FakeClock
    ids: CountedIds
    script: Script
    tools: dict[str, Tool] = field(default_factory=dict)
    bus: MemoryBus = field(default_factory=MemoryBus)
    continues_prefix: bool = False
    processes: list[Process] = field(default_factory=list)
    transcript: TableTranscript = field(default_factory=TableTranscript)

    def __post_init__(self) -> None:
        self.scribe = Scribe(self.ids, self.clock, turn_announcer(self.bus))

    async def open(self) -> None:
        async with self.database.unit_of_work() as uow:
            await log.settle_epoch(uow)
            await actions.put_agent(uow, AGENT, self.clock.now())
            await uow.conn.execute(
                "CREATE TABLE said (message_id text PRIMARY KEY, session_id text, seq bigint, sender text, "
                "content text, about jsonb, reply_to text)"
            )
            await uow.conn.execute("CREATE TABLE effects (at bigserial, call_id text, what text)")

    # ── who does things ──

    def process(self, node: str = "node-1", settings: TurnSettings = HOUR, database: Database | None = None) -> Process:
        """A process that has not begun to claim."""
        where = database or self.database
        pieces = piece_commits(where, self.scribe)
        toolbox = Toolbox(where, self.scribe, self.tools, timeout=settings.tool_timeout)
        catalogue = ModelCatalogue({"scripted": Provided(self.script.model, self.continues_prefix)})
        runner = Runner(where, self.scribe, self.transcript, pieces, catalogue, toolbox, settings)
        owner = f"{node}-life-{len(self.processes) + 1}"
        worker = TurnWorker(where, self.scribe, self.bus, runner, settings, owner=owner, node=node)
        self.processes.append(Process(worker, runner, pieces, where))
        return self.processes[-1]

    def start(self, node: str = "node-1", settings: TurnSettings = HOUR, database: Database | None = None) -> Process:
        """A process at work."""
        process = self.process(node, settings, database)
        process.worker.start()
        return process

    async def close(self) -> None:
        for process in self.processes:
            await process.worker.drain()
            await process.pieces.drain()

    async def claim(self, node: str = "node-1", lease: float = 3600, most: int = 10) -> list[Turn]:
        """Claimed as a worker does, by a life of its own, and left to the test to run."""
        async with self.database.unit_of_work() as uow:
            return await actions.claim(
                uow, self.scribe, owner=self.ids.new("life"), node=node, lease=lease, most=most
            )

    async def stop(self, session: str, prompt_id: str | None = None) -> list[TurnId]:
        async with self.database.unit_of_work() as uow:
            return await actions.stop_turns(uow, self.scribe, self.transcript, session, prompt_id=prompt_id)

    # ── what is said ──

    async def session(self, name: str = "s") -> str:
        async with self.database.unit_of_work() as uow:
            await log.create_stream(uow, name, aggregate="ChatSession", tenant="acme")
        return name

    async def say(self, session: str, content: str = "안녕?", *, agent_id: int = 1) -> NewTurn:
        """A user's message and its turn, committed together."""
        async with self.database.unit_of_work() as uow:
            prompt_id = self.ids.new("msg")
            new = actions.plan_turn(
                self.scribe, session_id=session, tenant="acme", user_id="kim", agent_id=agent_id, prompt_id=prompt_id
            )
            facts = [Prompted(message_id=prompt_id, content=content), new.fact]
            prompt, queued = await self.scribe.record(uow, Append(session, facts, actor="kim"))
            await uow.conn.execute(
                "INSERT INTO said VALUES ($1, $2, $3, 'user', $4)", prompt_id, session, prompt.seq, content
            )
            await actions.enqueue(uow, self.scribe, [Queued(new, prompt.seq, queued.seq)])
        return new

    async def ask_again(self, first: NewTurn) -> NewTurn:
        """Another turn for the prompt of `first`."""
        async with self.database.unit_of_work() as uow:
            new = actions.plan_turn(
                self.scribe, session_id=first.session_id, tenant="acme", user_id="kim", agent_id=first.agent_id,
                prompt_id=first.prompt_id,
            )
            (queued,) = await self.scribe.record(uow, Append(first.session_id, [new.fact], actor="kim"))
            prompt_seq = await uow.conn.fetchval("SELECT seq FROM said WHERE message_id = $1", first.prompt_id)
            await actions.enqueue(uow, self.scribe, [Queued(new, prompt_seq, queued.seq)])
        return new

    async def ask(self, content: str = "안녕?") -> NewTurn:
        """A message in a session of its own."""
        return await self.say(await self.session(), content)

    # ── what is there ──

    async def turn(self, new: NewTurn) -> Turn:
        async with self.database.read() as conn:
            found = await queries.turn(conn, new.turn_id)
        assert found is not None
        return found

    async def ended(self, new: NewTurn, seconds: float = 10.0) -> Turn:
        """The turn, once it has ended."""
        async def over() -> bool:
            return (await self.turn(new)).status not in ("queued", "running")

        await until(over, seconds)
        return await self.turn(new)

    async def entries(self, session: str = "s") -> list[Entry]:
        async with self.database.read() as conn:
            return await read(conn, session, after=0, limit=100_000)

    async def logged(self, text: str, session: str = "s") -> None:
        """Return when the session's last answer reads `text`."""
        async def there() -> bool:
            shown = Client().play(await self.entries(session)).answers.values()
            return bool(shown) and list(shown)[-1].text == text

        await until(there)

    async def answer(self, new: NewTurn) -> tuple[str, dict[str, Any]] | None:
        """(content, about) of the answer as a message."""
        async with self.database.read() as conn:
            row = await conn.fetchrow("SELECT content, about FROM said WHERE message_id = $1", new.answer_id)
        return (row["content"], row["about"]) if row else None

    async def effects(self) -> list[str]:
        async with self.database.read() as conn:
            return [row["what"] for row in await conn.fetch("SELECT what FROM effects ORDER BY at")]

    async def execute(self, sql: str, *args: Any) -> None:
        async with self.database.read() as conn:
            await conn.execute(sql, *args)

    async def lose_lease(self) -> None:
        """As when the owner was frozen for longer than its lease."""
        await self.execute("UPDATE turns SET lease_until = clock_timestamp() - interval '1 second'")

    async def settled(self, new: NewTurn) -> Turn:
        """The ended turn, after checking what must be true of every answer however it came about."""
        turn = await self.ended(new)
        entries = await self.entries(new.session_id)
        shown = Client().play(entries).answers[new.answer_id]
        ends = [e for e in entries if e.data.get("message_id") == new.answer_id
                and e.kind in ("answer.ended", "turn.dropped")]
        assert len(ends) == 1, "one terminal state"
        assert turn.ended_seq == ends[0].seq
        saved = await self.answer(new)
        if ends[0].kind == "turn.dropped":
            assert saved is None
            assert ends[0].data["state"] == turn.status
        else:
            assert saved is not None
            assert (saved[0], saved[1]["reason"]) == (shown.text, shown.ended)
            assert ends[0].data["content"] == shown.text
            assert {"stop": "completed", "length": "completed"}.get(shown.ended or "", shown.ended) == turn.status
        return turn


async def until(true: Callable[[], Awaitable[object]], seconds: float = 10.0) -> None:
    """Return as soon as `true()` is; fail when that takes too long."""
    async with asyncio.timeout(seconds):
        while True:
            if await true():
                return
            await asyncio.sleep(0.005)


async def gathered(works: Sequence[Awaitable[Any]], seconds: float = 30.0) -> list[Any]:
    """All results, or a failure when they take too long."""
    async with asyncio.timeout(seconds):
        return list(await asyncio.gather(*works))


