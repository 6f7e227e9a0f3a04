"""Turns, half-written answers and what a taker-over does with them: pure, no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from malgil.agents import events
from malgil.kit.ids import MessageId, SessionId, TenantId, TurnId, UserId
from malgil.log.model import DELTA, Entry

TurnStatus = Literal["queued", "running", "completed", "failed", "stopped"]
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn about to be queued. Its answer's message id is allotted here, so that every attempt writes the same."""

    turn_id: TurnId
    session_id: SessionId
    tenant: TenantId
    user_id: UserId
    agent_id: int
    prompt_id: MessageId
    answer_id: MessageId

    @property
    def fact(self) -> events.TurnQueued:
        return events.TurnQueued(
            turn_id=self.turn_id, prompt_id=self.prompt_id, message_id=self.answer_id, agent_id=self.agent_id,
            user_id=self.user_id,
        )


@dataclass(frozen=True, slots=True)
class Queued:
    """A turn that is in the log: where its prompt stands, and its own TurnQueued entry."""

    turn: NewTurn
    prompt_seq: int
    queued_seq: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn's row. `attempt` counts claims, `handovers` those given back in an orderly way (a drain).

    Turns of a session run in the order of `queued_seq`. A prompt that is answered again has a turn for each answer.
    """

    turn_id: TurnId
    session_id: SessionId
    tenant: TenantId
    user_id: UserId
    agent_id: int
    prompt_id: MessageId
    answer_id: MessageId
    prompt_seq: int
    queued_seq: int
    status: TurnStatus
    attempt: int
    handovers: int
    fence: int
    started_seq: int | None
    ended_seq: int | None
    error: dict[str, Any] | None
    queued_at: datetime

    @property
    def exhausted(self) -> bool:
        """More lives lost than a turn has."""
        return self.attempt - self.handovers > MAX_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the answer. `result` is None while it is not known how the call ended."""

    call_id: str
    name: str
    arguments: dict[str, Any]
    step: int
    offset: int
    result: dict[str, Any] | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer as far as the log holds it: text, tool calls, and whether it has ended."""

    text: str = ""
    calls: tuple[Call, ...] = field(default=())
    ended: bool = False

    @property
    def step_offset(self) -> int:
        """Where the text of the step that is being written begins: behind the last tool call."""
        return self.calls[-1].offset if self.calls else 0

    @property
    def half_step(self) -> str:
        """Text of a step that had not finished."""
        return self.text[self.step_offset :]

    @property
    def dangling(self) -> tuple[Call, ...]:
        """Calls that were started and whose result is not in the log."""
        return tuple(call for call in self.calls if call.result is None)

    def apply(self, entry: Entry) -> "Draft":
        """The draft after one more entry of its own answer."""
        data = entry.data
        match entry.kind:
            case kind if kind == DELTA:
                return replace(self, text=self.text[: data["offset"]] + data["content"])
            case events.AnswerReset.kind:
                return replace(self, text=self.text[: data["offset"]])
            case events.ToolStarted.kind:
                known = tuple(c for c in self.calls if c.call_id != data["call_id"])
                call = Call(data["call_id"], data["name"], data["arguments"], data["step"], data["offset"])
                return replace(self, calls=(*known, call))
            case events.ToolFinished.kind | events.ToolFailed.kind:
                return replace(self, calls=tuple(_close(c, entry) for c in self.calls))
            case events.AnswerEnded.kind:
                return replace(self, ended=True)
            case _:
                return self


def replay(entries: Iterable[Entry], answer_id: str) -> Draft:
    """The draft that the log's entries add up to; entries of other answers are passed over."""
    draft = Draft()
    for entry in entries:
        if entry.data.get("message_id") == answer_id:
            draft = draft.apply(entry)
    return draft


@dataclass(frozen=True, slots=True)
class Resume:
    """How a taker-over goes on: which calls to run again, which are lost for good, and from where the text stands."""

    rerun: tuple[Call, ...] = ()
    unknown: tuple[Call, ...] = ()
    reset_to: int | None = None
    prefix: str = ""


def plan_resume(draft: Draft, *, idempotent: frozenset[str], continues_prefix: bool) -> Resume:
    """The takeover table of realtime.md, "Turns".

    A dangling call means that its step's text was complete, so text is reset or continued only without one.
    """
    if draft.dangling:
        return Resume(
            rerun=tuple(c for c in draft.dangling if c.name in idempotent),
            unknown=tuple(c for c in draft.dangling if c.name not in idempotent),
        )
    if not draft.half_step:
        return Resume()
    if continues_prefix:
        return Resume(prefix=draft.half_step)
    return Resume(reset_to=draft.step_offset)


def _close(call: Call, entry: Entry) -> Call:
    if call.call_id != entry.data["call_id"]:
        return call
    return replace(call, result=entry.data["result"], failed=entry.kind == events.ToolFailed.kind)
