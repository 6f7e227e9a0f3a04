"""The conversation as the agent library's messages."""

import pytest
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from malgil.agents.history import attachment_of, finished_steps, opening, prefix
from malgil.agents.model import Call, Draft
from malgil.agents.transcript import Attachment, Said


def said(*pairs: tuple[str, str]) -> list[Said]:
    return [Said(f"msg_{n}", n, sender, content) for n, (sender, content) in enumerate(pairs, 1)]


def shape(messages: list[ModelRequest | ModelResponse]) -> list[list[tuple[type, object]]]:
    return [[(type(part), getattr(part, "content", None)) for part in message.parts] for message in messages]


def test_a_first_prompt() -> None:
    assert shape(opening("Be kind.", said(("user", "안녕")))) == [
        [(SystemPromptPart, "Be kind."), (UserPromptPart, "안녕")]
    ]


def test_without_instructions_there_are_none() -> None:
    assert shape(opening("", said(("user", "안녕")))) == [[(UserPromptPart, "안녕")]]


def test_turns_alternate_and_the_prompt_is_last() -> None:
    messages = opening("S", said(("user", "1"), ("agent", "2"), ("user", "3"), ("agent", "4"), ("user", "5")))
    assert [type(message) for message in messages] == [
        ModelRequest, ModelResponse, ModelRequest, ModelResponse, ModelRequest
    ]
    assert shape(messages)[-1] == [(UserPromptPart, "5")]


def test_messages_in_a_row_share_a_request() -> None:
    assert shape(opening("", said(("user", "1"), ("system", "2"), ("user", "3")))) == [
        [(UserPromptPart, "1"), (UserPromptPart, "2"), (UserPromptPart, "3")]
    ]


def test_a_conversation_cut_off_at_an_answer_begins_with_the_instructions() -> None:
    messages = opening("S", said(("agent", "0"), ("user", "1")))
    assert shape(messages) == [[(SystemPromptPart, "S")], [(TextPart, "0")], [(UserPromptPart, "1")]]


def test_a_draft_without_calls_has_no_finished_step() -> None:
    assert finished_steps(Draft("반쯤")) == []
    assert finished_steps(Draft()) == []


def test_finished_steps_are_what_was_said_called_and_answered() -> None:
    calls = (
        Call("a", "look", {"n": 1}, 0, 3, {"r": 1}), Call("b", "look", {"n": 2}, 0, 3, {"r": 2}),
        Call("c", "order", {}, 1, 3, {"r": 3}), Call("d", "order", {}, 2, 6, {"error": "x"}, failed=True),
    )
    messages = finished_steps(Draft("앞말 뒷말 끝", calls))
    assert shape(messages) == [
        [(TextPart, "앞말 "), (ToolCallPart, None), (ToolCallPart, None)],
        [(ToolReturnPart, {"r": 1}), (ToolReturnPart, {"r": 2})],
        [(ToolCallPart, None)],
        [(ToolReturnPart, {"r": 3})],
        [(TextPart, "뒷말 "), (ToolCallPart, None)],
        [(ToolReturnPart, {"error": "x"})],
    ]
    asked = [part for part in messages[0].parts if isinstance(part, ToolCallPart)]
    assert [(part.tool_name, part.args, part.tool_call_id) for part in asked] == [
        ("look", {"n": 1}, "a"), ("look", {"n": 2}, "b")
    ]
    assert [part.tool_call_id for part in messages[1].parts] == ["a", "b"]


def test_a_call_without_a_result_is_not_told() -> None:
    """Every call a model is reminded of must have its result, or providers refuse the request."""
    assert finished_steps(Draft("앞말 ", (Call("a", "look", {}, 0, 3),))) == []


@pytest.mark.parametrize(("text", "messages"), [("", []), ("반쯤", [[(TextPart, "반쯤")]])])
def test_a_half_written_step_comes_last(text: str, messages: list[object]) -> None:
    assert shape(prefix(text)) == messages


def test_a_file_comes_behind_what_was_said_with_it() -> None:
    manual = Attachment("설명서, 2판.txt", "text/plain", "첫 줄\n둘째 줄")
    ((_, content),) = shape(opening("", [Said("msg_1", 1, "user", "이게 뭐예요?", manual)]))[0]
    assert content == ["이게 뭐예요?", "[file: 설명서, 2판.txt, text/plain]\n첫 줄\n둘째 줄"]
    assert attachment_of(content[1]) == (manual.name, manual.text)
