"""The verbs of turns."""

import asyncpg
import pytest

from malgil.agents import actions
from malgil.agents.actions import Ending
from malgil.agents.model import Queued
from malgil.log.errors import Fenced
from malgil.log.model import Entry
from tests.agents.client import kinds
from tests.agents.script import Gate, Use
from tests.agents.stage import Stage
from tests.agents.tooling import Doing, tool

# ── claim ──


async def test_a_claim_starts_a_turn_and_raises_its_fence(stage: Stage) -> None:
    new = await stage.ask()
    (turn,) = await stage.claim()
    assert (turn.turn_id, turn.status, turn.attempt, turn.started_seq) == (new.turn_id, "running", 1, 3)
    assert turn.fence > 0
    assert (await stage.turn(new)) == turn
    assert (await stage.entries())[-1].data == {
        "turn_id": new.turn_id, "message_id": new.answer_id, "agent_id": 1, "attempt": 1
    }
    async with stage.database.read() as conn:
        assert await conn.fetchval("SELECT fence FROM log_streams") == turn.fence


async def test_a_running_turn_is_its_owner_s_until_the_lease_is_over(stage: Stage) -> None:
    await stage.ask()
    (first,) = await stage.claim("node-1")
    assert await stage.claim("node-2") == []
    await stage.lose_lease()
    (second,) = await stage.claim("node-2")
    assert (second.attempt, second.started_seq) == (2, first.started_seq)
    assert second.fence > first.fence
    assert kinds(await stage.entries())[-1] == "resumed"


async def test_the_next_life_of_a_node_does_not_wait_for_the_lease(stage: Stage) -> None:
    await stage.ask()
    await stage.claim("node-1")
    assert len(await stage.claim("node-1")) == 1


async def test_who_has_looked_around_leaves_the_living_of_its_node_alone(stage: Stage) -> None:
    """Two processes may share a node id (a copied DATA_DIR): they must not take every turn from each other."""
    await stage.ask()
    await stage.claim("node-1")
    async with stage.database.unit_of_work() as uow:
        assert await actions.claim(
            uow, stage.scribe, owner="twin", node="node-1", lease=9, most=9, left_behind=False
        ) == []


async def test_what_the_claimer_still_runs_is_not_taken(stage: Stage) -> None:
    new = await stage.ask()
    await stage.claim("node-1")
    await stage.lose_lease()
    async with stage.database.unit_of_work() as uow:
        assert await actions.claim(
            uow, stage.scribe, owner="x", node="node-1", lease=9, most=9, held=[new.turn_id]
        ) == []


async def test_only_the_first_open_turn_of_a_session_is_claimed(stage: Stage) -> None:
    session = await stage.session()
    turns = [await stage.say(session) for _ in range(3)]
    assert [turn.turn_id for turn in await stage.claim()] == [turns[0].turn_id]
    assert await stage.claim("node-2") == []


async def test_a_claim_that_is_rolled_back_leaves_nothing(stage: Stage) -> None:
    new = await stage.ask()
    with pytest.raises(ZeroDivisionError):
        async with stage.database.unit_of_work() as uow:
            await actions.claim(uow, stage.scribe, owner="o", node="n", lease=9, most=9)
            raise ZeroDivisionError
    assert (await stage.turn(new)).status == "queued"
    assert kinds(await stage.entries()) == ["prompted", "queued"]


async def test_the_oldest_come_first(stage: Stage) -> None:
    turns = []
    for n in range(3):
        stage.clock.advance(1)
        turns.append(await stage.say(await stage.session(f"s{n}")))
    for new in turns:
        assert [turn.turn_id for turn in await stage.claim(new.turn_id, most=1)] == [new.turn_id]


# ── enqueue ──


async def test_a_turn_is_queued_once(stage: Stage) -> None:
    new = await stage.ask()
    async with stage.database.unit_of_work() as uow:
        with pytest.raises(asyncpg.UniqueViolationError):
            async with uow.conn.transaction():
                await actions.enqueue(uow, stage.scribe, [Queued(new, 1, 2)])
        await actions.enqueue(uow, stage.scribe, [])


async def test_ids_of_a_planned_turn_are_its_own(stage: Stage) -> None:
    one, two = [
        actions.plan_turn(stage.scribe, session_id="s", tenant="acme", user_id="kim", agent_id=1, prompt_id=f"msg_{n}")
        for n in range(2)
    ]
    assert len({one.turn_id, two.turn_id, one.answer_id, two.answer_id}) == 4
    assert one.turn_id.startswith("turn_")
    assert one.answer_id.startswith("msg_")


