from datetime import UTC, datetime

import pytest

from malgil.kit import json
from malgil.log.model import DELTA, Entry
from malgil.realtime.framed import Framed, encode_event, merge_deltas
from malgil.realtime.frames import Frames, Mapper
from tests.realtime.fakes import note, piece

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_delta_is_a_stream_chunk_with_its_place_in_the_log() -> None:
    frame = json.loads(Frames().encode(piece("s", 9, 2, 5, "부분 "), "e1"))
    assert frame == {
        "type": "stream_chunk", "message_id": "msg_1", "content": "부분 ", "index": 2, "offset": 5, "seq": 9,
        "cursor": "e1.9",
    }


def test_an_unknown_kind_is_still_one_frame() -> None:
    entry = Entry("s", 3, 3, "user.joined", {"secret": 1}, AT, "kim")
    assert Frames().payload(entry, "e1") == {
        "type": "system", "event": "user.joined", "user_id": "kim", "timestamp": "2026-01-02T03:04:05Z", "seq": 3,
        "cursor": "e1.3",
    }


def test_a_range_says_where_it_begins() -> None:
    entry = Entry("s", 9, 4, DELTA, {"message_id": "m", "attempt": 1, "index": 0, "offset": 0, "content": "x"}, AT)
    frame = Frames().payload(entry, "e1")
    assert (frame["from_seq"], frame["seq"]) == (4, 9)


def test_rooms_give_their_own_frames() -> None:
    frames = Frames({"note": lambda e: {"type": "note", "text": e.data["text"]}})
    assert frames.payload(note("s", 1, "hi"), "e1") == {"type": "note", "text": "hi", "seq": 1, "cursor": "e1.1"}


@pytest.mark.parametrize("look", [lambda e: {"text": e.data["nothing"]}, lambda e: {"type": object()}])
def test_a_mapper_that_fails_makes_no_hole(look: Mapper, caplog: pytest.LogCaptureFixture) -> None:
    frame = json.loads(Frames({"note": look}).encode(note("s", 1), "e1"))
    assert (frame["type"], frame["event"], frame["cursor"]) == ("system", "note", "e1.1")
    assert "no frame could be made of note s.1" in caplog.text


def test_an_event_has_its_id_its_name_and_one_line_of_data() -> None:
    assert encode_event('{"a":"가"}', "e1.4") == 'id: e1.4\ndata: {"a":"가"}\n\n'.encode()
    assert encode_event("{}", "e1.4", "done") == b"id: e1.4\nevent: done\ndata: {}\n\n"


def test_line_breaks_in_the_content_do_not_break_the_event() -> None:
    framed = Framed(piece("s", 1, 0, 0, "a\n\r\nb\u2028c"), "e1", Frames())
    assert framed.event.count(b"\n") == 3
    assert b"\r" not in framed.event


@pytest.mark.parametrize("length", [1, 125, 126, 65535, 65536])
def test_the_wire_form_is_one_text_frame(length: int) -> None:
    framed = Framed(note("s", 1, "x"), "e1", Frames({"note": lambda e: {"type": "n", "pad": "x" * length}}))
    wire = framed.wire
    assert wire[0] == 0x81
    assert wire.endswith(framed.text.encode())
    short = wire[1] & 0x7F
    size = short if short < 126 else int.from_bytes(wire[2 : 4 if short == 126 else 10], "big")
    assert size == len(framed.text.encode())


def test_adjacent_deltas_of_one_attempt_are_merged() -> None:
    frames = Frames()
    entries = [note("s", 1), *(piece("s", 2 + i, i, i * 2, f"{i} ") for i in range(4)), note("s", 6)]
    merged = merge_deltas([Framed(e, "e1", frames) for e in entries], frames)
    assert [(f.from_seq, f.seq) for f in merged] == [(1, 1), (2, 5), (6, 6)]
    assert json.loads(merged[1].text) == {
        "type": "stream_chunk", "message_id": "msg_1", "content": "0 1 2 3 ", "index": 0, "offset": 0, "seq": 5,
        "cursor": "e1.5", "from_seq": 2,
    }


def test_deltas_of_two_messages_or_attempts_stay_apart() -> None:
    frames = Frames()
    again = piece("s", 3, 0, 0, "c")
    again.data["attempt"] = 2
    entries = [piece("s", 1, 0, 0, "a"), piece("s", 2, 0, 0, "b", "msg_2"), again]
    assert len(merge_deltas([Framed(e, "e1", frames) for e in entries], frames)) == 3


def test_merged_frames_stay_small() -> None:
    frames = Frames()
    batch = [Framed(piece("s", 1 + i, i, i * 1000, "x" * 1000), "e1", frames) for i in range(100)]
    merged = merge_deltas(batch, frames)
    assert max(f.size for f in merged) < 20_000
    assert "".join(f.entry.data["content"] for f in merged) == "x" * 100_000
    assert [f.from_seq for f in merged[1:]] == [f.seq + 1 for f in merged[:-1]]
