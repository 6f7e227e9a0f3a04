"""A model that does what a test tells it, move by move."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel

from malgil.kit import json


@dataclass(frozen=True)
class Use:
    """The model calls a tool. `arguments` may be JSON text, to be sent as it is."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict)
    call_id: str = "model_call_1"
    place: int = 0


@dataclass(frozen=True)
class Think:
    """The model thinks aloud; nobody is to see it."""

    content: str


class Gate:
    """A place where the model waits: a test sees that it was reached, and opens it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.opened.wait()

    async def until_reached(self) -> None:
        await asyncio.wait_for(self.reached.wait(), 10)


Move = str | Use | Think | Gate | Exception
FAULT = ModelHTTPError(503, "scripted", "overloaded")


class Script:
    """The moves for each request in order; the last ones repeat. `asked` holds what each request was given."""

    def __init__(self, *responses: Sequence[Move]) -> None:
        self.responses = list(responses)
        self.asked: list[list[ModelMessage]] = []
        self.offered: list[list[str]] = []
        self.model = FunctionModel(stream_function=self._stream, model_name="scripted")

    def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        self.asked.append(list(messages))
        self.offered.append([tool.name for tool in info.function_tools])
        moves = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        return self._play(moves)

    async def _play(self, moves: Sequence[Move]) -> AsyncIterator[Any]:
        for move in moves:
            match move:
                case str():
                    yield move
                case Use():
                    text = move.arguments if isinstance(move.arguments, str) else json.dumps(move.arguments)
                    yield {move.place: DeltaToolCall(move.name, text, tool_call_id=move.call_id)}
                case Think():
                    yield {99: DeltaThinkingPart(content=move.content)}
                case Gate():
                    await move()
                case Exception():
                    raise move
        yield ""  # the library takes a response without any part for a fault

    def returns(self, request: int = -1) -> list[Any]:
        """The contents of all tool results that a request was given."""
        return [
            part.content for message in self.asked[request] if isinstance(message, ModelRequest)
            for part in message.parts if isinstance(part, ToolReturnPart)
        ]

    def begun(self, request: int = -1) -> str:
        """The half-written text that a request was to go on from."""
        last = self.asked[request][-1]
        if not isinstance(last, ModelResponse):
            return ""
        return "".join(part.content for part in last.parts if isinstance(part, TextPart))
