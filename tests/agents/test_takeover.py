"""The takeover table of realtime.md, "Turns": one test a row, each for both takers: the next life of the same node,
which takes back at once, and another node, which waits for the lease."""

from dataclasses import dataclass

import pytest

from malgil.agents.errors import CannotContinue
from malgil.agents.model import MAX_ATTEMPTS, NewTurn
from malgil.agents.settings import TurnSettings
from malgil.agents.toolbox import UNKNOWN
from malgil.log.errors import Fenced
from tests.agents.client import Client, kinds
from tests.agents.script import Gate, Move, Script, Use
from tests.agents.stage import HOUR, SHORT, Process, Stage
from tests.agents.tooling import Doing, tool


@dataclass
class Lives:
    """Processes of which each takes over from the one before it."""

    stage: Stage
    nodes: tuple[str, ...]
    settings: TurnSettings
    number: int = 0

    def begin(self) -> Process:
        process = self.stage.start(self.nodes[self.number % len(self.nodes)], self.settings)
        self.number += 1
        return process

    async def killed_at(self, gate: Gate, said: str = "", *responses: list[Move]) -> NewTurn:
        """A prompt whose first owner was killed where `gate` stands, with `said` in the log."""
        self.stage.script.responses = list(responses)
        process = self.begin()
        new = await self.stage.ask()
        await self.kill(process, gate, said)
        return new

    async def kill(self, process: Process, gate: Gate, said: str) -> None:
        await gate.until_reached()
        if said:
            await self.stage.logged(said)
        await process.kill()


@pytest.fixture(params=["same-node", "other-node"])
def lives(request: pytest.FixtureRequest, stage: Stage) -> Lives:
    if request.param == "same-node":
        return Lives(stage, ("node-1",), HOUR)
    return Lives(stage, ("node-1", "node-2"), SHORT)


async def shown(lives: Lives, new: NewTurn) -> tuple[str, list[int], list[tuple[str, str]]]:
    """(text, offsets of resets, tool frames) that a client has seen of the answer."""
    seen = Client().play(await lives.stage.entries()).answers[new.answer_id]
    return seen.text, seen.resets, seen.tools


async def test_nothing_written_yet_runs_again(lives: Lives) -> None:
    new = await lives.killed_at(gate := Gate(), "", [gate], ["처음부터"])
    lives.begin()
    turn = await lives.stage.settled(new)
    assert (turn.status, turn.attempt, turn.handovers) == ("completed", 2, 0)
    assert await shown(lives, new) == ("처음부터", [], [])
    assert kinds(await lives.stage.entries()) == ["prompted", "queued", "started", "resumed", "delta", "ended"]
    assert len(lives.stage.script.asked[1]) == len(lives.stage.script.asked[0])
    assert lives.stage.script.begun() == ""


async def test_half_written_text_is_continued_by_a_model_that_can(lives: Lives) -> None:
    lives.stage.continues_prefix = True
    new = await lives.killed_at(gate := Gate(), "반쯤 👩🏽‍💻 ", ["반쯤 ", "👩🏽‍💻 ", gate], ["나머지", "."])
    lives.begin()
    turn = await lives.stage.settled(new)
    assert (turn.status, turn.attempt) == ("completed", 2)
    assert lives.stage.script.begun() == "반쯤 👩🏽‍💻 "
    assert await shown(lives, new) == ("반쯤 👩🏽‍💻 나머지.", [], [])


async def test_half_written_text_is_reset_for_a_model_that_cannot(lives: Lives) -> None:
    new = await lives.killed_at(gate := Gate(), "반쯤 👩🏽‍💻 ", ["반쯤 ", "👩🏽‍💻 ", gate], ["다시 ", "새로"])
    lives.begin()
    await lives.stage.settled(new)
    assert lives.stage.script.begun() == ""
    assert await shown(lives, new) == ("다시 새로", [0], [])


async def test_half_written_text_is_reset_when_the_model_cannot_after_all(lives: Lives) -> None:
    lives.stage.continues_prefix = True
    new = await lives.killed_at(gate := Gate(), "반쯤", ["반쯤", gate], [CannotContinue("the facts changed")], ["새로"])
    lives.begin()
    turn = await lives.stage.settled(new)
    assert (turn.status, turn.attempt) == ("completed", 2)
    assert [lives.stage.script.begun(k) for k in range(3)] == ["", "반쯤", ""]
    assert await shown(lives, new) == ("새로", [0], [])


async def test_text_written_before_the_model_finds_that_it_cannot_is_reset_too(lives: Lives) -> None:
    lives.stage.continues_prefix = True
    new = await lives.killed_at(
        gate := Gate(), "반쯤", ["반쯤", gate], ["더", "하다가", CannotContinue("no")], ["새로"]
    )
    lives.begin()
    await lives.stage.settled(new)
    assert await shown(lives, new) == ("새로", [0], [])


