"""Drafts and the takeover table as pure functions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from malgil.agents.model import MAX_ATTEMPTS, Call, Draft, NewTurn, Resume, plan_resume, replay
from malgil.kit.ids import MessageId, SessionId, TenantId, TurnId, UserId
from malgil.log.model import DELTA, Entry
from tests.agents.test_writer import TURN

LOOK = Call("c1", "look", {"n": 1}, 0, 3)
ORDER = Call("c2", "order", {}, 0, 3)
IDEMPOTENT = frozenset({"look"})


def done(call: Call) -> Call:
    return replace(call, result={"ok": True})


# ── realtime.md, "Turns": after a crash the taker goes on like this ──


@pytest.mark.parametrize("continues", [True, False])
def test_nothing_written_yet_runs_again(continues: bool) -> None:
    assert plan_resume(Draft(), idempotent=IDEMPOTENT, continues_prefix=continues) == Resume()


def test_text_half_written_is_continued_if_the_model_can() -> None:
    assert plan_resume(Draft("반쯤"), idempotent=IDEMPOTENT, continues_prefix=True) == Resume(prefix="반쯤")


def test_text_half_written_is_reset_if_the_model_cannot() -> None:
    assert plan_resume(Draft("반쯤"), idempotent=IDEMPOTENT, continues_prefix=False) == Resume(reset_to=0)


@pytest.mark.parametrize(("continues", "plan"), [(True, Resume(prefix="뒤")), (False, Resume(reset_to=3))])
def test_only_the_unfinished_step_is_continued_or_reset(continues: bool, plan: Resume) -> None:
    draft = Draft("앞말 뒤", (done(LOOK),))
    assert plan_resume(draft, idempotent=IDEMPOTENT, continues_prefix=continues) == plan


@pytest.mark.parametrize("continues", [True, False])
def test_a_finished_tool_is_kept(continues: bool) -> None:
    draft = Draft("앞말 ", (done(ORDER),))
    assert plan_resume(draft, idempotent=IDEMPOTENT, continues_prefix=continues) == Resume()


@pytest.mark.parametrize("continues", [True, False])
def test_a_started_tool_runs_again_if_it_is_idempotent(continues: bool) -> None:
    draft = Draft("앞말 ", (LOOK,))
    assert plan_resume(draft, idempotent=IDEMPOTENT, continues_prefix=continues) == Resume(rerun=(LOOK,))


@pytest.mark.parametrize("continues", [True, False])
def test_a_started_tool_is_unknown_if_it_is_not(continues: bool) -> None:
    draft = Draft("앞말 ", (ORDER,))
    assert plan_resume(draft, idempotent=IDEMPOTENT, continues_prefix=continues) == Resume(unknown=(ORDER,))


def test_several_calls_each_by_itself() -> None:
    draft = Draft("앞말 ", (done(Call("c0", "order", {}, 0, 3)), LOOK, ORDER))
    assert plan_resume(draft, idempotent=IDEMPOTENT, continues_prefix=True) == Resume(rerun=(LOOK,), unknown=(ORDER,))


# ── drafts ──


def entries(*facts: tuple[str, dict[str, Any]]) -> Sequence[Entry]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [Entry("s", n, n, kind, {"message_id": "m", **data}, at) for n, (kind, data) in enumerate(facts, 1)]


def delta(offset: int, content: str) -> tuple[str, dict[str, Any]]:
    return DELTA, {"attempt": 1, "index": 0, "offset": offset, "content": content}


def started(call: Call) -> tuple[str, dict[str, Any]]:
    return "tool.started", {"call_id": call.call_id, "name": call.name, "arguments": call.arguments,
                            "step": call.step, "offset": call.offset, "attempt": 1, "turn_id": "t"}


def finished(call: Call, kind: str = "tool.finished") -> tuple[str, dict[str, Any]]:
    return kind, {"call_id": call.call_id, "name": call.name, "result": {"ok": True}, "turn_id": "t"}


def test_a_draft_is_what_the_log_adds_up_to() -> None:
    log = entries(
        ("turn.started", {"turn_id": "t"}), delta(0, "앞"), delta(1, "말 "), started(LOOK), finished(LOOK),
        started(ORDER), finished(ORDER, "tool.failed"), delta(3, "👍🏽"), delta(5, "!"),
    )
    draft = replay(log, "m")
    assert draft == Draft("앞말 👍🏽!", (done(LOOK), replace(done(ORDER), failed=True)))
    assert (draft.step_offset, draft.half_step, draft.dangling) == (3, "👍🏽!", ())


def test_a_reset_cuts_and_the_text_goes_on_from_there() -> None:
    log = entries(delta(0, "앞말 "), started(LOOK), finished(LOOK), delta(3, "틀린"), ("answer.reset", {"offset": 3}),
                  delta(3, "맞는"))
    assert replay(log, "m").text == "앞말 맞는"
    assert replay(log[:5], "m").text == "앞말 "


def test_a_delta_applied_twice_is_harmless() -> None:
    first, second = entries(delta(0, "앞"), delta(1, "말"))
    assert replay([first, second, second], "m").text == "앞말"


def test_entries_of_other_answers_and_of_nobody_are_passed_over() -> None:
    mine, other = entries(delta(0, "나"), delta(0, "남"))
    other = replace(other, data={**other.data, "message_id": "other"})
    nobody = replace(other, kind="session.updated", data={"title": "m"})
    assert replay([mine, other, nobody], "m") == Draft("나")
    assert replay([], "m") == Draft()


def test_a_started_call_dangles_until_its_result() -> None:
    assert replay(entries(started(LOOK)), "m").dangling == (LOOK,)
    assert replay(entries(started(LOOK), started(LOOK)), "m").dangling == (LOOK,), "run again with the same id"
    assert replay(entries(started(LOOK), started(ORDER), finished(ORDER)), "m").dangling == (LOOK,)


def test_an_ended_draft() -> None:
    assert replay(entries(delta(0, "끝"), ("answer.ended", {"content": "끝"})), "m") == Draft("끝", ended=True)


# ── turns ──


@pytest.mark.parametrize(("attempt", "handovers", "exhausted"), [
    (1, 0, False), (MAX_ATTEMPTS, 0, False), (MAX_ATTEMPTS + 1, 0, True), (MAX_ATTEMPTS + 1, 1, False), (9, 6, False),
    (10, 6, True),
])
def test_lives_lost_are_counted_without_those_handed_over(attempt: int, handovers: int, exhausted: bool) -> None:
    assert replace(TURN, attempt=attempt, handovers=handovers).exhausted is exhausted


def test_a_new_turn_says_so_in_its_fact() -> None:
    new = NewTurn(TurnId("t"), SessionId("s"), TenantId("a"), UserId("u"), 3, MessageId("p"), MessageId("m"))
    assert new.fact.kind == "turn.queued"
    assert new.fact.model_dump() == {
        "turn_id": "t", "prompt_id": "p", "message_id": "m", "agent_id": 3, "user_id": "u"
    }
