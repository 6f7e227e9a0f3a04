"""The pen: when pieces go, and that they join to what was written."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malgil.agents.model import Turn
from malgil.agents.settings import TurnSettings
from malgil.agents.writer import AnswerWriter
from malgil.kit.errors import Unavailable
from malgil.kit.ids import MessageId, SessionId, TenantId, TurnId, UserId
from malgil.log.errors import Fenced
from malgil.log.model import Piece
from tests.agents.script import Gate
from tests.agents.stage import Stage, gathered, until

NEVER = TurnSettings(flush_every=3600)
ALWAYS = TurnSettings(flush_every=0)
TURN = Turn(
    TurnId("turn_1"), SessionId("s"), TenantId("acme"), UserId("kim"), 1, MessageId("msg_1"), MessageId("msg_2"), 1, 2,
    "running", 2, 0, 7, 3, None, None, datetime(2026, 1, 1, tzinfo=UTC),
)


class Paper:
    """Takes pieces as the group commit does; may be slow, or refuse."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.gate: Gate | None = None
        self.refuses: Exception | None = None

    async def submit(self, piece: Piece) -> None:
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate()
        if self.refuses is not None:
            raise self.refuses
        self.pieces.append(piece)

    @property
    def texts(self) -> list[str]:
        return [piece.content for piece in self.pieces]


@pytest.fixture
def paper() -> Paper:
    return Paper()


Pen = Callable[..., AnswerWriter]


@pytest.fixture
async def pen(paper: Paper) -> AsyncIterator[Pen]:
    """Makes writers on the paper, and closes them."""
    made: list[AnswerWriter] = []

    def make(settings: TurnSettings = NEVER, text: str = "") -> AnswerWriter:
        made.append(AnswerWriter(paper, TURN, settings, text=text))
        return made[-1]

    yield make
    for writer in made:
        await writer.close()


async def has(paper: Paper, *texts: str) -> None:
    async def there() -> bool:
        return paper.texts == list(texts)

    await until(there)


async def test_the_first_piece_goes_at_once_and_alone(paper: Paper, pen: Pen) -> None:
    writer = pen()
    writer.write("첫")
    writer.write(" 둘째")
    await has(paper, "첫")
    assert paper.pieces[0] == Piece("s", 7, "msg_2", 2, 0, 0, "첫")


async def test_after_the_first_they_wait_for_their_time(paper: Paper, pen: Pen) -> None:
    writer = pen()
    writer.write("첫")
    await has(paper, "첫")
    writer.write("둘")
    writer.write("셋")
    await asyncio.sleep(0.02)
    assert paper.texts == ["첫"]
    await writer.flush()
    assert paper.texts == ["첫", "둘셋"]


async def test_after_its_time_a_piece_goes_by_itself(paper: Paper, pen: Pen) -> None:
    writer = pen(TurnSettings(flush_every=0.03))
    writer.write("첫")
    await has(paper, "첫")
    writer.write("둘")
    await has(paper, "첫", "둘")


async def test_after_a_pause_the_next_one_is_a_first_again(paper: Paper, pen: Pen) -> None:
    writer = pen(replace(NEVER, flush_every=0.01))
    writer.write("a")
    await has(paper, "a")
    await asyncio.sleep(0.05)
    writer.write("b")
    writer.write("c")
    await has(paper, "a", "b", "c")


async def test_a_kibibyte_goes_at_once(paper: Paper, pen: Pen) -> None:
    writer = pen()
    writer.write("첫")
    await has(paper, "첫")
    writer.write("x" * 1023)
    await asyncio.sleep(0.02)
    assert paper.texts == ["첫"]
    writer.write("y")
    await has(paper, "첫", "x" * 1023 + "y")


async def test_one_long_text_is_one_piece(paper: Paper, pen: Pen) -> None:
    writer = pen()
    writer.write("가" * 100_000)
    await writer.flush()
    assert [len(text) for text in paper.texts] == [100_000]


async def test_offsets_count_code_points(paper: Paper, pen: Pen) -> None:
    writer = pen(ALWAYS)
    texts = ["👩🏽\u200d💻", "é", "e\u0301", "한글", "\U0010ffff"]
    for text in texts:
        writer.write(text)
        await writer.flush()
    assert [(p.index, p.offset) for p in paper.pieces] == [(0, 0), (1, 4), (2, 5), (3, 7), (4, 9)]
    assert writer.text == "".join(texts)


async def test_it_goes_on_behind_the_text_that_was_there(paper: Paper, pen: Pen) -> None:
    writer = pen(text="반쯤 👍 ")
    writer.write("나머지")
    await writer.flush()
    assert [(p.index, p.offset, p.content) for p in paper.pieces] == [(0, 5, "나머지")]
    assert writer.text == "반쯤 👍 나머지"


