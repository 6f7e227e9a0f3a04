"""What others may ask of turns and agents."""

import pytest

from malgil.agents import actions, queries
from malgil.agents.queries import AgentRow
from tests.agents.script import Gate
from tests.agents.stage import AGENT, HOUR, Stage


async def test_the_open_turn_is_the_running_one_or_the_first_queued(stage: Stage) -> None:
    stage.script.responses = [["하나", gate := Gate()], ["둘"]]
    session = await stage.session()
    async with stage.database.read() as conn:
        assert await queries.open_turn(conn, session) is None
        first, second = [await stage.say(session) for _ in range(2)]
        found = await queries.open_turn(conn, session)
        assert found is not None
        assert (found.turn_id, found.status) == (first.turn_id, "queued")
        stage.start()
        await gate.until_reached()
        found = await queries.open_turn(conn, session)
        assert found is not None
        assert (found.turn_id, found.status) == (first.turn_id, "running")
        gate.opened.set()
        await stage.settled(second)
        assert await queries.open_turn(conn, session) is None


async def test_turns_by_id_prompt_and_place(stage: Stage) -> None:
    session = await stage.session()
    turns = [await stage.say(session) for _ in range(3)]
    async with stage.database.read() as conn:
        rows = [await queries.turn(conn, new.turn_id) for new in turns]
        assert [row and (row.prompt_seq, row.queued_seq) for row in rows] == [(1, 2), (3, 4), (5, 6)]
        assert [await queries.turn_of_prompt(conn, new.prompt_id) for new in turns] == rows
        assert [await queries.turn_at(conn, session, seq) for seq in (2, 3, 4, 5, 6, 99)] == [
            rows[0], rows[0], rows[1], rows[1], rows[2], rows[2]
        ]
        assert await queries.turn_at(conn, session, 1) is None
        assert await queries.turn_at(conn, "other", 99) is None
        assert await queries.turn(conn, "turn_none") is None
        assert await queries.turn_of_prompt(conn, "msg_none") is None


async def test_a_prompt_answered_again_keeps_its_first_turn(stage: Stage) -> None:
    new = await stage.ask()
    async with stage.database.read() as conn:
        assert await queries.being_answered(conn, new.prompt_id)
        stage.start()
        first = await stage.settled(new)
        assert not await queries.being_answered(conn, new.prompt_id)
        again = await stage.settled(await stage.ask_again(new))
        assert (again.prompt_id, again.answer_id == first.answer_id) == (first.prompt_id, False)
        assert await queries.turn_of_prompt(conn, new.prompt_id) == first


async def test_a_draft_of_many_pages(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_PAGE", 3)
    stage.script.responses = [[*"열두 조각으로 나뉜 글"]]
    stage.start(settings=HOUR)
    new = await stage.ask()
    turn = await stage.settled(new)
    async with stage.database.read() as conn:
        draft = await queries.draft(conn, turn)
    assert (draft.text, draft.ended) == ("열두 조각으로 나뉜 글", True)


async def test_an_agent_is_its_tenant_s_or_everybody_s(stage: Stage) -> None:
    async with stage.database.unit_of_work() as uow:
        own = AgentRow(2, "우리 것", "https://example.org/a.png", "", "scripted", [])
        await actions.put_agent(uow, own, stage.clock.now())
        await uow.conn.execute("UPDATE agents SET tenant = 'acme' WHERE agent_id = 2")
        assert await queries.agent(uow.conn, 1, "anybody") == AGENT
        assert await queries.agent(uow.conn, 2, "acme") == own
        assert await queries.agent(uow.conn, 2, "other") is None
        assert await queries.agent(uow.conn, 3, "acme") is None


async def test_an_agent_that_exists_is_not_replaced(stage: Stage) -> None:
    async with stage.database.unit_of_work() as uow:
        await actions.put_agent(uow, AgentRow(1, "다른 이", None, "", "other", []), stage.clock.now())
        assert await queries.agent(uow.conn, 1, "acme") == AGENT
