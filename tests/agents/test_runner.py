"""One attempt: what the model is asked, what becomes of what it gives, and how it may fail."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai.exceptions import UnexpectedModelBehavior, UserError
from pydantic_ai.messages import SystemPromptPart, ToolCallPart, UserPromptPart

from malgil.agents.errors import AgentUnavailable
from malgil.agents.model import NewTurn, Turn
from tests.agents.client import Client, kinds
from tests.agents.script import FAULT, Move, Think, Use
from tests.agents.stage import HOUR, Stage
from tests.agents.tooling import Doing, tool


async def run(stage: Stage, *responses: list[Move], settings: Any = HOUR) -> tuple[NewTurn, Turn]:
    """The ended turn of one prompt."""
    stage.script.responses = list(responses)
    process = stage.start(settings=settings)
    turn = await stage.settled(new := await stage.ask("배송은요?"))
    await process.worker.drain()
    return new, turn


async def text_of(stage: Stage, new: NewTurn) -> str:
    return Client().play(await stage.entries()).answers[new.answer_id].text


async def test_the_model_is_given_instructions_conversation_and_tools(stage: Stage) -> None:
    stage.tools = tool("look", Doing())
    await run(stage, ["네."])
    (request,) = stage.script.asked[0]
    assert [type(part) for part in request.parts] == [SystemPromptPart, UserPromptPart]
    assert [part.content for part in request.parts] == ["Be brief.", "배송은요?"]
    assert stage.script.offered == [["look"]]


async def test_after_a_tool_the_model_sees_what_it_said_called_and_got(stage: Stage) -> None:
    stage.tools = tool("look", Doing())
    new, _ = await run(stage, ["볼게요. ", Use("look", {"what": "책"})], ["있어요. ", Use("look")], ["끝."])
    assert await text_of(stage, new) == "볼게요. 있어요. 끝."
    first, said, got, said_again, got_again = stage.script.asked[2]
    assert [part.content for part in (said.parts[0], said_again.parts[0])] == ["볼게요. ", "있어요. "]
    calls = [part for part in (*said.parts, *said_again.parts) if isinstance(part, ToolCallPart)]
    assert [call.args for call in calls] == [{"what": "책"}, {}]
    assert [call.tool_call_id for call in calls] == [got.parts[0].tool_call_id, got_again.parts[0].tool_call_id]
    assert len(first.parts) == 2


async def test_the_end_says_what_it_took(stage: Stage) -> None:
    new, _ = await run(stage, ["한 ", "마디 ", "더"])
    (ended,) = [e for e in await stage.entries() if e.kind == "answer.ended"]
    assert ended.data["finish_reason"] == "stop"
    assert ended.data["tokens_used"] > 0
    assert ended.data["attempt"] == 1
    assert ended.data["prompt_id"] == new.prompt_id
    _, about = await stage.answer(new) or ("", {})
    assert about["tokens"] == ended.data["tokens_used"]
    assert about["finish_reason"] == "stop"


async def test_the_latency_counts_from_the_queue(stage: Stage) -> None:
    new = await stage.ask()
    stage.clock.advance(2.341)
    stage.start()
    await stage.settled(new)
    _, about = await stage.answer(new) or ("", {})
    assert about["latency"] == 2341


async def test_a_clock_set_back_gives_no_negative_latency(stage: Stage) -> None:
    new = await stage.ask()
    stage.clock.advance(-60)
    stage.start()
    await stage.settled(new)
    _, about = await stage.answer(new) or ("", {})
    assert about["latency"] == 0


async def test_thoughts_are_nobody_s_business(stage: Stage) -> None:
    new, turn = await run(stage, [Think("몰래 하는 생각"), "대답", Think("또 생각")])
    assert turn.status == "completed"
    assert await text_of(stage, new) == "대답"


async def test_an_answer_without_a_word(stage: Stage) -> None:
    new, turn = await run(stage, [""])
    assert turn.status == "completed"
    assert await stage.answer(new) is not None
    assert kinds(await stage.entries()) == ["prompted", "queued", "started", "ended"]


@pytest.mark.parametrize("error", [
    FAULT, UnexpectedModelBehavior("nonsense"), UserError("no key"), AgentUnavailable("overloaded"),
])
async def test_a_model_that_fails_in_mid_stream_keeps_the_text(stage: Stage, error: Exception) -> None:
    new, turn = await run(stage, ["반쯤 ", "👩🏽‍💻 말", error])
    assert (turn.status, turn.attempt) == ("failed", 1)
    assert turn.error == {"code": "AGENT_UNAVAILABLE", "message": "The model could not answer."}
    content, about = await stage.answer(new) or ("", {})
    assert content == await text_of(stage, new) == "반쯤 👩🏽‍💻 말"
    assert about["reason"] == "failed"
    (ended,) = [e for e in await stage.entries() if e.kind == "answer.ended"]
    assert ended.data["error"] == turn.error


async def test_a_model_that_fails_before_its_first_word(stage: Stage) -> None:
    new, turn = await run(stage, [FAULT])
    assert turn.status == "failed"
    assert await text_of(stage, new) == ""


async def test_a_model_that_fails_after_a_tool_keeps_text_and_effect(stage: Stage) -> None:
    stage.tools = tool("order", Doing())
    new, turn = await run(stage, ["주문합니다. ", Use("order", {"what": "책"})], ["됐", FAULT])
    assert turn.status == "failed"
    assert await text_of(stage, new) == "주문합니다. 됐"
    assert await stage.effects() == ["책"]


async def test_after_a_failure_the_next_prompt_is_answered(stage: Stage) -> None:
    await run(stage, [FAULT])
    stage.script.responses = [["네."]]
    stage.start()
    assert (await stage.settled(await stage.say("s", "다시요"))).status == "completed"


async def test_a_fault_inside_a_model_s_code_is_tried_again(stage: Stage) -> None:
    """Not an error the library knows: ours, or the network's in a way it did not foresee."""
    new, turn = await run(stage, ["반쯤", ValueError("nobody foresaw this")], ["나았어요."])
    assert (turn.status, turn.attempt) == ("completed", 2)
    assert await text_of(stage, new) == "나았어요."


