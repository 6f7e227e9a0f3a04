"""The verbs of turns. Each runs in the caller's unit of work; locks go turn row → stream head → messages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Self

from malgil.agents import queries, store
from malgil.agents.events import AnswerEnded, FinishReason, TurnDropped, TurnResumed, TurnStarted
from malgil.agents.model import Call, Draft, NewTurn, Queued, Turn
from malgil.agents.queries import AgentRow
from malgil.agents.transcript import Answer, Transcript
from malgil.kit import failpoints
from malgil.kit.ids import MESSAGE, TURN, MessageId, SessionId, TenantId, TurnId, UserId
from malgil.log import actions as log
from malgil.log.errors import Fenced
from malgil.log.model import Append, Fact
from malgil.log.scribe import Scribe
from malgil.storage.database import UnitOfWork

_STATUS: dict[FinishReason, str] = {
    "stop": "completed", "length": "completed", "stopped": "stopped", "failed": "failed"
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended: its whole text, why, and what it took. `calls` are kept with the message."""

    content: str
    finish_reason: FinishReason
    tokens_used: int = 0
    error: dict[str, Any] | None = None
    calls: tuple[Call, ...] = ()

    @classmethod
    def of(cls, draft: Draft, reason: FinishReason, *, error: dict[str, Any] | None = None) -> Self:
        """The end of an answer as the draft has it; what its model used is not known then."""
        return cls(draft.text, reason, error=error, calls=draft.calls)


async def put_agent(uow: UnitOfWork, agent: AgentRow, now: datetime) -> None:
    """An agent that all tenants share, unless one of its id exists."""
    await store.put_agent(uow.conn, (
        agent.agent_id, agent.name, agent.avatar_url, agent.instructions, agent.model, agent.tools, now
    ))


def plan_turn(
    scribe: Scribe, *, session_id: str, tenant: str, user_id: str, agent_id: int, prompt_id: str
) -> NewTurn:
    """A turn for the user's message; its `fact` goes into the append that holds the message, or into a later one."""
    return NewTurn(
        TurnId(scribe.new_id(TURN)), SessionId(session_id), TenantId(tenant), UserId(user_id), agent_id,
        MessageId(prompt_id), MessageId(scribe.new_id(MESSAGE)),
    )


async def enqueue(uow: UnitOfWork, scribe: Scribe, turns: Sequence[Queued]) -> None:
    """Queue the turns whose facts are in the log. Workers hear of it through the TurnQueued facts."""
    if turns:
        await store.insert(uow.conn, turns, scribe.now())


async def claim(
    uow: UnitOfWork, scribe: Scribe, *, owner: str, node: str, lease: float, most: int, held: Sequence[str] = (),
    left_behind: bool = True,
) -> list[Turn]:
    """Take up to `most` turns that nobody runs, raise their fences, and log that they start or go on.

    `held` are those that the owner runs at this moment: they are not taken, even if their lease is over.
    `left_behind`: take at once also what other owners on this node hold.
    """
    turns = await store.claim(uow.conn, most, owner, node, lease, held, left_behind=left_behind)
    results = await scribe.record_many(
        uow, [Append(t.session_id, _claim_facts(t), new_fence=t.fence) for t in turns]
    )
    taken: list[Turn] = []
    for turn, result in zip(turns, results, strict=True):
        if isinstance(result, Exception):
            # No stream any more: nobody can read an answer, so the turn ends without one.
            await store.end(uow.conn, turn.turn_id, turn.fence, "failed", scribe.now(), {"code": "NOT_FOUND"})
        else:
            taken.append(turn if turn.started_seq else replace(turn, started_seq=result[0].seq))
    fresh = {t.turn_id for t in turns if t.started_seq is None}
    await store.mark_started(
        uow.conn, [(t.turn_id, t.started_seq) for t in taken if t.turn_id in fresh and t.started_seq]
    )
    return taken


def _claim_facts(turn: Turn) -> list[Fact]:
    if turn.exhausted:
        return []
    if turn.started_seq is None:
        return [TurnStarted(
            turn_id=turn.turn_id, message_id=turn.answer_id, agent_id=turn.agent_id, attempt=turn.attempt
        )]
    return [TurnResumed(turn_id=turn.turn_id, message_id=turn.answer_id, attempt=turn.attempt)]


