"""The protocol of `malgil chat`: exact text, whatever the connection does."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.app.commands.chat_core import (
    START,
    Began,
    Conversation,
    Ended,
    Faulty,
    Frame,
    Notice,
    Piece,
    Redone,
    Said,
    Update,
)


def entry(seq: int, kind: str, **data: Any) -> Frame:
    return {"type": kind, "seq": seq, "cursor": f"e.{seq}", **data}


def start(seq: int, message: str = "msg_1") -> Frame:
    return entry(seq, "stream_start", message_id=message)


def chunk(seq: int, content: str, offset: int, message: str = "msg_1", **more: Any) -> Frame:
    return entry(seq, "stream_chunk", message_id=message, content=content, offset=offset, index=0, **more)


def end(seq: int, length: int, message: str = "msg_1", reason: str = "stop") -> Frame:
    return entry(seq, "stream_end", message_id=message, length=length, finish_reason=reason)


def fed(conversation: Conversation, *frames: Frame) -> list[Update]:
    return [update for frame in frames for update in conversation.feed(frame)]


def test_an_answer_from_its_beginning_to_its_end() -> None:
    conversation = Conversation()
    updates = fed(conversation, start(1), chunk(2, "안녕", 0), chunk(3, "하세요", 2), end(4, 5))
    assert updates == [Began(), Piece("안녕"), Piece("하세요"), Ended("stop")]
    assert (conversation.cursor, conversation.idle) == ("e.4", True)


def test_frames_seen_before_mean_nothing() -> None:
    conversation = Conversation()
    fed(conversation, start(1), chunk(2, "ab", 0))
    assert fed(conversation, start(1), chunk(2, "ab", 0)) == []
    assert fed(conversation, chunk(3, "c", 2)) == [Piece("c")]


def test_a_range_that_overlaps_adds_only_what_is_new() -> None:
    conversation = Conversation()
    fed(conversation, start(1), chunk(2, "ab", 0))
    assert fed(conversation, chunk(4, "abcd", 0, from_seq=2)) == [Piece("cd")]


def test_a_frame_that_is_missing_is_noticed_and_the_cursor_stays() -> None:
    conversation = Conversation()
    fed(conversation, start(1), chunk(2, "ab", 0))
    with pytest.raises(Faulty):
        conversation.feed(chunk(4, "d", 3))
    assert conversation.cursor == "e.2"


@pytest.mark.parametrize("frame", [chunk(3, "x", 7), end(3, 99)])
def test_text_that_cannot_be_right_is_read_again_from_the_start(frame: Frame) -> None:
    conversation = Conversation()
    fed(conversation, start(1), chunk(2, "ab", 0))
    with pytest.raises(Faulty):
        conversation.feed(frame)
    assert (conversation.cursor, conversation.answers) == (START, {})


def test_a_reset_drops_exactly_what_it_names() -> None:
    conversation = Conversation()
    fed(conversation, start(1), chunk(2, "abcdef", 0))
    reset = entry(3, "stream_reset", message_id="msg_1", attempt=2, offset=2)
    assert fed(conversation, reset, chunk(4, "XY", 2), end(5, 4)) == [Redone("ab"), Piece("XY"), Ended("stop")]


def test_messages_of_others_and_of_this_terminal() -> None:
    conversation = Conversation()
    frame = conversation.say("c1", "hello")
    assert frame == {"type": "message", "content": "hello", "client_message_id": "c1"}
    mine = entry(1, "message", message_id="m1", content="hello", sender_type="user", client_message_id="c1")
    other = entry(2, "message", message_id="m2", content="hi", sender_type="user", client_message_id="other")
    assert fed(conversation, mine, other) == [Said("user", "hello", mine=True), Said("user", "hi")]


def test_what_nobody_acknowledged_is_sent_again_in_order() -> None:
    conversation = Conversation()
    frames = [conversation.say(key, key) for key in ("a", "b", "c")]
    fed(conversation, {"type": "ack", "client_message_id": "b", "message_id": "m", "seq": 7})
    assert conversation.resend() == [frames[0], frames[2]]
    assert conversation.cursor == START  # an ack's seq is no position of ours


def test_a_message_that_is_refused_is_not_sent_again() -> None:
    conversation = Conversation()
    conversation.say("a", "x")
    refusal = {"type": "error", "code": "TOO_LARGE", "message": "Too long", "client_message_id": "a"}
    assert fed(conversation, refusal) == [Notice("Too long")]
    assert conversation.resend() == []


def test_idle_is_when_nothing_is_sent_or_awaited() -> None:
    conversation = Conversation()
    assert conversation.idle
    conversation.say("a", "x")
    assert not conversation.idle
    queued = entry(1, "turn", turn_id="t", message_id="msg_1", state="queued")
    fed(conversation, queued, {"type": "ack", "client_message_id": "a"})
    assert not conversation.idle
    fed(conversation, start(2), end(3, 0))
    assert conversation.idle


@pytest.mark.parametrize(("state", "said"), [("failed", "the answer failed"), ("stopped", "the answer was stopped")])
def test_a_turn_that_never_began(state: str, said: str) -> None:
    conversation = Conversation()
    updates = fed(conversation, entry(1, "turn", message_id="msg_1", state="queued"),
                  entry(2, "turn", message_id="msg_1", state=state))
    assert (updates, conversation.idle) == ([Notice(said)], True)


def test_a_snapshot_takes_the_place_of_what_was_there() -> None:
    conversation = Conversation()
    fed(conversation, start(1), chunk(2, "old", 0))
    snapshot = {
        "type": "snapshot", "cursor": "e.90",
        "messages": [{"message_id": "m1", "sender_type": "user", "content": "hello"}],
        "partial": {"message_id": "msg_9", "content": "half", "attempt": 1},
    }
    assert fed(conversation, snapshot) == [Said("user", "hello"), Began(), Piece("half")]
    assert conversation.cursor == "e.90"
    assert fed(conversation, chunk(91, " done", 4, "msg_9"), end(92, 9, "msg_9")) == [Piece(" done"), Ended("stop")]


def test_after_a_snapshot_a_gap_is_noticed() -> None:
    conversation = Conversation()
    fed(conversation, {"type": "snapshot", "cursor": "e.90", "messages": []})
    with pytest.raises(Faulty):
        conversation.feed(start(92))


@pytest.mark.parametrize(
    "frame",
    [{}, {"type": "pong"}, {"type": "live", "cursor": "e.1"}, {"type": "message"}, {"type": 5}, {"seq": 1},
     {"type": "stream_chunk", "message_id": "m", "content": 5, "offset": "x"}, {"type": "sync", "head": 4},
     entry(1, "something_new", x=1), entry(1, "presence", users=[])],
)
def test_frames_of_a_kind_it_does_not_know_mean_nothing(frame: Frame) -> None:
    assert fed(Conversation(), frame) == []


PIECES = st.lists(st.text(min_size=1, max_size=4), max_size=8)
ATTEMPTS = st.lists(st.tuples(PIECES, st.integers(0, 12)), min_size=1, max_size=3)


def log_of(answers: list[list[tuple[list[str], int]]]) -> tuple[list[Frame], list[str]]:
    """The log of some answers, each of attempts (pieces, and where the next attempt begins), and their final texts."""
    log: list[Frame] = []
    texts: list[str] = []
    for number, attempts in enumerate(answers):
        message, text = f"msg_{number}", ""
        log.append(start(len(log) + 1, message))
        for attempt, (pieces, _) in enumerate(attempts):
            if attempt:
                text = text[: attempts[attempt - 1][1]]
                log.append(entry(len(log) + 1, "stream_reset", message_id=message, attempt=attempt, offset=len(text)))
            for piece in pieces:
                log.append(chunk(len(log) + 1, piece, len(text), message))
                text += piece
        log.append(end(len(log) + 1, len(text), message))
        texts.append(text)
    return log, texts


def merged(log: list[Frame], at: random.Random) -> list[Frame]:
    """The log as a server may send it: some adjacent pieces of one answer as one frame."""
    out: list[Frame] = []
    for frame in log:
        last = out[-1] if out else None
        if last and frame["type"] == last["type"] == "stream_chunk" and at.random() < 0.5:
            first = last.get("from_seq", last["seq"])
            out[-1] = chunk(frame["seq"], last["content"] + frame["content"], last["offset"], frame["message_id"],
                            from_seq=first)
        else:
            out.append(frame)
    return out


class Paper:
    """What stands on the screen in the end."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.open = False

    def show(self, update: Update) -> None:
        match update:
            case Began():
                self.answers.append("")
            case Piece(content):
                self.answers[-1] += content
            case Redone(kept):
                self.answers[-1] = kept


@given(answers=st.lists(ATTEMPTS, max_size=4), seed=st.integers(0, 10_000))
def test_however_often_the_connection_drops_the_text_is_exact(
    answers: list[list[tuple[list[str], int]]], seed: int
) -> None:
    log, texts = log_of(answers)
    at = random.Random(seed)
    conversation, paper = Conversation(), Paper()
    for last_try in [False] * 12 + [True]:
        after = 0 if conversation.cursor == START else int(conversation.cursor.partition(".")[2])
        replay = [frame for frame in merged(log, at) if frame["seq"] > after]
        upto = len(replay) if last_try else at.randint(0, len(replay))
        for frame in replay[:upto]:
            for _ in range(at.choice((1, 1, 2))):
                for update in conversation.feed(frame):
                    paper.show(update)
    assert paper.answers == texts
    assert conversation.idle
