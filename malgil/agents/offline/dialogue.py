"""What the agent library's messages say, as far as the offline model looks at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from malgil.kit import json


@dataclass(frozen=True, slots=True)
class Step:
    """A tool call of this turn and what came back. `outcome` is `done`, `failed` or `unknown`."""

    tool: str
    arguments: dict[str, Any]
    result: Any
    outcome: str

    @property
    def problem(self) -> str:
        """Why it failed, as the tool said it."""
        error = self.result.get("error", self.result) if isinstance(self.result, dict) else self.result
        return str(error.get("message") or error.get("code") or error) if isinstance(error, dict) else str(error)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The user's prompts, oldest first; what was answered to the one before; this turn's steps; a half answer."""

    prompts: tuple[str, ...]
    answered: str
    steps: tuple[Step, ...]
    begun: str


def dialogue(messages: Sequence[ModelMessage]) -> Dialogue:
    """Read the messages. System prompts, and whatever is no text, are passed over."""
    prompts: list[str] = []
    calls: dict[str, ToolCallPart] = {}
    steps: list[Step] = []
    answered = said = ""
    for message in messages:
        if isinstance(message, ModelRequest):
            new = [_text(part) for part in message.parts if isinstance(part, UserPromptPart)]
            if new:
                prompts += new
                answered, said, steps = said or answered, "", []
            steps += [_step(part, calls) for part in message.parts if isinstance(part, ToolReturnPart)]
        else:
            calls |= {part.tool_call_id: part for part in message.parts if isinstance(part, ToolCallPart)}
            said += _said(message)
    begun = _said(messages[-1]) if messages and isinstance(messages[-1], ModelResponse) else ""
    return Dialogue(tuple(prompts), answered, tuple(steps), begun)


def _said(message: ModelResponse) -> str:
    return "".join(part.content for part in message.parts if isinstance(part, TextPart))


def _text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return "\n".join(piece for piece in part.content if isinstance(piece, str))


def _step(part: ToolReturnPart, calls: dict[str, ToolCallPart]) -> Step:
    call = calls.get(part.tool_call_id)
    return Step(part.tool_name, call.args_as_dict() if call else {}, *_outcome(part))


def _outcome(part: ToolReturnPart) -> tuple[Any, str]:
    result: Any = part.content
    if isinstance(result, str):
        try:
            result = json.loads(result)
        except ValueError:
            result = part.content
    if part.outcome == "interrupted" or (isinstance(result, dict) and result.get("outcome") == "unknown"):
        return result, "unknown"
    if part.outcome != "success" or (isinstance(result, dict) and result.get("error")):
        return result, "failed"
    return result, "done"
