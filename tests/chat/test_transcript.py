"""The conversation as agents see it."""

from typing import Any

from malgil.agents.transcript import Said
from malgil.chat.editing import delete_message, edit_message
from malgil.chat.model import Posted, Session, preview
from malgil.chat.regenerating import Again, regenerate
from malgil.chat.room import ChatRoom, post
from tests.chat.people import KIM, Answerer, say


async def told(room: ChatRoom, session: Session, prompt: Posted, **bounds: Any) -> list[str]:
    """What the agent is told of the conversation when it answers the prompt."""
    wanted = {"before_seq": 1000, "most": 100} | bounds
    async with room.database.read() as conn:
        said = await room.transcript.history(conn, session.session_id, prompt_seq=prompt.seq, **wanted)
    return [one.content for one in said]


async def test_history_is_oldest_first_and_ends_with_the_prompt(
    room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    first = await post(room, say(session, "하나"))
    await answerer.answer("둘")
    silent = await post(room, say(session, "셋"))
    await answerer.end(await answerer.claim(), "", "failed")
    await post(room, say(session, "넷"))
    async with room.database.read() as conn:
        said = await room.transcript.history(
            conn, session.session_id, prompt_seq=silent.seq, before_seq=100, most=10
        )
        assert [(one.sender_type, one.content) for one in said] == [("user", "하나"), ("agent", "둘"), ("user", "셋")]
        assert said[-1] == Said(silent.message_id, silent.seq, "user", "셋")
    assert await told(room, session, first) == ["하나"]
    assert await told(room, session, silent, most=2) == ["둘", "셋"]


async def test_answers_stand_behind_their_prompts_whenever_they_ended(
    room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompts = [await post(room, say(session, f"질문 {n}")) for n in range(3)]
    first, second = await answerer.answer("답 0"), await answerer.answer("답 1")
    assert await told(room, session, prompts[2]) == ["질문 0", "답 0", "질문 1", "답 1", "질문 2"]
    assert await told(room, session, prompts[1]) == ["질문 0", "답 0", "질문 1"]
    # An answer that ended after the turn began is not in its conversation, however often it is begun again.
    async with room.database.read() as conn:
        ended = await conn.fetchval("SELECT ended_seq FROM turns WHERE turn_id = $1", second.turn_id)
    assert await told(room, session, prompts[2], before_seq=ended) == ["질문 0", "답 0", "질문 1", "질문 2"]
    assert first.queued_seq < second.queued_seq < ended


async def test_what_was_edited_deleted_and_superseded(room: ChatRoom, session: Session, answerer: Answerer) -> None:
    prompts = [await post(room, say(session, f"질문 {n}")) for n in range(4)]
    answers = [await answerer.answer(f"답 {n}") for n in range(3)]
    async with room.database.unit_of_work() as uow:
        await edit_message(uow, room.scribe, KIM, KIM, session.session_id, prompts[0].message_id, "고친 질문 0")
    for gone in (prompts[1].message_id, answers[2].answer_id):
        async with room.database.unit_of_work() as uow:
            await delete_message(uow, room.scribe, room.transcript, KIM, session.session_id, gone)
    await answerer.answer("답 3")
    async with room.database.unit_of_work() as uow:
        again = Again(KIM, KIM, session.session_id, prompts[0].message_id)
        await regenerate(uow, room.scribe, room.transcript, again)
    assert await told(room, session, prompts[3]) == ["고친 질문 0", "답 0", "답 1", "질문 2", "질문 3"]
    await answerer.answer("다른 답 0")
    assert await told(room, session, prompts[3]) == ["고친 질문 0", "다른 답 0", "답 1", "질문 2", "질문 3"]
    assert await told(room, session, prompts[0]) == ["고친 질문 0"]
    assert await told(room, session, prompts[1]) == ["고친 질문 0", "다른 답 0"], "a prompt that was deleted"


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
    assert kept["reply_to"] == turn.prompt_id


def test_a_preview_is_one_short_line() -> None:
    assert preview("  a\n\n b\t") == "a b"
    assert len(preview("가" * 1000)) == 200
