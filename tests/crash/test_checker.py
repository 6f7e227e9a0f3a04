"""The checker itself: it finds nothing in a sound history, and each planted fault by its name."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.crash.checker import check
from tests.crash.history import Client, Frame, History, Outage, Seen, Send, Session, Visit

EPOCH = "e1"
S = "sess_1"


def entry(seq: int, kind: str, **rest: Any) -> Frame:
    return {"type": kind, "seq": seq, "cursor": f"{EPOCH}.{seq}", **rest}


def chunk(seq: int, index: int, offset: int, content: str) -> Frame:
    return entry(seq, "stream_chunk", message_id="msg_a", index=index, offset=offset, content=content)


def tool(seq: int, state: str, **rest: Any) -> Frame:
    name = "request_refund"
    return entry(seq, "tool", message_id="msg_a", call_id="call_1", name=name, state=state, **rest)


def log() -> list[Frame]:
    """A question, an answer that was cut once between its pieces, a reset, a refund."""
    return [
        entry(1, "system", event="session_created"),
        entry(2, "message", message_id="msg_q", sender_type="user", content="환불", client_message_id="c1"),
        entry(3, "turn", state="queued", message_id="msg_a", turn_id="turn_1", attempt=0),
        entry(4, "stream_start", message_id="msg_a"),
        chunk(5, 0, 0, "잠시만 "),
        chunk(6, 1, 4, "기다"),
        entry(7, "turn", state="resumed", message_id="msg_a", turn_id="turn_1", attempt=2),
        entry(8, "stream_reset", message_id="msg_a", attempt=2, offset=4),
        tool(9, "started", arguments={"order_number": 1042}),
        tool(10, "finished", result={"requested": True, "order_number": 1042}),
        chunk(11, 0, 4, "끝 😀"),
        chunk(12, 1, 7, "."),
        entry(13, "stream_end", message_id="msg_a", finish_reason="stop", length=8),
    ]


def visit(frames: list[Frame], begin: int | None = None) -> Visit:
    return Visit(begin, None, [Seen(100.0 + frame["seq"], deepcopy(frame)) for frame in frames])


def history() -> History:
    """Everything in order: a follower in two visits, a follower of the answer, one that was told named events."""
    whole = log()
    of_answer = [f for f in whole if f["type"] == "tool" or f["type"].startswith("stream_")]
    named = [{key: frame[key] for key in frame if key != "length"} for frame in of_answer]
    return History(
        sessions={S: Session(S, whole, [{"message_id": "msg_q", "content": "환불"},
                                        {"message_id": "msg_a", "content": "잠시만 끝 😀."}])},
        clients=[
            Client("socket", S, visits=[visit(whole[:5], 0), Visit(), visit(whole[5:], 5)]),
            Client("answer", S, "answer", visits=[visit(of_answer[:2]), visit(of_answer[2:])]),
            Client("named", S, "answer", translated=True, visits=[visit(named)]),
        ],
        sends=[Send(S, "c1", "환불", times=2, accepted=True, acks=[{"message_id": "msg_q", "seq": 2}] * 2)],
        outages=[Outage(106.1, 106.5)],
        refunds=[{"call_id": "call_1", "order_number": 1042}],
    )


def test_a_sound_history() -> None:
    assert check(history()) == []


def without(h: History, seq: int) -> None:
    """Take the entry out of the log, but not out of what clients were told."""
    h.sessions[S].log = [f for f in h.sessions[S].log if f["seq"] != seq]


def told(h: History, client: int) -> list[Seen]:
    """What the client was told on its last visit."""
    return h.clients[client].visits[-1].seen


def lost_by_a_follower(h: History) -> None:
    del told(h, 0)[2]


def lost_at_the_end(h: History) -> None:
    del told(h, 0)[-1]


def lost_between_visits(h: History) -> None:
    del told(h, 0)[0]


def told_twice(h: History) -> None:
    told(h, 0).insert(2, told(h, 0)[1])


def told_again_after_a_resume(h: History) -> None:
    told(h, 0).insert(0, h.clients[0].visits[0].seen[-1])


def told_in_another_order(h: History) -> None:
    seen = told(h, 0)
    seen[1], seen[2] = seen[2], seen[1]


def let_in_elsewhere(h: History) -> None:
    h.clients[0].visits[-1].begin = 6


def never_let_in(h: History) -> None:
    h.clients[0].visits = [Visit()]


def told_what_is_not_in_the_log(h: History) -> None:
    h.sessions[S].log.pop()
    h.sessions[S].log.append(entry(13, "stream_end", message_id="msg_a", finish_reason="stop", length=8, extra=1))


def told_beyond_the_log(h: History) -> None:
    told(h, 0).append(Seen(120.0, entry(14, "system", event="x")))


def another_epoch(h: History) -> None:
    told(h, 0)[-1].frame["cursor"] = "e2.13"


def the_answers_follower_loses_a_piece(h: History) -> None:
    del told(h, 1)[-2]


def the_answers_follower_is_told_twice(h: History) -> None:
    told(h, 1).append(told(h, 1)[-1])


def the_answers_follower_hears_of_another_answer(h: History) -> None:
    told(h, 1)[0].frame["message_id"] = "msg_b"


def a_named_event_says_something_else(h: History) -> None:
    told(h, 2)[2].frame["content"] = "기타"


def a_finished_stream_goes_on(h: History) -> None:
    h.clients[1].refused = "came back to a finished stream and got 200"


def a_hole_in_the_log(h: History) -> None:
    without(h, 6)


def a_log_without_a_beginning(h: History) -> None:
    without(h, 1)


def a_seq_twice_in_the_log(h: History) -> None:
    h.sessions[S].log.insert(6, h.sessions[S].log[5])


def two_ends(h: History) -> None:
    h.sessions[S].log.append(entry(14, "stream_end", message_id="msg_a", finish_reason="stop", length=8))


def no_end(h: History) -> None:
    without(h, 13)


def two_starts(h: History) -> None:
    h.sessions[S].log.append(entry(14, "stream_start", message_id="msg_a"))


def an_accepted_message_without_a_turn(h: History) -> None:
    without(h, 3)


def an_answer_to_nothing(h: History) -> None:
    h.sessions[S].log.append(entry(14, "stream_start", message_id="msg_b"))


def dropped_after_it_had_started(h: History) -> None:
    h.sessions[S].log.append(entry(14, "turn", state="failed", message_id="msg_a", turn_id="turn_1", attempt=2))


def a_failed_answer(h: History) -> None:
    h.sessions[S].log[-1]["finish_reason"] = "failed"


def a_piece_after_the_end(h: History) -> None:
    h.sessions[S].log.append(chunk(14, 2, 8, "!"))


def a_piece_before_the_start(h: History) -> None:
    h.sessions[S].log[3]["type"] = "system"


def a_piece_in_the_wrong_place(h: History) -> None:
    h.sessions[S].log[11]["offset"] = 8


def a_reset_past_the_text(h: History) -> None:
    h.sessions[S].log[7]["offset"] = 60


def an_index_left_out(h: History) -> None:
    h.sessions[S].log[11]["index"] = 2


def an_index_that_does_not_begin_anew(h: History) -> None:
    h.sessions[S].log[10]["index"] = 2


def another_text_stored(h: History) -> None:
    h.sessions[S].messages[1]["content"] = "잠시만 기다 끝 😀."


def a_length_in_bytes(h: History) -> None:
    h.sessions[S].log[-1]["length"] = len("잠시만 끝 😀.".encode())


def an_answer_not_stored(h: History) -> None:
    h.sessions[S].messages.pop()


def an_answer_stored_twice(h: History) -> None:
    h.sessions[S].messages.append(h.sessions[S].messages[1])


def stored_in_another_order(h: History) -> None:
    h.sessions[S].messages.reverse()


def a_send_that_became_two_messages(h: History) -> None:
    h.sends[0].acks[1] = {"message_id": "msg_z", "seq": 9}


def an_accepted_send_that_is_gone(h: History) -> None:
    h.sessions[S].log[1]["client_message_id"] = "c2"


def a_send_never_accepted(h: History) -> None:
    h.sends[0].accepted = False


def another_content(h: History) -> None:
    h.sessions[S].log[1]["content"] = "환불!"


def two_sends_of_one_message(h: History) -> None:
    h.sends.append(Send(S, "c9", "환불", times=1, accepted=True, acks=h.sends[0].acks))


def a_call_that_ran_twice(h: History) -> None:
    h.sessions[S].log.append(tool(14, "finished", result={"requested": True, "order_number": 1042}))


def a_second_call_for_the_same_order(h: History) -> None:
    h.sessions[S].log.append(tool(14, "started", arguments={"order_number": 1042}) | {"call_id": "call_2"})


def a_call_without_a_result(h: History) -> None:
    h.sessions[S].log[9]["type"] = "system"


def a_result_without_a_call(h: History) -> None:
    h.sessions[S].log[8]["type"] = "system"


def a_refund_that_nobody_logged(h: History) -> None:
    h.refunds.append({"call_id": "call_2", "order_number": 1043})


def a_logged_refund_that_is_not_there(h: History) -> None:
    h.refunds.clear()


def two_refunds_of_an_order(h: History) -> None:
    h.refunds.append({"call_id": "call_2", "order_number": 1042})


def a_late_takeover(h: History) -> None:
    h.outages = [Outage(100.0, 101.0, lease=2.0)]


FAULTS: list[tuple[Callable[[History], None], str]] = [
    (lost_by_a_follower, "delivered"), (lost_at_the_end, "delivered"), (lost_between_visits, "delivered"),
    (told_twice, "delivered"), (told_again_after_a_resume, "delivered"), (told_in_another_order, "delivered"),
    (never_let_in, "delivered"), (told_beyond_the_log, "delivered"), (let_in_elsewhere, "resumed"),
    (told_what_is_not_in_the_log, "payload"), (another_epoch, "epoch"),
    (the_answers_follower_loses_a_piece, "delivered"), (the_answers_follower_is_told_twice, "delivered"),
    (the_answers_follower_hears_of_another_answer, "delivered"), (a_named_event_says_something_else, "payload"),
    (a_finished_stream_goes_on, "finished"),
    (a_hole_in_the_log, "dense"), (a_log_without_a_beginning, "dense"), (a_seq_twice_in_the_log, "dense"),
    (two_ends, "one-end"), (no_end, "one-end"), (two_starts, "one-end"),
    (an_accepted_message_without_a_turn, "one-end"), (an_answer_to_nothing, "one-end"),
    (dropped_after_it_had_started, "one-end"), (a_failed_answer, "one-end"),
    (a_piece_after_the_end, "after-end"), (a_piece_before_the_start, "before-start"),
    (a_piece_in_the_wrong_place, "offset"), (a_reset_past_the_text, "offset"),
    (an_index_left_out, "index"), (an_index_that_does_not_begin_anew, "index"),
    (another_text_stored, "text"), (a_length_in_bytes, "text"),
    (an_answer_not_stored, "stored"), (an_answer_stored_twice, "stored"), (stored_in_another_order, "stored"),
    (a_send_that_became_two_messages, "one-message"), (an_accepted_send_that_is_gone, "one-message"),
    (a_send_never_accepted, "one-message"), (another_content, "one-message"), (two_sends_of_one_message, "one-message"),
    (a_call_that_ran_twice, "tool-once"), (a_second_call_for_the_same_order, "tool-once"),
    (a_call_without_a_result, "tool-once"), (a_result_without_a_call, "tool-once"),
    (a_refund_that_nobody_logged, "effect"), (a_logged_refund_that_is_not_there, "effect"),
    (two_refunds_of_an_order, "effect"), (a_late_takeover, "takeover"),
]


@pytest.mark.parametrize(("plant", "rule"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_fault_is_named(plant: Callable[[History], None], rule: str) -> None:
    broken = history()
    plant(broken)
    assert rule in {violation.rule for violation in check(broken)}


def test_an_answer_may_fail_that_has_lost_all_its_lives() -> None:
    worn = history()
    worn.may_fail = True
    a_failed_answer(worn)
    assert "one-end" not in {violation.rule for violation in check(worn)}


def test_pieces_without_a_reset_must_add_up() -> None:
    """A piece that wrote over another one would leave the right text: the naive client shows it."""
    shown = history()
    shown.sessions[S].log = [f for f in shown.sessions[S].log if f["type"] != "stream_reset"]
    assert {"text", "offset"} <= {violation.rule for violation in check(shown)}


def test_merged_pieces_stand_for_their_range() -> None:
    merged = history()
    seen = told(merged, 0)
    joined = chunk(12, 0, 4, "끝 😀.") | {"from_seq": 11}
    seen[5:7] = [Seen(112.0, joined)]
    assert check(merged) == []
    joined["content"] = "끝 😀!"
    assert {violation.rule for violation in check(merged)} == {"text"}


def test_a_turn_that_was_dropped_before_it_began() -> None:
    dropped = History(sessions={S: Session(S, [
        *log()[:3], entry(4, "turn", state="stopped", message_id="msg_a", turn_id="turn_1", attempt=0),
    ], [{"message_id": "msg_q", "content": "환불"}])})
    assert check(dropped) == []
