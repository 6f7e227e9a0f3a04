"""The offline model as a Model of the agent library: asked, streamed and counted like a hosted one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from malgil.agents.errors import CannotContinue
from malgil.agents.offline.dialogue import Dialogue, dialogue
from malgil.agents.offline.language import Language
from malgil.agents.offline.pieces import pieces
from malgil.agents.offline.plan import CallTool, decide
from malgil.agents.offline.profile import profile
from malgil.kit import json
from malgil.kit.clock import Clock

NAME = "offline"
CONTINUES_PREFIX = True
"""When the messages end with its own half-written text, it answers with exactly the rest or raises CannotContinue."""


class OfflineModel(Model[None]):
    """Answers without an LLM (see the package).

    Streams `chunk_size` characters at a time, `delay_ms` milliseconds apart; `language` is used where the conversation
    has no letters. Usage is an estimate, marked by `details["estimated"] == 1`. Raises CannotContinue, before anything
    is streamed, for a half-written answer that is not the beginning of what it would say.
    """

    def __init__(self, clock: Clock, *, chunk_size: int = 10, delay_ms: int = 0, language: Language = "ko") -> None:
        if chunk_size < 1 or delay_ms < 0:
            raise ValueError("chunk_size must be at least 1 and delay_ms at least 0")
        # Instructions stay system prompts; the library must not rewrite them into something a user said.
        super().__init__(profile=ModelProfile(supports_tools=True, supports_inline_system_prompts=True))
        self._clock = clock
        self._chunk_size = chunk_size
        self._delay = delay_ms / 1000
        self._language = language

    @property
    def model_name(self) -> str:
        return NAME

    @property
    def system(self) -> str:
        return NAME

    async def request(
        self, messages: list[ModelMessage], model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The next step of the turn: one tool call, or the answer (its rest, after a half-written one)."""
        part = self._next(messages, model_request_parameters)
        return ModelResponse(
            [part] if isinstance(part, ToolCallPart) or part.content else [], usage=_usage(messages, part),
            model_name=NAME, timestamp=self._clock.now(), provider_name=NAME, finish_reason=_reason(part),
        )

    @asynccontextmanager
    async def request_stream(
        self, messages: list[ModelMessage], model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters, run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The same as `request`, in pieces."""
        part = self._next(messages, model_request_parameters)
        yield OfflineStream(
            model_request_parameters, part, _usage(messages, part), self._clock.now(), self._chunk_size, self._delay
        )

    def _next(self, messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> TextPart | ToolCallPart:
        heard = dialogue(messages)
        decision = decide(heard, [profile(tool) for tool in parameters.function_tools], self._language)
        if heard.begun:
            return TextPart(_rest(decision, heard))
        if isinstance(decision, CallTool):
            return ToolCallPart(decision.tool, decision.arguments)
        return TextPart(decision)


def _rest(decision: CallTool | str, heard: Dialogue) -> str:
    if isinstance(decision, CallTool) or not decision.startswith(heard.begun):
        raise CannotContinue("The offline model would not have begun its answer like this.")
    return decision[len(heard.begun) :]


@dataclass
class OfflineStream(StreamedResponse):
    """One response of the offline model, piece by piece."""

    _part: TextPart | ToolCallPart
    _estimate: RequestUsage
    _timestamp: datetime
    _chunk_size: int
    _delay: float

    def __post_init__(self) -> None:
        self._usage = self._estimate
        self.finish_reason = _reason(self._part)

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        if isinstance(self._part, ToolCallPart):
            yield self._parts_manager.handle_tool_call_part(
                vendor_part_id=None, tool_name=self._part.tool_name, args=self._part.args,
                tool_call_id=self._part.tool_call_id,
            )
            return
        for number, piece in enumerate(pieces(self._part.content, self._chunk_size)):
            if number and self._delay:
                await asyncio.sleep(self._delay)
            for event in self._parts_manager.handle_text_delta(vendor_part_id="text", content=piece):
                yield event

    async def close_stream(self) -> None:
        """Nothing is held open."""

    @property
    def model_name(self) -> str:
        return NAME

    @property
    def provider_name(self) -> str:
        return NAME

    @property
    def provider_url(self) -> None:
        return None

    @property
    def timestamp(self) -> datetime:
        return self._timestamp


def _reason(part: TextPart | ToolCallPart) -> Any:
    return "tool_call" if isinstance(part, ToolCallPart) else "stop"


def _usage(messages: Sequence[ModelMessage], part: TextPart | ToolCallPart) -> RequestUsage:
    """What an LLM would roughly have counted: four Latin letters or one and a half others a token."""
    heard = sum(_tokens(_content(one)) for message in messages for one in message.parts)
    return RequestUsage(input_tokens=heard, output_tokens=_tokens(_content(part)), details={"estimated": 1})


def _content(part: Any) -> str:
    said = part.args if isinstance(part, ToolCallPart) else getattr(part, "content", "")
    return said if isinstance(said, str) else json.dumps(said)


def _tokens(text: str) -> int:
    latin = len(text.encode("ascii", "ignore"))
    return -(-latin // 4) + -(-(len(text) - latin) * 2 // 3)
