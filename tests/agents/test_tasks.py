"""Ten minutes after its end an answer's pieces become ranges, and nobody can tell by the text."""

from malgil.agents.tasks import compact_finished
from tests.agents.client import Client
from tests.agents.script import FAULT, Gate, Use
from tests.agents.stage import HOUR, Stage, until
from tests.agents.tooling import Doing, tool


async def compact(stage: Stage, most: int = 100) -> int:
    return await compact_finished(stage.database, stage.scribe, after=600, most=most)


async def test_a_finished_answer_is_compacted_once_and_not_before_its_time(stage: Stage) -> None:
    stage.tools = tool("look", Doing())
    stage.script.responses = [["앞", "말 ", Use("look")], [*"뒷말입니다"]]
    stage.start()
    new = await stage.ask()
    await stage.settled(new)
    before = await stage.entries()
    stage.clock.advance(599)
    assert await compact(stage) == 0
    stage.clock.advance(2)
    assert await compact(stage) == 1
    after = await stage.entries()
    assert [(e.from_seq, e.data["content"]) for e in after if e.kind == "answer.delta"] == [
        (next(e.seq for e in before if e.kind == "answer.delta"), "앞말 "),
        (next(e.seq for e in before if e.data.get("offset") == 3 and e.kind == "answer.delta"), "뒷말입니다"),
    ]
    assert [e for e in after if e.kind != "answer.delta"] == [e for e in before if e.kind != "answer.delta"]
    assert after[-1] == before[-1]
    assert Client().play(after).answers[new.answer_id].text == "앞말 뒷말입니다"
    assert await compact(stage) == 0


async def test_attempts_stay_apart(stage: Stage) -> None:
    gate = Gate()
    stage.script.responses = [["옛", "글", gate], ["새", "글"]]
    process = stage.start("node-1")
    new = await stage.ask()
    await stage.logged("옛글")
    await process.kill()
    stage.start("node-1")
    await stage.settled(new)
    stage.clock.advance(601)
    assert await compact(stage) == 1
    shown = Client().play(await stage.entries()).answers[new.answer_id]
    assert (shown.text, shown.resets) == ("새글", [0])


async def test_failed_and_stopped_answers_and_dropped_turns_are_done_too(stage: Stage) -> None:
    stage.script.responses = [["가", "나", FAULT], ["다", "라", gate := Gate()]]
    stage.start()
    await stage.settled(await stage.ask())
    running = await stage.say("s")
    dropped = await stage.say("s")
    await gate.until_reached()
    await stage.stop("s")
    await stage.settled(running)
    await stage.settled(dropped)
    stage.clock.advance(601)
    assert await compact(stage) == 3
    assert await compact(stage) == 0


async def test_a_running_answer_is_left_alone(stage: Stage) -> None:
    stage.script.responses = [["가", gate := Gate(), "나"]]
    stage.start()
    new = await stage.ask()
    await gate.until_reached()
    stage.clock.advance(100_000)
    assert await compact(stage) == 0
    gate.opened.set()
    await stage.settled(new)


async def test_no_more_than_asked_for_at_once(stage: Stage) -> None:
    stage.start(settings=HOUR)
    for n in range(3):
        await stage.settled(await stage.say(await stage.session(f"s{n}")))
    stage.clock.advance(601)
    assert [await compact(stage, most=2) for _ in range(3)] == [2, 1, 0]


async def test_two_housekeepers_do_not_wait_for_each_other(stage: Stage) -> None:
    stage.start()
    await stage.settled(await stage.ask())
    stage.clock.advance(601)
    async with stage.database.unit_of_work() as uow:
        await uow.conn.execute("SELECT * FROM turns FOR UPDATE")
        assert await compact(stage) == 0

    async def done() -> bool:
        return await compact(stage) == 1

    await until(done)