# ── end ──


async def test_an_end_is_row_fact_and_message_together_or_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = await stage.ask()
    (turn,) = await stage.claim()

    async def refuses(uow: object, scribe: object, answer: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stage.transcript, "save_answer", refuses)
    with pytest.raises(ZeroDivisionError):
        async with stage.database.unit_of_work() as uow:
            await actions.end_turn(uow, stage.scribe, stage.transcript, turn, Ending("끝", "stop"))
    assert (await stage.turn(new)).status == "running"
    assert kinds(await stage.entries())[-1] == "started"
    monkeypatch.undo()
    async with stage.database.unit_of_work() as uow:
        await actions.end_turn(uow, stage.scribe, stage.transcript, turn, Ending("", "stop"))
    assert (await stage.settled(new)).status == "completed"


async def test_an_end_under_an_old_fence_is_refused(stage: Stage) -> None:
    new = await stage.ask()
    (old,) = await stage.claim("node-1")
    await stage.lose_lease()
    await stage.claim("node-2")
    with pytest.raises(Fenced):
        async with stage.database.unit_of_work() as uow:
            await actions.end_turn(uow, stage.scribe, stage.transcript, old, Ending("", "stop"))
    assert (await stage.turn(new)).status == "running"


# ── stop ──


async def test_stopping_a_running_turn_keeps_what_was_said(stage: Stage) -> None:
    stage.tools = tool("look", Doing())
    stage.script.responses = [["볼게요 👀 ", Use("look")], ["봤는", gate := Gate()]]
    stage.start()
    new = await stage.ask()
    await gate.until_reached()
    await stage.logged("볼게요 👀 봤는")
    assert await stage.stop("s") == [new.turn_id]
    turn = await stage.settled(new)
    assert (turn.status, turn.error) == ("stopped", None)
    content, about = await stage.answer(new) or ("", {})
    assert (content, about["finish_reason"]) == ("볼게요 👀 봤는", "stopped")


async def test_stopping_drops_what_is_queued(stage: Stage) -> None:
    session = await stage.session()
    turns = [await stage.say(session) for _ in range(3)]
    await stage.claim()
    assert await stage.stop(session) == [new.turn_id for new in turns]
    assert [(await stage.settled(new)).status for new in turns] == ["stopped"] * 3
    dropped = [e for e in await stage.entries() if e.kind == "turn.dropped"]
    assert [(e.data["turn_id"], e.data["state"]) for e in dropped] == [
        (new.turn_id, "stopped") for new in turns[1:]
    ]
    assert await stage.claim("node-2") == []


async def test_stopping_nothing_is_nothing(stage: Stage) -> None:
    session = await stage.session()
    assert await stage.stop(session) == []
    assert await stage.stop("none") == []
    new = await stage.say(session)
    stage.start()
    await stage.settled(new)
    assert await stage.stop(session) == []
    assert (await stage.settled(new)).status == "completed"


async def test_a_stop_is_for_one_session(stage: Stage) -> None:
    one, two = [await stage.say(await stage.session(name)) for name in ("a", "b")]
    assert await stage.stop("a") == [one.turn_id]
    stage.start()
    assert (await stage.settled(two)).status == "completed"


async def test_a_stop_may_be_for_one_prompt(stage: Stage) -> None:
    session = await stage.session()
    first, second, third = [await stage.say(session) for _ in range(3)]
    await stage.claim()
    assert await stage.stop(session, "msg_none") == []
    assert await stage.stop(session, second.prompt_id) == [second.turn_id]
    assert await stage.stop(session, first.prompt_id) == [first.turn_id]
    assert [(await stage.turn(new)).status for new in (first, second, third)] == ["stopped", "stopped", "queued"]
    stage.start()
    assert (await stage.settled(third)).status == "completed"


async def test_a_stop_is_announced_to_workers(stage: Stage) -> None:
    heard: list[Entry] = []
    stage.bus.subscribe("agents:turns", lambda message: heard.extend(message.entries))
    await stage.ask()
    await stage.claim()
    await stage.stop("s")
    assert [e.kind for e in heard] == ["turn.queued", "answer.ended"]
    assert heard[-1].data["finish_reason"] == "stopped"


async def test_a_prompt_after_a_stop_is_answered(stage: Stage) -> None:
    await stage.ask()
    await stage.stop("s")
    stage.start()
    assert (await stage.settled(await stage.say("s"))).status == "completed"