async def test_a_reset_names_the_end_of_the_last_finished_step(lives: Lives) -> None:
    lives.stage.tools = tool("look", look := Doing())
    new = await lives.killed_at(
        gate := Gate(), "찾을게요 🔎 찾았", ["찾을게요 🔎 ", Use("look")], ["찾았", gate], ["찾았습니다."]
    )
    lives.begin()
    await lives.stage.settled(new)
    text, resets, tools = await shown(lives, new)
    assert (text, resets) == ("찾을게요 🔎 찾았습니다.", [len("찾을게요 🔎 ")])
    assert [state for _, state in tools] == ["started", "finished"]
    assert len(look.calls) == 1


async def test_the_step_after_a_finished_one_is_continued_by_a_model_that_can(lives: Lives) -> None:
    lives.stage.continues_prefix = True
    lives.stage.tools = tool("look", look := Doing())
    new = await lives.killed_at(
        gate := Gate(), "찾을게요. 찾았", ["찾을게요. ", Use("look")], ["찾았", gate], ["습니다."]
    )
    lives.begin()
    await lives.stage.settled(new)
    assert lives.stage.script.begun() == "찾았"
    assert (await shown(lives, new))[:2] == ("찾을게요. 찾았습니다.", [])
    assert len(look.calls) == 1


async def test_a_finished_tool_is_kept(lives: Lives) -> None:
    lives.stage.tools = tool("order", order := Doing(), idempotent=False)
    new = await lives.killed_at(
        gate := Gate(), "", ["주문합니다. ", Use("order", {"what": "책"})], [gate], ["됐어요."]
    )
    lives.begin()
    await lives.stage.settled(new)
    assert len(order.calls) == 1
    assert await lives.stage.effects() == ["책"]
    assert lives.stage.script.returns() == [{"did": "책"}]
    text, resets, tools = await shown(lives, new)
    assert (text, resets) == ("주문합니다. 됐어요.", [])
    assert [state for _, state in tools] == ["started", "finished"]
    _, about = await lives.stage.answer(new) or ("", {})
    assert [one["result"] for one in about["tools"]] == [{"did": "책"}]


async def test_a_started_tool_that_is_idempotent_runs_again_with_the_same_call_id(lives: Lives) -> None:
    gate = Gate()
    lives.stage.tools = tool("look", look := Doing(gate=gate))
    new = await lives.killed_at(gate, "볼게요. ", ["볼게요. ", Use("look", {"what": "책"})], ["봤어요."])
    gate.opened.set()
    lives.begin()
    await lives.stage.settled(new)
    assert len(look.calls) == 2
    assert len(set(look.calls)) == 1, "the call id tells the tool that it is the same call"
    assert await lives.stage.effects() == ["책"], "what the first run had done was taken back"
    text, resets, tools = await shown(lives, new)
    assert (text, resets) == ("볼게요. 봤어요.", [])
    assert tools == [(look.calls[0], "started"), (look.calls[0], "finished")]
    assert lives.stage.script.returns() == [{"did": "책"}]


async def test_a_started_tool_that_is_not_idempotent_is_unknown_and_the_model_is_told(lives: Lives) -> None:
    gate = Gate()
    lives.stage.tools = tool("order", order := Doing(gate=gate), idempotent=False)
    new = await lives.killed_at(gate, "주문합니다. ", ["주문합니다. ", Use("order")], ["모르겠어요."])
    gate.opened.set()
    lives.begin()
    turn = await lives.stage.settled(new)
    assert turn.status == "completed"
    assert len(order.calls) == 1
    assert lives.stage.script.returns() == [UNKNOWN]
    assert UNKNOWN["outcome"] == "unknown"
    text, resets, tools = await shown(lives, new)
    assert (text, resets) == ("주문합니다. 모르겠어요.", [])
    assert [state for _, state in tools] == ["started", "failed"]
    (failed,) = [e for e in await lives.stage.entries() if e.kind == "tool.failed"]
    assert failed.data["unknown"] is True


async def test_a_tool_that_is_installed_no_more_is_unknown(lives: Lives) -> None:
    gate = Gate()
    lives.stage.tools = tool("look", Doing(gate=gate))
    new = await lives.killed_at(gate, "", [Use("look")], ["이제 없네요."])
    lives.stage.tools = {}
    lives.begin()
    assert (await lives.stage.settled(new)).status == "completed"
    assert lives.stage.script.returns() == [UNKNOWN]