async def end_turn(uow: UnitOfWork, scribe: Scribe, transcript: Transcript, turn: Turn, ending: Ending) -> None:
    """The one end of a started turn: row, terminal fact and message, together. Raises Fenced for an old owner."""
    status = _STATUS[ending.finish_reason]
    if not await store.end(uow.conn, turn.turn_id, turn.fence, status, scribe.now(), ending.error):
        raise Fenced(f"The turn {turn.turn_id!r} has another owner now.")
    now = scribe.now()
    fact = AnswerEnded(
        turn_id=turn.turn_id, message_id=turn.answer_id, prompt_id=turn.prompt_id, agent_id=turn.agent_id,
        content=ending.content, finish_reason=ending.finish_reason, tokens_used=ending.tokens_used,
        latency_ms=max(0, round((now - turn.queued_at).total_seconds() * 1000)), attempt=turn.attempt,
        error=ending.error,
    )
    (entry,) = await scribe.record(uow, Append(turn.session_id, [fact], fence=turn.fence))
    await store.mark_ended(uow.conn, turn.turn_id, entry.seq)
    await transcript.save_answer(uow, scribe, Answer(
        turn.session_id, turn.answer_id, turn.turn_id, turn.agent_id, entry.seq, ending.content,
        ending.finish_reason, ending.tokens_used, fact.latency_ms, entry.at, _metadata(turn, ending), turn.prompt_id,
    ))
    failpoints.reach("turn.before_end_commit")


async def stop_turns(
    uow: UnitOfWork, scribe: Scribe, transcript: Transcript, session_id: str, *, prompt_id: str | None = None
) -> list[TurnId]:
    """Stop the session's running turn, keeping what was said so far, and drop the queued ones.

    With `prompt_id` only those that answer this message.

    It takes the running turn's fence, so it needs no answer from the turn's owner: whatever that still writes is
    refused. What counts as said is what the log holds, which is what every client has been shown.
    """
    turns = [
        turn for turn in await store.lock_open(uow.conn, session_id) if prompt_id in (None, turn.prompt_id)
    ]
    for turn in turns:
        if turn.status == "queued":
            await _drop(uow, scribe, turn, "stopped", None)
        else:
            await close_turn(uow, scribe, transcript, turn, "stopped", None)
    return [turn.turn_id for turn in turns]


async def forget_turns(uow: UnitOfWork, session_id: str) -> None:
    """Delete the turns of a session whose stream is sealed; who still runs one is refused by the log."""
    await store.forget(uow.conn, session_id)


async def close_turn(
    uow: UnitOfWork, scribe: Scribe, transcript: Transcript, turn: Turn,
    reason: Literal["stopped", "failed"], error: dict[str, Any] | None,
) -> None:
    """End a started turn from outside its run, with the text that the log holds."""
    fence = await store.raise_fence(uow.conn, turn.turn_id)
    await log.append(uow, Append(turn.session_id, [], new_fence=fence), scribe.now())
    draft = await queries.draft(uow.conn, turn)
    await end_turn(uow, scribe, transcript, replace(turn, fence=fence), Ending.of(draft, reason, error=error))


async def _drop(
    uow: UnitOfWork, scribe: Scribe, turn: Turn, state: Literal["stopped", "failed"], error: dict[str, Any] | None
) -> None:
    await store.end(uow.conn, turn.turn_id, turn.fence, state, scribe.now(), error)
    fact = TurnDropped(
        turn_id=turn.turn_id, message_id=turn.answer_id, prompt_id=turn.prompt_id, state=state, error=error
    )
    (entry,) = await scribe.record(uow, Append(turn.session_id, [fact]))
    await store.mark_ended(uow.conn, turn.turn_id, entry.seq)


def _metadata(turn: Turn, ending: Ending) -> dict[str, Any]:
    found: dict[str, Any] = {"turn_id": turn.turn_id, "finish_reason": ending.finish_reason}
    if ending.calls:
        found["tools"] = [
            {"name": c.name, "call_id": c.call_id, "arguments": c.arguments, "result": c.result} for c in ending.calls
        ]
    return found
