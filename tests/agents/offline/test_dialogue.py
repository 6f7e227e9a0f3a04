"""What the messages say."""

from typing import Any

import pytest
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from malgil.agents.offline.dialogue import dialogue
from malgil.agents.offline.passages import Passage

CALL = ToolCallPart("t", '{"a": 1}', "c1")


def turn(*returned: Any) -> list[ModelMessage]:
    return [
        ModelRequest([SystemPromptPart("rules"), UserPromptPart("first")]),
        ModelResponse([TextPart("answer")]),
        ModelRequest([UserPromptPart("second")]),
        ModelResponse([ThinkingPart("hm"), CALL]),
        ModelRequest(returned),
    ]


def test_a_turn_is_read() -> None:
    heard = dialogue(turn(ToolReturnPart("t", {"x": 1}, "c1")))

    assert (heard.prompts, heard.answered, heard.begun) == (("first", "second"), "answer", "")
    (step,) = heard.steps
    assert (step.tool, step.arguments, step.result, step.outcome) == ("t", {"a": 1}, {"x": 1}, "done")


@pytest.mark.parametrize(
    ("part", "outcome", "problem"),
    [
        (ToolReturnPart("t", {"error": {"code": "C", "message": "no"}}, "c1"), "failed", "no"),
        (ToolReturnPart("t", '{"error": {"code": "C"}}', "c1"), "failed", "C"),
        (ToolReturnPart("t", "went wrong", "c1", outcome="failed"), "failed", "went wrong"),
        (ToolReturnPart("t", {"outcome": "unknown", "error": {"message": "?"}}, "c1"), "unknown", "?"),
        (ToolReturnPart("t", "", "c1", outcome="interrupted"), "unknown", ""),
        (ToolReturnPart("t", "bad arguments", "c1", outcome="retried"), "failed", "bad arguments"),
    ],
)
def test_outcomes(part: Any, outcome: str, problem: str) -> None:
    (step,) = dialogue(turn(part)).steps

    assert (step.outcome, step.problem) == (outcome, problem)


def test_a_half_written_answer() -> None:
    heard = dialogue([*turn(ToolReturnPart("t", {}, "c1")), ModelResponse([TextPart("half")])])

    assert heard.begun == "half"
    assert len(heard.steps) == 1


def test_steps_of_earlier_turns_are_past() -> None:
    messages = [
        *turn(ToolReturnPart("t", {}, "c1")),
        ModelResponse([TextPart("done")]),
        ModelRequest([UserPromptPart("third")]),
    ]

    assert dialogue(messages).steps == ()
    assert dialogue(messages).answered == "done"


def test_nothing_said() -> None:
    assert dialogue([]).prompts == ()
    assert dialogue([ModelRequest([])]).prompts == ()


def test_a_file_is_apart_from_what_was_said() -> None:
    manual = "[file: 설명서, 2판.txt, text/plain]\n첫 줄\n둘째 줄"
    heard = dialogue([
        ModelRequest([UserPromptPart(["이게 뭐예요?", manual])]), ModelResponse([TextPart("설명서예요.")]),
        ModelRequest([UserPromptPart("고마워요"), UserPromptPart(["그럼 이건?", "[file: a.png, image/png]\n"])]),
    ])

    assert heard.prompts == ("이게 뭐예요?", "고마워요", "그럼 이건?")
    assert heard.documents == (Passage("", "a.png", None), Passage("첫 줄\n둘째 줄", "설명서, 2판.txt", None))
    assert heard.brought
