"""Tools inside a turn: the effect and the record of it exist both or neither, and every failure is told the model."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from malgil.agents.tools import ToolRefused
from malgil.kit.errors import NotFound, Unavailable
from malgil.kit.ids import CALL
from malgil.log.errors import Fenced
from malgil.log.model import Entry
from malgil.storage.database import UnitOfWork
from tests.agents.client import Client
from tests.agents.script import Gate, Use
from tests.agents.stage import HOUR, Stage
from tests.agents.tooling import Doing, tool


async def answered(stage: Stage, *uses: Use) -> list[Any]:
    """What the model is given back for its calls, once the whole turn has gone well."""
    numbered = [replace(use, place=n) for n, use in enumerate(uses)]
    stage.script.responses = [["잠시만요. ", *numbered], ["됐어요."]]
    process = stage.start()
    turn = await stage.settled(new := await stage.ask())
    assert turn.status == "completed"
    assert (await stage.answer(new) or ("",))[0] == "잠시만요. 됐어요."
    await process.worker.drain()
    return stage.script.returns()


async def tool_entries(stage: Stage) -> list[Entry]:
    return [entry for entry in await stage.entries() if entry.kind.startswith("tool.")]


async def test_a_call_is_logged_run_and_its_result_given_back(stage: Stage, clock: Any) -> None:
    stage.tools = tool("order", run := Doing())
    assert await answered(stage, Use("order", {"what": "책", "count": 2})) == [{"did": "책"}]
    (context,) = run.contexts
    assert (context.caller_user, context.tenant, context.now) == ("kim", "acme", clock.now())
    started, finished = await tool_entries(stage)
    assert started.data == {
        "turn_id": started.data["turn_id"], "message_id": started.data["message_id"], "call_id": context.call_id,
        "name": "order", "arguments": {"what": "책", "count": 2}, "attempt": 1, "step": 0, "offset": 6,
    }
    assert finished.data["result"] == {"did": "책"}
    assert await stage.effects() == ["책"]


async def test_models_are_offered_the_agent_s_tools_that_are_installed(stage: Stage) -> None:
    stage.tools = tool("look", Doing()) | tool("order", Doing()) | tool("secret", Doing())
    await answered(stage, Use("look"))
    assert stage.script.offered[0] == ["look", "order"], "`ghost` is not installed, `secret` is not this agent's"


async def test_several_calls_run_in_order_and_answer_in_order(stage: Stage) -> None:
    stage.tools = tool("look", Doing()) | tool("order", Doing())
    uses = [Use(name, {"what": f"{n}"}, call_id=f"m{n}") for n, name in enumerate(["look", "order", "look"])]
    assert await answered(stage, *uses) == [{"did": "0"}, {"did": "1"}, {"did": "2"}]
    assert await stage.effects() == ["0", "1", "2"]
    assert len({e.data["call_id"] for e in await tool_entries(stage)}) == 3


async def test_call_ids_are_ours(stage: Stage) -> None:
    """Some models number their calls from one in every answer; a tool takes the call id for the call's identity."""
    stage.tools = tool("order", run := Doing())
    stage.script.responses = [[Use("order")], [Use("order")], ["둘 다 했어요."]]
    stage.start()
    new = await stage.ask()
    await stage.settled(new)
    assert len(set(run.calls)) == 2
    assert all(call.startswith(f"{CALL}_") for call in run.calls)
    assert len(stage.script.returns()) == 2
    shown = Client().play(await stage.entries()).answers[new.answer_id]
    assert [state for _, state in shown.tools] == ["started", "finished"] * 2


FAILED = {"code": "TOOL_FAILED", "message": "The tool failed."}
RAISED: list[tuple[Exception, dict[str, str]]] = [
    (ToolRefused("그 주문은 남의 것입니다."), {"code": "TOOL_REFUSED", "message": "그 주문은 남의 것입니다."}),
    (NotFound("No such order."), {"code": "NOT_FOUND", "message": "No such order."}),
    (Unavailable("a remote service"), {"code": "UNAVAILABLE", "message": "a remote service"}),
    (Fenced("another stream"), {"code": "FENCED", "message": "another stream"}),
    (ZeroDivisionError("secret detail"), FAILED),
    (ConnectionError("a remote service"), FAILED),
    (TimeoutError("a remote service"), FAILED),
]


async def test_a_tool_that_raises_changes_nothing_and_says_why(stage: Stage) -> None:
    stage.tools = {}
    for n, (raised, _) in enumerate(RAISED):
        stage.tools |= tool(f"t{n}", Doing(raises=raised), idempotent=False)
    uses = [Use(name) for name in stage.tools]
    assert await answered(stage, *uses) == [{"error": error} for _, error in RAISED]
    assert await stage.effects() == []
    entries = await tool_entries(stage)
    assert [e.kind for e in entries] == ["tool.started", "tool.failed"] * len(RAISED)
    assert not any(e.data.get("unknown") for e in entries)


async def test_arguments_that_do_not_fit_are_told_the_model(stage: Stage) -> None:
    stage.tools = tool("order", run := Doing())
    faulty: list[dict[str, Any] | str] = [
        {"count": 0}, {"count": "many"}, {"more": 1}, "not json", "[1]", '"text"', "{", '{"what": "\\ud800"}',
    ]
    results = await answered(stage, *(Use("order", arguments) for arguments in faulty))
    assert [result["error"]["code"] for result in results] == ["INVALID_ARGUMENTS"] * len(faulty)
    assert all(result["error"]["message"].startswith("order: ") for result in results)
    assert run.calls == []


