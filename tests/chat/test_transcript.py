"""The conversation as agents see it."""

from malgil.agents.transcript import Said
from malgil.chat.model import Session, preview
from malgil.chat.room import ChatRoom, post
from tests.chat.people import Answerer, say


async def test_history_is_oldest_first_and_ends_before_the_seq(
    room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    first = await post(room, say(session, "하나"))
    await answerer.answer("둘")
    silent = await post(room, say(session, "셋"))
    await answerer.end(await answerer.claim(), "", "failed")
    async with room.database.read() as conn:
        said = await room.transcript.history(conn, session.session_id, before_seq=100, most=10)
        assert [(one.sender_type, one.content) for one in said] == [("user", "하나"), ("agent", "둘"), ("user", "셋")]
        assert await room.transcript.history(conn, session.session_id, before_seq=first.seq, most=10) == []
        last = await room.transcript.history(conn, session.session_id, before_seq=silent.seq + 1, most=1)
        assert last == [Said(silent.message_id, silent.seq, "user", "셋")]


async def test_an_answer_becomes_the_sessions_last_message(
    room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await post(room, say(session))
    turn = await answerer.answer("여러\n줄의 ", "답 " * 200)
    async with room.database.read() as conn:
        row = await conn.fetchrow("SELECT * FROM chat_sessions WHERE session_id = $1", session.session_id)
        kept = await conn.fetchrow("SELECT * FROM chat_messages WHERE message_id = $1", turn.answer_id)
    assert row is not None
    assert kept is not None
    assert (row["message_count"], row["last_message"][:6], len(row["last_message"])) == (2, "여러 줄의 ", 200)
    assert (kept["sender_type"], kept["sender_id"], kept["tokens_used"]) == ("agent", "1", 7)


def test_a_preview_is_one_short_line() -> None:
    assert preview("  a\n\n b\t") == "a b"
    assert len(preview("가" * 1000)) == 200
