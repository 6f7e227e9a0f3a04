"""The facts of a turn. Closed, versioned, frozen; `message_id` is always the answer's."""

from typing import Any, ClassVar, Literal

from malgil.log.model import Fact

FinishReason = Literal["stop", "length", "stopped", "failed"]


class TurnQueued(Fact):
    """Accepted together with the user's message; somebody will answer it."""

    kind: ClassVar[str] = "turn.queued"
    turn_id: str
    prompt_id: str
    message_id: str
    agent_id: int
    user_id: str


class TurnStarted(Fact):
    """First claimed: the answer begins."""

    kind: ClassVar[str] = "turn.started"
    turn_id: str
    message_id: str
    agent_id: int
    attempt: int


class TurnResumed(Fact):
    """Claimed again after its owner was lost or handed it over."""

    kind: ClassVar[str] = "turn.resumed"
    turn_id: str
    message_id: str
    attempt: int


class AnswerReset(Fact):
    """The text from `offset` on (code points) is void; the attempt writes it anew."""

    kind: ClassVar[str] = "answer.reset"
    turn_id: str
    message_id: str
    attempt: int
    offset: int


class ToolStarted(Fact):
    """A tool call is about to run. `offset` is the length of the text before it, `step` counts model requests."""

    kind: ClassVar[str] = "tool.started"
    turn_id: str
    message_id: str
    call_id: str
    name: str
    arguments: dict[str, Any]
    attempt: int
    step: int
    offset: int


class ToolFinished(Fact):
    """The call's result; commits together with the tool's effect."""

    kind: ClassVar[str] = "tool.finished"
    turn_id: str
    message_id: str
    call_id: str
    name: str
    result: dict[str, Any]


class ToolFailed(Fact):
    """The call failed, or (`unknown`) nobody can know whether it took effect. `result` is what the model is told."""

    kind: ClassVar[str] = "tool.failed"
    turn_id: str
    message_id: str
    call_id: str
    name: str
    result: dict[str, Any]
    unknown: bool = False


class AnswerEnded(Fact):
    """The one terminal fact of a started turn: the whole answer as it stands."""

    kind: ClassVar[str] = "answer.ended"
    turn_id: str
    message_id: str
    prompt_id: str
    agent_id: int
    content: str
    finish_reason: FinishReason
    tokens_used: int
    latency_ms: int
    attempt: int
    error: dict[str, Any] | None = None


class TurnDropped(Fact):
    """The one terminal fact of a turn that never started."""

    kind: ClassVar[str] = "turn.dropped"
    turn_id: str
    message_id: str
    prompt_id: str
    state: Literal["stopped", "failed"]
    error: dict[str, Any] | None = None


TERMINAL = frozenset({AnswerEnded.kind, TurnDropped.kind})