async def test_of_several_calls_each_goes_on_from_where_it_was(lives: Lives) -> None:
    """The first is done and kept, the second was started, the third was never reached: the model decides anew."""
    gate = Gate()
    lives.stage.tools = tool("order", order := Doing(), idempotent=False) | tool("look", look := Doing(gate=gate))
    new = await lives.killed_at(
        gate, "",
        [Use("order", place=0, call_id="a"), Use("look", place=1, call_id="b"), Use("order", place=2, call_id="c")],
        ["끝."],
    )
    gate.opened.set()
    lives.begin()
    await lives.stage.settled(new)
    assert (len(order.calls), len(look.calls)) == (1, 2)
    assert lives.stage.script.returns() == [{"did": "thing"}, {"did": "thing"}]


async def test_what_was_stopped_meanwhile_stays_stopped(lives: Lives) -> None:
    new = await lives.killed_at(gate := Gate(), "반쯤", ["반쯤", gate], ["never"])
    assert await lives.stage.stop("s") == [new.turn_id]
    lives.begin()
    turn = await lives.stage.settled(new)
    assert (turn.status, turn.attempt) == ("stopped", 1)
    assert await shown(lives, new) == ("반쯤", [], [])
    lives.stage.script.responses = [["next"]]
    assert (await lives.stage.settled(await lives.stage.say("s"))).status == "completed"
    assert len(lives.stage.script.asked) == 2


async def test_after_three_lives_it_fails_with_the_text_kept(lives: Lives) -> None:
    gates = [Gate() for _ in range(MAX_ATTEMPTS)]
    attempts: list[list[Move]] = [[f"{n}번째 반쯤", gate] for n, gate in enumerate(gates, 1)]
    new = await lives.killed_at(gates[0], "1번째 반쯤", *attempts, ["never"])
    for n, gate in enumerate(gates[1:], 2):
        await lives.kill(lives.begin(), gate, f"{n}번째 반쯤")
    lives.begin()
    turn = await lives.stage.settled(new)
    assert (turn.status, turn.error) == (
        "failed", {"code": "ATTEMPTS_EXHAUSTED", "message": "The answer was interrupted too often."}
    )
    assert (await shown(lives, new))[:2] == ("3번째 반쯤", [0, 0])
    assert len(lives.stage.script.asked) == MAX_ATTEMPTS


async def test_killed_after_the_whole_text_and_before_the_end(lives: Lives) -> None:
    lives.stage.continues_prefix = True
    new = await lives.killed_at(gate := Gate(), "전부.", ["전부.", gate], [""])
    lives.begin()
    assert (await lives.stage.settled(new)).status == "completed"
    assert await shown(lives, new) == ("전부.", [], [])


async def test_another_answer_is_continued_from_its_own_text(lives: Lives) -> None:
    stage = lives.stage
    stage.continues_prefix = True
    stage.script.responses = [["첫 답이 ", "길어요"], ["둘째 ", gate := Gate()], ["답"]]
    process = lives.begin()
    first = await stage.ask()
    await stage.settled(first)
    again = await stage.ask_again(first)
    await lives.kill(process, gate, "둘째 ")
    lives.begin()
    turn = await stage.settled(again)
    assert (await stage.answer(again) or ("",))[0] == "둘째 답"
    assert turn.attempt == 2


async def test_a_turn_whose_prompt_is_gone_is_left_alone(lives: Lives) -> None:
    stage = lives.stage
    await stage.ask()
    (turn,) = await stage.claim()
    await stage.execute("DELETE FROM said")
    with pytest.raises(Fenced):
        await stage.process().runner.run(turn)
    assert stage.script.asked == []


async def test_a_turn_that_was_only_claimed(lives: Lives) -> None:
    """Dead between the claim and the first word."""
    new = await lives.stage.ask()
    (claimed,) = await lives.stage.claim("node-1", lease=lives.settings.lease)
    lives.number += 1
    lives.begin()
    assert (await lives.stage.settled(new)).attempt == claimed.attempt + 1


async def test_pieces_are_exact_wherever_the_owner_dies(lives: Lives) -> None:
    """Killed again and again after another piece, continued each time: the text is what was written once."""
    lives.stage.continues_prefix = True
    words = ["가 ", "👍🏽 ", "나 "]
    gates = [Gate() for _ in words[:2]]
    script: Script = lives.stage.script
    script.responses = [[words[0], gates[0]], [words[1], gates[1]], [words[2]]]
    process = lives.begin()
    new = await lives.stage.ask()
    await lives.kill(process, gates[0], words[0])
    await lives.kill(lives.begin(), gates[1], "".join(words[:2]))
    lives.begin()
    assert (await lives.stage.settled(new)).attempt == 3
    assert (await shown(lives, new))[0] == "".join(words)
