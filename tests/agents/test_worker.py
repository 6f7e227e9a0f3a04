"""The worker: who answers what, in which order, once; and what it lets go of."""

import asyncio
from dataclasses import replace

import pytest

from malgil.agents import actions
from malgil.agents.model import NewTurn
from malgil.agents.signals import turn_announcer
from malgil.log.model import Entry
from malgil.log.scribe import Scribe
from malgil.realtime.bus import TURNS, Message
from malgil.storage.database import Database
from tests.agents.client import Client, kinds
from tests.agents.script import Gate
from tests.agents.stage import HOUR, SHORT, Stage, gathered, until

DEAF = replace(HOUR, scan_every=3600)
"""Claims at the start and when told, never by itself."""


async def test_a_prompt_is_answered(stage: Stage) -> None:
    stage.start()
    turn = await stage.settled(new := await stage.ask())
    assert (turn.status, turn.attempt, turn.handovers, turn.error) == ("completed", 1, 0, None)
    content, about = await stage.answer(new) or ("", {})
    assert content == "안녕하세요."
    assert about["turn_id"] == new.turn_id
    assert kinds(await stage.entries()) == ["prompted", "queued", "started", "delta", "ended"]


async def test_a_queued_turn_is_heard_of_at_once(stage: Stage) -> None:
    stage.start(settings=DEAF)
    await asyncio.sleep(0.01)
    await stage.settled(await stage.ask())


async def test_a_queued_turn_nobody_was_told_of_is_found_by_the_scan(stage: Stage) -> None:
    stage.scribe = Scribe(stage.ids, stage.clock, turn_announcer(stage.bus.__class__()))
    stage.start()
    await asyncio.sleep(0.01)
    await stage.settled(await stage.ask())


async def test_prompts_of_one_session_are_answered_one_after_the_other(stage: Stage) -> None:
    gates = [Gate(), Gate()]
    stage.script.responses = [["하나", gates[0]], ["둘", gates[1]], ["셋"]]
    session = await stage.session()
    turns = [await stage.say(session, f"질문 {n}") for n in range(3)]
    for node in ("node-1", "node-2"):
        stage.start(node)
    for gate in gates:
        await gate.until_reached()
        statuses = [(await stage.turn(new)).status for new in turns]
        assert statuses.count("running") == 1
        gate.opened.set()
    for new in turns:
        await stage.settled(new)
    ends = [e.data for e in await stage.entries() if e.kind == "answer.ended"]
    assert [(end["prompt_id"], end["content"]) for end in ends] == [
        (new.prompt_id, text) for new, text in zip(turns, ["하나", "둘", "셋"], strict=True)
    ]


async def test_each_prompt_is_answered_knowing_the_answers_before_it_and_no_later_prompt(stage: Stage) -> None:
    session = await stage.session()
    stage.script.responses = [["답 0"], ["답 1"], ["답 2"]]
    await stage.say(session, "질문 0")
    last = await stage.say(session, "질문 1")
    process = stage.start()
    await stage.settled(last)
    await stage.settled(await stage.say(session, "질문 2"))
    await process.worker.drain()
    said = [
        [str(part.content) for message in asked for part in message.parts if hasattr(part, "content")][1:]
        for asked in stage.script.asked
    ]
    assert said == [
        ["질문 0"], ["질문 0", "답 0", "질문 1"], ["질문 0", "답 0", "질문 1", "답 1", "질문 2"]
    ]


async def test_a_prompt_answered_again_waits_its_turn_and_knows_nothing_that_was_said_after_it(stage: Stage) -> None:
    session = await stage.session()
    stage.script.responses = [["답 0"], ["답 1"], ["답 2"], ["다른 답 1"]]
    asked = [await stage.say(session, f"질문 {n}") for n in range(3)]
    again = await stage.ask_again(asked[1])
    stage.start()
    turn = await stage.settled(again)
    texts = [str(part.content) for message in stage.script.asked[-1] for part in message.parts]
    assert texts == ["Be brief.", "질문 0", "답 0", "질문 1"]
    answers = [await stage.answer(new) for new in (asked[1], again)]
    assert [one and one[0] for one in answers] == ["답 1", "다른 답 1"]
    assert (turn.prompt_seq, turn.queued_seq) == ((await stage.turn(asked[1])).prompt_seq, 7)
    ends = [e.data["message_id"] for e in await stage.entries() if e.kind == "answer.ended"]
    assert ends == [new.answer_id for new in (*asked, again)]