async def test_one_piece_is_under_way_at_a_time(paper: Paper, pen: Pen) -> None:
    writer = pen(ALWAYS)
    paper.gate = Gate()
    writer.write("첫")
    await paper.gate.until_reached()
    writer.write("둘")
    writer.write("셋")
    await asyncio.sleep(0.01)
    assert paper.texts == []
    paper.gate.opened.set()
    await writer.flush()
    assert paper.texts == ["첫", "둘셋"]


async def test_nothing_is_no_piece(paper: Paper, pen: Pen) -> None:
    writer = pen(ALWAYS)
    writer.write("")
    await writer.flush()
    await writer.flush()
    assert paper.texts == []
    assert writer.text == ""


async def test_what_no_store_can_keep_is_replaced_and_counted_as_kept(paper: Paper, pen: Pen) -> None:
    writer = pen(ALWAYS)
    for text in ["a\x00b", "\ud83d\ude00", "\ud800", "끝"]:
        writer.write(text)
        await writer.flush()
    assert paper.texts == ["a\ufffdb", "😀", "\ufffd", "끝"]
    assert [p.offset for p in paper.pieces] == [0, 3, 4, 5]
    assert writer.text == "".join(paper.texts)


@pytest.mark.parametrize("error", [Fenced("taken"), Unavailable("away"), RuntimeError("a fault")])
async def test_what_the_log_says_reaches_whoever_writes(paper: Paper, pen: Pen, error: Exception) -> None:
    writer = pen(ALWAYS)
    paper.refuses = error
    writer.write("a")
    for _ in range(2):
        with pytest.raises(type(error)):
            await writer.flush()
        with pytest.raises(type(error)):
            writer.write("b")


async def test_close_does_not_wait_and_logs_nothing_more(paper: Paper, pen: Pen) -> None:
    writer = pen()
    writer.write("첫")
    await has(paper, "첫")
    writer.write("둘")
    await writer.close()
    await writer.close()
    assert paper.texts == ["첫"]


async def test_close_ends_it_whatever_it_is_doing(paper: Paper) -> None:
    """Closed at the very moment that a flush has hurried it: it must neither hang nor go on."""
    async def write_and_close(turns: int) -> None:
        writer = AnswerWriter(paper, TURN, NEVER, text="")
        writer.write("a")
        await writer.flush()
        writer.write("b" * 2000)
        for _ in range(turns):
            await asyncio.sleep(0)
        await writer.close()

    await gathered([write_and_close(turns) for turns in range(12)], seconds=5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=[]), max_size=8), max_size=20),
    st.lists(st.integers(0, 3), min_size=20, max_size=20), st.text(max_size=4), st.sampled_from([1, 5, 1024]),
)
def test_the_pieces_join_to_the_text(said: list[str], pauses: list[int], before: str, size: int) -> None:
    """However the model's pieces fall, with whatever pauses: dense indexes, joining offsets, the same text."""
    paper = Paper()

    async def write() -> str:
        writer = AnswerWriter(paper, TURN, replace(ALWAYS, flush_size=size), text=before)
        for text, pause in zip(said, pauses, strict=False):
            writer.write(text)
            for _ in range(pause):
                await asyncio.sleep(0)
            if pause == 3:
                await writer.flush()
        await writer.flush()
        await writer.close()
        return writer.text

    text = asyncio.run(write())
    assert before + "".join(paper.texts) == text
    assert [piece.index for piece in paper.pieces] == list(range(len(paper.pieces)))
    assert all(paper.texts)
    if paper.pieces:
        assert paper.pieces[0].offset == len(before)
        assert all(b.offset == a.offset + len(a.content) for a, b in pairwise(paper.pieces))


async def test_writers_of_many_answers_share_commits(stage: Stage) -> None:
    """On the real group commit: each stream in order, and a fenced writer fails alone."""
    turns = []
    for n in range(12):
        await stage.say(await stage.session(f"s{n}"))
    turns = await stage.claim(most=12)
    pieces = stage.process().pieces
    await stage.stop("s3")

    async def write(turn: Turn) -> str | None:
        writer = AnswerWriter(pieces, turn, ALWAYS, text="")
        try:
            for n in range(15):
                writer.write(f"{n} ")
                await asyncio.sleep(0)
            await writer.flush()
        except Fenced:
            return None
        finally:
            await writer.close()
        return writer.text

    texts = await gathered([write(turn) for turn in turns])
    whole = "".join(f"{n} " for n in range(15))
    for turn, text in zip(turns, texts, strict=True):
        logged = [e.data["content"] for e in await stage.entries(turn.session_id) if e.kind == "answer.delta"]
        assert "".join(logged) == ("" if turn.session_id == "s3" else whole)
        assert text == (None if turn.session_id == "s3" else whole)