async def test_text_that_no_store_can_keep(stage: Stage) -> None:
    new, turn = await run(stage, ["a\x00b", "\ud83d", "\ude00", "\ud800", "끝"])
    assert turn.status == "completed"
    text = await text_of(stage, new)
    assert text.startswith("a\ufffdb")
    assert text.endswith("끝")
    assert (await stage.answer(new) or ("",))[0] == text


async def test_a_model_that_never_stops_calling_tools(stage: Stage) -> None:
    stage.tools = tool("look", look := Doing())
    new, turn = await run(stage, ["또 ", Use("look")], settings=replace(HOUR, max_steps=3))
    assert turn.status == "completed"
    assert len(look.calls) == len(stage.script.asked) == 3
    content, about = await stage.answer(new) or ("", {})
    assert (content, about["reason"]) == ("또 또 또 ", "length")
    assert [one["name"] for one in about["tools"]] == ["look"] * 3


async def test_a_model_that_is_not_configured(stage: Stage) -> None:
    await stage.execute("UPDATE agents SET model = 'other'")
    _, turn = await run(stage, ["never"])
    assert (turn.status, turn.attempt) == ("failed", 1)
    assert turn.error == {"code": "AGENT_UNAVAILABLE", "message": "No model 'other' is configured here."}
    assert stage.script.asked == []


@pytest.mark.parametrize("change", ["DELETE FROM agents", "UPDATE agents SET tenant = 'another'"])
async def test_an_agent_that_is_gone_or_somebody_else_s(stage: Stage, change: str) -> None:
    await stage.execute(change)
    _, turn = await run(stage, ["never"])
    assert (turn.status, stage.script.asked) == ("failed", [])
    assert turn.error == {"code": "AGENT_UNAVAILABLE", "message": "The agent does not exist any more."}


async def test_the_history_is_bounded(stage: Stage) -> None:
    session = await stage.session()
    stage.start(settings=replace(HOUR, history_messages=3))
    for n in range(4):
        await stage.settled(await stage.say(session, f"질문 {n}"))
    texts = [str(part.content) for message in stage.script.asked[-1] for part in message.parts]
    assert texts == ["Be brief.", "질문 2", "안녕하세요.", "질문 3"]


async def test_pieces_of_a_fast_model_are_gathered(stage: Stage) -> None:
    new, _ = await run(stage, ["x"] * 3000, settings=replace(HOUR, flush_every=3600))
    deltas = [e for e in await stage.entries() if e.kind == "answer.delta"]
    assert await text_of(stage, new) == "x" * 3000
    assert deltas[0].data["content"] == "x", "the first word at once"
    assert len(deltas) <= 5