async def test_two_workers_race_for_two_hundred_turns(stage: Stage) -> None:
    """Fifty sessions with four prompts each: every prompt gets one answer, in its session's order."""
    stage.script.responses = [["답", "변"]]
    settings = replace(HOUR, concurrency=20, scan_every=0.01, flush_every=0.0)
    for node in ("node-1", "node-2"):
        stage.start(node, settings)
    sessions = [await stage.session(f"s{n}") for n in range(50)]

    async def ask(session: str) -> list[NewTurn]:
        return [await stage.say(session, f"{n}") for n in range(4)]

    asked = [new for turns in await gathered([ask(session) for session in sessions]) for new in turns]
    async with asyncio.timeout(30):
        for new in asked:
            turn = await stage.ended(new, 30)
            assert (turn.status, turn.attempt) == ("completed", 1)
    assert len(stage.script.asked) == 200
    for session in sessions:
        entries = await stage.entries(session)
        Client().play(entries)
        assert [e.data["prompt_id"] for e in entries if e.kind == "answer.ended"] == [
            new.prompt_id for new in asked if new.session_id == session
        ]


async def test_no_more_turns_run_than_are_allowed(stage: Stage) -> None:
    gate = Gate()
    stage.script.responses = [[gate, "답"]]
    process = stage.start(settings=replace(HOUR, concurrency=2))
    turns = [await stage.say(await stage.session(f"s{n}")) for n in range(5)]

    async def two_run() -> bool:
        return process.worker.running == 2 and len(stage.script.asked) == 2

    await until(two_run)
    assert [(await stage.turn(new)).status for new in turns].count("running") == 2
    gate.opened.set()
    for new in turns:
        await stage.settled(new)
    assert process.worker.running == 0


# ── drain ──


async def test_a_drain_hands_over_at_once_and_costs_no_attempt(stage: Stage) -> None:
    """Five times: more often than a turn may be lost. The others are deaf but for the drain's notice."""
    stage.continues_prefix = True
    gates = [Gate() for _ in range(5)]
    stage.script.responses = [*([f"{n} ", gate] for n, gate in enumerate(gates)), ["끝"]]
    workers = [stage.start(f"node-{n}", DEAF).worker for n in range(6)]
    by_owner = {worker._owner: worker for worker in workers}
    new = await stage.ask()
    said = ""
    for n, gate in enumerate(gates):
        await gate.until_reached()
        await stage.logged(said := f"{said}{n} ")
        async with stage.database.read() as conn:
            owner = await conn.fetchval("SELECT owner FROM turns")
        await by_owner[owner].drain()
        assert by_owner[owner].running == 0
    turn = await stage.settled(new)
    assert (turn.status, turn.attempt, turn.handovers) == ("completed", 6, 5)
    assert (await stage.answer(new) or ("",))[0] == "0 1 2 3 4 끝"


async def test_a_drained_worker_claims_nothing_more(stage: Stage) -> None:
    worker = stage.start().worker
    await worker.drain()
    new = await stage.ask()
    await asyncio.sleep(0.1)
    assert (await stage.turn(new)).status == "queued"
    await worker.drain()


async def test_a_worker_that_never_started_drains(stage: Stage) -> None:
    await stage.process().worker.drain()


async def test_a_drain_gives_back_what_was_being_claimed(stage: Stage) -> None:
    """The claim has committed, and its announcement has not yet come back."""
    gate = Gate()

    async def announce(entries: list[Entry]) -> None:
        if any(entry.kind == "turn.started" for entry in entries):
            await gate()

    stage.scribe = Scribe(stage.ids, stage.clock, announce)
    worker = stage.start().worker
    new = await stage.ask()
    await gate.until_reached()
    await worker.drain()
    assert (await stage.turn(new)).handovers == 1
    assert [turn.turn_id for turn in await stage.claim("node-2")] == [new.turn_id]


# ── leases ──


