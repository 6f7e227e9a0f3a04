"""The conversation and the half-written answer as the agent library's messages."""

from collections.abc import Sequence
from itertools import groupby

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from malgil.agents.model import Draft
from malgil.agents.transcript import Attachment, Said


def opening(instructions: str, said: Sequence[Said]) -> list[ModelMessage]:
    """Instructions and conversation; `said` ends with the prompt that is to be answered."""
    messages: list[ModelMessage] = []
    parts: list[ModelRequestPart] = [SystemPromptPart(instructions)] if instructions else []
    for one in said:
        if one.sender_type == "agent":
            messages += [ModelRequest(parts)] if parts else []
            messages.append(ModelResponse([TextPart(one.content)]))
            parts = []
        else:
            parts.append(UserPromptPart([one.content, attached(one.attached)] if one.attached else one.content))
    return [*messages, ModelRequest(parts)]


def attached(file: Attachment) -> str:
    """A file as a model reads it: apart from what its sender said."""
    return f"[file: {file.name}, {file.media_type}]\n{file.text}"


def attachment_of(piece: str) -> tuple[str, str]:
    """Name and text of what `attached` made."""
    head, _, text = piece.partition("\n")
    return head.removeprefix("[file: ").rpartition(", ")[0], text


def finished_steps(draft: Draft) -> list[ModelMessage]:
    """The steps of the answer that are done: what the model said, what it called, what came back."""
    messages: list[ModelMessage] = []
    begin = 0
    for _, group in groupby((c for c in draft.calls if c.result is not None), key=lambda c: c.step):
        calls = list(group)
        end = calls[0].offset
        said: list[ModelResponsePart] = [TextPart(draft.text[begin:end])] if end > begin else []
        messages.append(ModelResponse([*said, *(ToolCallPart(c.name, c.arguments, c.call_id) for c in calls)]))
        messages.append(ModelRequest([ToolReturnPart(c.name, c.result, c.call_id) for c in calls]))
        begin = end
    return messages


def prefix(text: str) -> list[ModelMessage]:
    """The half-written step that the model is to go on with, if there is one."""
    return [ModelResponse([TextPart(text)])] if text else []
