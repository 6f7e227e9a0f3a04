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

from malgil.agents.history import attachment_of
from malgil.agents.offline.passages import Passage
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
    """The user's prompts, oldest first; what was answered to the one before; this turn's steps; a half answer; the
    files that came with the prompts, the newest first, and whether the last prompt brought one."""

    prompts: tuple[str, ...]
    answered: str
    steps: tuple[Step, ...]
    begun: str
    documents: tuple[Passage, ...] = ()
    brought: bool = False


def dialogue(messages: Sequence[ModelMessage]) -> Dialogue:
    """Read the messages. System prompts, and whatever is no text, are passed over."""
    prompts: list[str] = []
    calls: dict[str, ToolCallPart] = {}
    steps: list[Step] = []
    documents: list[Passage] = []
    answered, said, brought = "", "", False
    for message in messages:
        if isinstance(message, ModelRequest):
            new = [_text(part) for part in message.parts if isinstance(part, UserPromptPart)]
            if new:
                prompts += [said for said, _ in new]
                documents = [*(file for _, file in reversed(new) if file), *documents]
                brought = new[-1][1] is not None
                answered, said, steps = said or answered, "", []
            steps += [_step(part, calls) for part in message.parts if isinstance(part, ToolReturnPart)]
        else:
            calls |= {part.tool_call_id: part for part in message.parts if isinstance(part, ToolCallPart)}
            said += _said(message)
    begun = _said(messages[-1]) if messages and isinstance(messages[-1], ModelResponse) else ""
    return Dialogue(tuple(prompts), answered, tuple(steps), begun, tuple(documents), brought)


def _said(message: ModelResponse) -> str:
    return "".join(part.content for part in message.parts if isinstance(part, TextPart))


def _text(part: UserPromptPart) -> tuple[str, Passage | None]:
    """What was said, and the file that came with it: what stands in a file asks for nothing."""
    if isinstance(part.content, str):
        return part.content, None
    said, *more = [piece for piece in part.content if isinstance(piece, str)] or [""]
    if not more:
        return said, None
    name, text = attachment_of(more[0])
    return said, Passage(text, name, None)


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
