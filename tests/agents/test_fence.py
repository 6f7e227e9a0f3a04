"""Zombies: an owner that was frozen comes back after its turn was taken over. Whatever it writes is refused."""

import asyncio
from collections.abc import Awaitable

import pytest

from malgil.agents import actions
from malgil.agents.actions import Ending
from malgil.agents.model import NewTurn, Turn
from malgil.kit.errors import MalgilError
from malgil.log.errors import Fenced
from tests.agents.client import Client
from tests.agents.script import Gate, Move, Use
from tests.agents.stage import Stage
from tests.agents.tooling import Doing, tool


class Zombie:
    """A run that stands at a gate while its turn is taken over, and then goes on."""

    def __init__(self, stage: Stage, gate: Gate) -> None:
        self.stage = stage
        self.gate = gate

    async def begin(self, *moves: Move) -> NewTurn:
        self.stage.script.responses = [list(moves), ["새 주인."]]
        new = await self.stage.ask()
        (turn,) = await self.stage.claim("node-1")
        self.task = asyncio.create_task(self.stage.process("node-1").runner.run(turn))
        await self.gate.until_reached()
        return new

    async def is_taken_over(self) -> Turn:
        await self.stage.lose_lease()
        (turn,) = await self.stage.claim("node-2")
        return turn

    async def wakes(self) -> None:
        self.gate.opened.set()
        with pytest.raises(Fenced):
            await asyncio.wait_for(self.task, 10)

    async def replaced(self, turn: Turn) -> None:
        await self.stage.process("node-2").runner.run(turn)


@pytest.fixture
def zombie(stage: Stage) -> Zombie:
    return Zombie(stage, Gate())


@pytest.mark.parametrize("wakes_first", [True, False])
async def test_a_piece_is_refused(stage: Stage, zombie: Zombie, wakes_first: bool) -> None:
    new = await zombie.begin("옛 ", zombie.gate, "주인")
    await stage.logged("옛 ")
    turn = await zombie.is_taken_over()
    if wakes_first:
        await zombie.wakes()
        await zombie.replaced(turn)
    else:
        await zombie.replaced(turn)
        await zombie.wakes()
    await stage.settled(new)
    assert Client().play(await stage.entries()).answers[new.answer_id].text == "새 주인."


@pytest.mark.parametrize("wakes_first", [True, False])
async def test_an_end_is_refused(stage: Stage, zombie: Zombie, wakes_first: bool) -> None:
    new = await zombie.begin("옛 주인", zombie.gate)
    await stage.logged("옛 주인")
    turn = await zombie.is_taken_over()
    if wakes_first:
        await zombie.wakes()
        assert await stage.answer(new) is None
        await zombie.replaced(turn)
    else:
        await zombie.replaced(turn)
        await zombie.wakes()
    await stage.settled(new)
    assert (await stage.answer(new) or ("",))[0] == "새 주인."


@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_tool_s_effect_is_taken_back(stage: Stage, zombie: Zombie, idempotent: bool) -> None:
    """It stands inside the tool, its effect written and not committed; the result is refused, and takes it along."""
    run = Doing(gate=zombie.gate)
    stage.tools = tool("order", run, idempotent=idempotent)
    new = await zombie.begin(Use("order", {"what": "책"}))
    turn = await zombie.is_taken_over()
    await zombie.wakes()
    assert await stage.effects() == []
    await zombie.replaced(turn)
    await stage.settled(new)
    assert await stage.effects() == (["책"] if idempotent else [])
    assert len(run.calls) == (2 if idempotent else 1)


async def test_the_start_of_a_tool_is_refused(stage: Stage, zombie: Zombie) -> None:
    stage.tools = tool("order", run := Doing())
    new = await zombie.begin("", zombie.gate, Use("order"))
    turn = await zombie.is_taken_over()
    await zombie.wakes()
    assert run.calls == [], "what could not be logged is not begun"
    await zombie.replaced(turn)
    await stage.settled(new)


async def test_the_failure_of_a_tool_is_refused(stage: Stage, zombie: Zombie) -> None:
    stage.tools = tool("order", Doing(gate=zombie.gate, raises=ValueError("crash")))
    await zombie.begin(Use("order"))
    await zombie.is_taken_over()
    await zombie.wakes()
    assert not [e for e in await stage.entries() if e.kind == "tool.failed"]


async def test_a_failing_model_s_end_is_refused(stage: Stage, zombie: Zombie) -> None:
    new = await zombie.begin("옛", zombie.gate, MalgilError("scripted"))
    await stage.logged("옛")
    turn = await zombie.is_taken_over()
    zombie.gate.opened.set()
    with pytest.raises(MalgilError):
        await zombie.task
    await zombie.replaced(turn)
    assert (await stage.settled(new)).status == "completed"


async def test_a_reset_is_refused(stage: Stage) -> None:
    """A taker-over that was itself overtaken between its claim and its first write."""
    stage.script.responses = [["옛", Gate()], ["새 주인."]]
    new = await stage.ask()
    (first,) = await stage.claim("node-1")
    task = asyncio.create_task(stage.process().runner.run(first))
    await stage.logged("옛")
    task.cancel()
    await asyncio.wait([task])
    await stage.lose_lease()
    (second,) = await stage.claim("node-2")
    await stage.lose_lease()
    (third,) = await stage.claim("node-3")
    with pytest.raises(Fenced):
        await stage.process().runner.run(second)
    assert len(stage.script.asked) == 1
    await stage.process().runner.run(third)
    assert (await stage.settled(new)).attempt == 3


async def test_fences_grow_from_claim_to_claim(stage: Stage) -> None:
    await stage.ask()
    fences = []
    for n in range(4):
        await stage.lose_lease()
        (turn,) = await stage.claim(f"node-{n}")
        fences.append(turn.fence)
    assert fences == sorted(set(fences))


async def test_of_two_claimers_one_gets_the_turn(stage: Stage) -> None:
    for n in range(10):
        await stage.say(await stage.session(f"s{n}"))
    claims: list[Awaitable[list[Turn]]] = [stage.claim(f"node-{n}", most=10) for n in range(6)]
    taken = [turn.turn_id for turns in await asyncio.gather(*claims) for turn in turns]
    assert len(taken) == len(set(taken)) == 10


@pytest.mark.parametrize("end", ["stop", "failed"])
async def test_a_turn_ends_once(stage: Stage, end: str) -> None:
    new = await stage.ask()
    (turn,) = await stage.claim()
    for _ in range(2):
        try:
            async with stage.database.unit_of_work() as uow:
                await actions.end_turn(uow, stage.scribe, stage.transcript, turn, Ending("", end))
        except Fenced:
            break
    else:
        pytest.fail("it ended twice")
    assert (await stage.settled(new)).status == {"stop": "completed", "failed": "failed"}[end]