async def test_a_lease_is_renewed_while_the_turn_runs(stage: Stage) -> None:
    gate = Gate()
    stage.script.responses = [["오래", gate, " 걸림"]]
    stage.start(settings=SHORT)
    new = await stage.ask()
    await gate.until_reached()
    began = asyncio.get_running_loop().time()

    async def three_leases_later() -> bool:
        assert await stage.claim("node-2") == []
        return asyncio.get_running_loop().time() > began + 3 * SHORT.lease

    await until(three_leases_later)
    gate.opened.set()
    assert (await stage.settled(new)).attempt == 1


async def test_a_run_that_has_lost_its_turn_is_cancelled(stage: Stage) -> None:
    gate = Gate()
    stage.script.responses = [["반쯤", gate]]
    process = stage.start(settings=replace(HOUR, renew_every=0.02))
    new = await stage.ask()
    await gate.until_reached()
    await stage.execute("UPDATE turns SET owner = 'another', node = 'node-2'")

    async def let_go() -> bool:
        return process.worker.running == 0

    await until(let_go)
    assert (await stage.turn(new)).status == "running"


async def test_a_worker_that_was_frozen_does_not_take_its_own_live_runs_from_itself(stage: Stage) -> None:
    """It wakes, its leases are over, and nobody else was there: the run goes on as if nothing had been."""
    gate = Gate()
    stage.script.responses = [["하나 ", gate, "둘"]]
    stage.start(settings=replace(HOUR, scan_every=0.01))
    new = await stage.ask()
    await gate.until_reached()
    await stage.lose_lease()
    await asyncio.sleep(0.1)
    gate.opened.set()
    turn = await stage.settled(new)
    assert (turn.status, turn.attempt) == ("completed", 1)
    assert (await stage.answer(new) or ("",))[0] == "하나 둘"


# ── stop ──


async def test_a_stop_reaches_the_run_at_once(stage: Stage) -> None:
    gate = Gate()
    stage.script.responses = [["반쯤", gate, "never"]]
    process = stage.start(settings=DEAF)
    new = await stage.ask()
    await gate.until_reached()
    await stage.logged("반쯤")
    assert await stage.stop("s") == [new.turn_id]

    async def let_go() -> bool:
        return process.worker.running == 0

    await until(let_go)
    assert (await stage.settled(new)).status == "stopped"
    assert (await stage.answer(new) or ("",))[0] == "반쯤"


async def test_a_stop_that_nobody_was_told_of_stops_all_the_same(stage: Stage) -> None:
    """The fence refuses the next piece; the text is what was logged before the stop."""
    gate = Gate()
    stage.script.responses = [["반쯤", gate, " never"]]
    process = stage.start()
    new = await stage.ask()
    await gate.until_reached()
    await stage.logged("반쯤")
    stage.scribe = Scribe(stage.ids, stage.clock, turn_announcer(stage.bus.__class__()))
    await stage.stop("s")
    gate.opened.set()

    async def let_go() -> bool:
        return process.worker.running == 0

    await until(let_go)
    assert (await stage.settled(new)).status == "stopped"
    assert (await stage.answer(new) or ("",))[0] == "반쯤"


async def test_stops_racing_ends(stage: Stage) -> None:
    """Forty answers and their stops at the same moment: one of the two, whole, and the other knows."""
    gate = Gate()
    stage.script.responses = [["답", gate, "변"]]
    stage.start()
    asked = [await stage.say(await stage.session(f"s{n}")) for n in range(40)]

    async def all_wait() -> bool:
        return len(stage.script.asked) == 40

    await until(all_wait)
    gate.opened.set()

    async def stop(n: int, new: NewTurn) -> bool:
        for _ in range(n):
            await asyncio.sleep(0.001)
        return await stage.stop(new.session_id) == [new.turn_id]

    stopped = await gathered([stop(n, new) for n, new in enumerate(asked)])
    for new, was_stopped in zip(asked, stopped, strict=True):
        turn = await stage.settled(new)
        assert turn.status == ("stopped" if was_stopped else "completed")
        text = (await stage.answer(new) or ("",))[0]
        assert text in ("", "답", "답변") if was_stopped else text == "답변"


# ── faults ──