async def test_calls_that_no_store_can_keep_are_mended(stage: Stage) -> None:
    stage.tools = tool("order", Doing())
    results = await answered(
        stage, Use("order", '{"what": "a\\u0000b"}'), Use("order", '{"a\\u0000b": {"c": ["\\u0000"]}}'),
        Use("or\x00der"), Use("or\ud800der"), Use("order", "\x00"),
    )
    assert results[0] == {"did": "a\ufffdb"}
    starts = ["order: a\ufffdb: ", *["There is no tool 'or\ufffdder'."] * 2, "order: INVALID_JSON: "]
    for result, start in zip(results[1:], starts, strict=True):
        assert result["error"]["message"].startswith(start)


async def test_a_tool_that_does_not_exist(stage: Stage) -> None:
    assert await answered(stage, Use("nothing")) == [
        {"error": {"code": "TOOL_NOT_FOUND", "message": "There is no tool 'nothing'."}}
    ]


async def test_a_tool_that_takes_too_long(stage: Stage) -> None:
    stage.tools = tool("order", Doing(gate=Gate()))
    stage.script.responses = [[Use("order")], ["늦네요."]]
    stage.start(settings=replace(HOUR, tool_timeout=0.05))
    turn = await stage.settled(await stage.ask())
    assert (turn.status, turn.attempt) == ("completed", 1)
    assert stage.script.returns() == [
        {"error": {"code": "TOOL_TIMEOUT", "message": "The tool took longer than 0.05 s."}}
    ]
    assert await stage.effects() == []


async def test_the_time_limit_is_the_tool_s_not_the_commit_s(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that could strike during the commit would call a thing failed that was done."""
    stage.tools = tool("order", Doing(), idempotent=False)
    record = stage.scribe.record

    async def slow(uow: UnitOfWork, one: Any) -> list[Entry]:
        if any(fact.kind == "tool.finished" for fact in one.facts):
            await asyncio.sleep(0.1)
        return await record(uow, one)

    monkeypatch.setattr(stage.scribe, "record", slow)
    stage.script.responses = [[Use("order")], ["됐어요."]]
    stage.start(settings=replace(HOUR, tool_timeout=0.05))
    assert (await stage.settled(await stage.ask())).status == "completed"
    assert await stage.effects() == ["thing"]
    assert [e.kind for e in await tool_entries(stage)] == ["tool.started", "tool.finished"]


async def test_a_result_that_cannot_be_kept_is_no_result(stage: Stage) -> None:
    results: list[Any] = [{"text": "a\x00b"}, {"text": "\ud800"}, {"bad": object()}, "no object", [1]]
    stage.tools = {}
    for n, result in enumerate(results):
        stage.tools |= tool(f"t{n}", Doing(result=result))
    assert await answered(stage, *(Use(name) for name in stage.tools)) == [{"error": FAILED}] * len(results)
    assert await stage.effects() == [], "the effect went with it"


async def test_a_statement_that_fails_inside_the_tool(stage: Stage) -> None:
    async def breaks(context: Any, asked: Any) -> dict[str, Any]:
        await context.uow.conn.execute("SELECT 1 / 0")
        return {}

    stage.tools = {"order": replace(tool("order", Doing())["order"], run=breaks)}
    assert await answered(stage, Use("order")) == [{"error": FAILED}]


async def test_a_statement_that_fails_and_is_hidden_by_the_tool(stage: Stage) -> None:
    """The transaction is broken, so neither the effect before it nor the result can commit."""
    run = Doing()

    async def hides(context: Any, asked: Any) -> dict[str, Any]:
        result = await run(context, asked)
        try:
            await context.uow.conn.execute("SELECT 1 / 0")
        except Exception as e:
            result["hidden"] = str(e)
        return result

    stage.tools = {"order": replace(tool("order", Doing())["order"], run=hides)}
    assert await answered(stage, Use("order")) == [{"error": FAILED}]
    assert await stage.effects() == []


async def test_a_connection_lost_inside_a_tool_leaves_the_turn_to_its_lease(stage: Stage) -> None:
    """Not idempotent: it ran once, and the model is told that nobody knows."""
    runs = 0

    async def dies(context: Any, asked: Any) -> dict[str, Any]:
        nonlocal runs
        runs += 1
        await stage.execute("SELECT pg_terminate_backend($1)", context.uow.conn.get_server_pid())
        await context.uow.conn.execute("SELECT 1")
        return {}

    stage.tools = {"order": replace(tool("order", Doing(), idempotent=False)["order"], run=dies)}
    stage.script.responses = [[Use("order")], ["모르겠어요."]]
    stage.start(settings=replace(HOUR, lease=0.2))
    turn = await stage.settled(await stage.ask())
    assert (turn.status, turn.attempt, runs) == ("completed", 2, 1)
    assert stage.script.returns()[0]["outcome"] == "unknown"


async def test_nothing_is_announced_of_a_result_that_was_refused(stage: Stage) -> None:
    stage.tools = tool("order", Doing(raises=ToolRefused("no")))
    await answered(stage, Use("order"))
    entries = await stage.entries()
    assert [e.seq for e in entries] == list(range(1, len(entries) + 1)), "the refused transaction left no hole"
