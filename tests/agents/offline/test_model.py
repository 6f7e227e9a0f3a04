"""The offline model as a model of the agent library: stream, rest of a half answer, usage, speed."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters

from malgil.agents.errors import CannotContinue
from malgil.agents.offline.model import CONTINUES_PREFIX, OfflineModel
from malgil.kit.clock import SystemClock
from tests.agents.offline.toolset import UNSEEN
from tests.fixtures.shop import DEFINITIONS, NOW, Conversation
from tests.fixtures.time import FakeClock

PARAMETERS = ModelRequestParameters(function_tools=[*DEFINITIONS, *UNSEEN])
WORDS = (
    "주문",
    "환불",
    "교환",
    "배송",
    "1042",
    "번",
    "해 주세요",
    "refund",
    "order",
    "where is",
    "my",
    "the",
    "10만원",
    "?",
    ".",
    '"',
    "그리고",
    "and",
)
QUESTIONS = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        ["안녕하세요", "주문 상태 확인", "환불하고 싶어요", "What is the capital of France?", "1042", "🇰🇷 날씨 어때?"]
    ),
    st.lists(st.sampled_from(WORDS)).map(" ".join),
)


def asked(text: str) -> list[ModelMessage]:
    return [ModelRequest([UserPromptPart(text)])]


def begun(text: str, half: str) -> list[ModelMessage]:
    return [*asked(text), ModelResponse([TextPart(half)])]


async def streamed(model: OfflineModel, messages: list[ModelMessage]) -> tuple[str, ModelResponse]:
    conversation = Conversation(run=never, tools=PARAMETERS.function_tools, model=model)
    pieces, response = await conversation.step(messages)
    return "".join(pieces), response


async def never(name: str, arguments: dict[str, Any], call_id: str) -> Any:
    raise AssertionError(f"{name} was called")


async def test_it_is_a_model_of_the_library() -> None:
    model = OfflineModel(FakeClock(NOW))
    response = await model.request(asked("안녕하세요"), None, PARAMETERS)

    assert (model.model_id, response.model_name, response.timestamp) == ("offline:offline", "offline", NOW)
    assert (response.finish_reason, response.usage.details) == ("stop", {"estimated": 1})
    assert response.usage.output_tokens > response.usage.input_tokens > 0
    assert CONTINUES_PREFIX


async def test_a_call_ends_the_step() -> None:
    response = (await streamed(OfflineModel(SystemClock()), asked("내 주문 어디쯤 왔어?")))[1]

    (call,) = response.tool_calls
    assert (call.tool_name, call.args_as_dict(), response.finish_reason) == ("delivery_tracking", {}, "tool_call")


@settings(deadline=None)
@given(QUESTIONS, st.integers(1, 40))
async def test_the_stream_is_the_answer(text: str, size: int) -> None:
    model = OfflineModel(SystemClock(), chunk_size=size)
    whole = await model.request(asked(text), None, PARAMETERS)
    pieces, response = await streamed(model, asked(text))

    assert pieces == (whole.text or "")
    assert response.usage == whole.usage
    assert [(c.tool_name, c.args_as_dict()) for c in response.tool_calls] == [
        (c.tool_name, c.args_as_dict()) for c in whole.tool_calls
    ]


@pytest.mark.parametrize("text", ["안녕하세요", "What is the capital of France?", "🙂"])
async def test_a_half_answer_is_continued_from_every_cut(text: str) -> None:
    model = OfflineModel(SystemClock())
    whole, _ = await streamed(model, asked(text))

    for cut in range(1, len(whole) + 1):
        rest, response = await streamed(model, begun(text, whole[:cut]))
        assert whole[:cut] + rest == whole
        assert response.state == "complete"


@pytest.mark.parametrize("half", ["Something else", "안녕하세요! 무엇을 도와 드릴까요? 아니"])
async def test_a_text_it_would_not_have_begun_is_refused(half: str) -> None:
    model = OfflineModel(SystemClock())

    with pytest.raises(CannotContinue):
        await model.request(begun("안녕하세요", half), None, PARAMETERS)
    with pytest.raises(CannotContinue):
        await streamed(model, begun("안녕하세요", half))


async def test_text_where_it_would_call_a_tool_is_refused() -> None:
    with pytest.raises(CannotContinue):
        await OfflineModel(SystemClock()).request(begun("내 주문 어디쯤 왔어?", "배송"), None, PARAMETERS)


@pytest.mark.parametrize("options", [{"chunk_size": 0}, {"delay_ms": -1}])
def test_bad_options(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="chunk_size"):
        OfflineModel(SystemClock(), **options)


async def test_pieces_are_parted_by_the_delay() -> None:
    model = OfflineModel(SystemClock(), chunk_size=20, delay_ms=5)
    begin = time.monotonic()
    conversation = Conversation(run=never, tools=[], model=model)
    pieces, _ = await conversation.step(asked("안녕하세요"))

    assert time.monotonic() - begin >= 0.005 * (len(pieces) - 1)


@pytest.mark.parametrize(
    "text",
    [
        "환불 규정을 알려 주세요. " * 4_000,
        "a" * 65_536,
        "가" * 65_536,
        "🙂" * 10_000,
        "1" * 65_536,
        "주문 " * 20_000,
        "\"'" * 30_000,
        "해 주세요 " * 10_000,
        "_-@." * 16_000,
        "please " * 9_000,
        "0,0" * 20_000,
        "그 " * 30_000,
    ],
)
async def test_long_texts_cost_little(text: str) -> None:
    model = OfflineModel(SystemClock())
    await model.request(asked("warm"), None, PARAMETERS)
    # The least of three: the collector or a neighbour on the processor may take its time once.
    costs = []
    for number in range(3):
        begin = time.process_time()
        await model.request(asked(f"{text} {number}"), None, PARAMETERS)
        costs.append(time.process_time() - begin)

    assert min(costs) < 0.05