async def test_a_fault_of_ours_is_tried_again_and_bounded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runs = 0

    async def history(*args: object, **options: object) -> list[object]:
        nonlocal runs
        runs += 1
        raise ZeroDivisionError("a fault in this room")

    monkeypatch.setattr(stage.transcript, "history", history)
    stage.start()
    turn = await stage.settled(await stage.ask())
    assert (turn.status, turn.attempt, runs) == ("failed", 4, 3)
    assert turn.error == {"code": "ATTEMPTS_EXHAUSTED", "message": "The answer was interrupted too often."}
    assert "broke" in caplog.text


async def test_connections_killed_in_mid_answer_cost_nothing_but_time(stage: Stage, database_url: str) -> None:
    """The turn goes on after its lease, with the exact text."""
    stage.continues_prefix = True
    gates = [Gate(), Gate()]
    stage.script.responses = [["가 ", gates[0], "나 ", gates[1], "다 "], ["라 "], ["마."]]
    own = Database(database_url, pool_size=3, max_overflow=3, timeout=5.0)
    await own.open()
    process = stage.start(settings=SHORT, database=own)
    new = await stage.ask()
    for gate, said in zip(gates, ["가 ", "가 나 "], strict=True):
        await gate.until_reached()
        await stage.logged(said)
        if gate is gates[1]:
            await stage.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        gate.opened.set()
    turn = await stage.settled(new)
    assert turn.status == "completed"
    assert (await stage.answer(new) or ("",))[0] in ("가 나 다 ", "가 나 라 ", "가 나 다 라 ")
    await process.worker.drain()
    await own.close()


async def test_the_connection_of_a_piece_killed_under_way(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether that piece was kept is not known to its writer; whoever goes on reads it in the log."""
    stage.continues_prefix = True
    stage.script.responses = [["가 ", "나 ", "다."], ["끝."]]
    record = stage.scribe.record_pieces
    killed = 0

    async def dies_before_commit(uow: object, pieces: object) -> object:
        nonlocal killed
        results = await record(uow, pieces)
        killed += 1
        if killed == 1:
            await stage.execute("SELECT pg_terminate_backend($1)", uow.conn.get_server_pid())
        return results

    monkeypatch.setattr(stage.scribe, "record_pieces", dies_before_commit)
    stage.start(settings=SHORT)
    turn = await stage.settled(new := await stage.ask())
    assert (turn.status, turn.attempt) == ("completed", 2)
    assert stage.script.begun() == ""
    assert (await stage.answer(new) or ("",))[0] == "끝."


async def test_a_database_that_is_away_is_asked_again(stage: Stage, database_url: str) -> None:
    own = Database(database_url, pool_size=3, max_overflow=3, timeout=5.0)
    process = stage.start(settings=SHORT, database=own)
    new = await stage.ask()
    await asyncio.sleep(0.05)
    assert (await stage.turn(new)).status == "queued"
    await own.open()
    await stage.settled(new)
    await process.worker.drain()
    await own.close()


async def test_a_session_erased_meanwhile_ends_its_turn_without_an_answer(stage: Stage) -> None:
    new = await stage.ask()
    await stage.execute("DELETE FROM log_streams")
    stage.start()
    turn = await stage.ended(new)
    assert (turn.status, turn.error) == ("failed", {"code": "NOT_FOUND"})
    assert stage.script.asked == []
    assert await stage.answer(new) is None


async def test_noise_on_the_channel_is_harmless(stage: Stage) -> None:
    stage.start()
    await stage.bus.publish(TURNS, Message("turns"))
    entry = Entry("s", 1, 1, "answer.ended", {"finish_reason": "stopped", "turn_id": "turn_other"}, stage.clock.now())
    await stage.bus.publish(TURNS, Message("turns", (entry,)))
    await stage.settled(await stage.ask())


async def test_a_claim_takes_no_more_than_it_is_asked_for(stage: Stage) -> None:
    for n in range(3):
        await stage.say(await stage.session(f"s{n}"))
    assert len(await stage.claim(most=2)) == 2
    assert len(await stage.claim("node-2", most=2)) == 1
    async with stage.database.unit_of_work() as uow:
        assert await actions.claim(uow, stage.scribe, owner="o", node="node-3", lease=1, most=5) == []
