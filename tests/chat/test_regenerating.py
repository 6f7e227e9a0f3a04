"""Another answer to the same message: what is replaced, what stays, who waits for whom."""

import asyncio
from typing import Any

import httpx
import pytest

from malgil.agents.events import FinishReason
from malgil.chat.model import NewSession, Session
from malgil.chat.regenerating import Again, regenerate
from malgil.chat.room import ChatRoom, post
from malgil.kit.errors import Conflict
from malgil.log.errors import Fenced
from tests.chat.people import KIM, Answerer, add_person, log_of, make_session, say, sse, turns_of
from tests.chat.test_editing import at, frames, line, listed
from tests.chat.test_session_routes import problem


async def again(client: httpx.AsyncClient, session: Session, message_id: str, **more: Any) -> httpx.Response:
    path = f"/api/chat/sessions/{session.session_id}/regenerate"
    return await client.post(path, json={"message_id": message_id}, **more)


async def shown(client: httpx.AsyncClient, session: Session) -> list[tuple[str, str | None, bool]]:
    """(content, reply_to, superseded) of each message."""
    return [
        (one["content"], one["reply_to"], one["superseded_by"] is not None) for one in await listed(client, session)
    ]


@pytest.mark.parametrize("by", ["answer", "prompt"])
async def test_an_answer_is_made_again(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer, by: str
) -> None:
    prompt = await post(room, say(session, "질문"))
    old = await answerer.answer("답")
    response = await again(kim, session, old.answer_id if by == "answer" else prompt.message_id)
    assert response.status_code == 202
    made = response.json()
    assert made.keys() == {"session_id", "message_id", "turn_id", "replaces"}
    assert (made["session_id"], made["replaces"]) == (session.session_id, old.answer_id)
    queued = (await frames(kim, session))[-1]
    assert (queued["type"], queued["message_id"], queued["turn_id"]) == ("turn", made["message_id"], made["turn_id"])
    p = prompt.message_id
    assert await shown(kim, session) == [("질문", None, False), ("답", p, False)], "until there is another"
    turn = await answerer.answer("다른 답")
    assert (turn.turn_id, turn.answer_id, turn.prompt_id) == (made["turn_id"], made["message_id"], prompt.message_id)
    told = (await frames(kim, session))[-2:]
    assert [(frame["type"], frame["message_id"]) for frame in told] == [
        ("stream_end", made["message_id"]), ("message_updated", old.answer_id)
    ]
    assert told[1]["superseded_by"] == made["message_id"]
    assert await shown(kim, session) == [("질문", None, False), ("답", p, True), ("다른 답", p, False)]
    assert (await listed(kim, session))[1]["superseded_by"] == made["message_id"]
    assert (await line(kim))["last_message"] == "다른 답"


async def test_again_and_again_by_any_of_the_siblings(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompt = await post(room, say(session, "질문"))
    first = await answerer.answer("답 0")
    second = (await again(kim, session, first.answer_id)).json()
    await answerer.answer("답 1")
    third = (await again(kim, session, first.answer_id)).json()
    assert (third["replaces"], second["replaces"]) == (second["message_id"], first.answer_id)
    await answerer.answer("답 2")
    p = prompt.message_id
    assert await shown(kim, session) == [
        ("질문", None, False), ("답 0", p, True), ("답 1", p, True), ("답 2", p, False)
    ]


async def test_a_turn_that_never_began_replaces_nothing(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompt = await post(room, say(session, "질문"))
    old = await answerer.answer("답")
    await again(kim, session, old.answer_id)
    await kim.post(f"/api/chat/sessions/{session.session_id}/stop")
    assert await shown(kim, session) == [("질문", None, False), ("답", prompt.message_id, False)]
    assert (await again(kim, session, old.answer_id)).json()["replaces"] == old.answer_id


@pytest.mark.parametrize(("said", "reason", "replaces"), [
    ("", "stopped", False), ("", "failed", False), ("반쯤", "failed", False), ("", "stop", False),
    ("반쯤", "stopped", True), ("잘린 답", "length", True), ("다른 답", "stop", True),
])
async def test_only_an_answer_that_is_worth_it_replaces_another(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer, said: str, reason: FinishReason,
    replaces: bool,
) -> None:
    """Two are never current, and a good answer is not lost to one that failed."""
    prompt = await post(room, say(session, "질문"))
    old = await answerer.answer("답")
    made = (await again(kim, session, old.answer_id)).json()
    turn = await answerer.claim()
    if reason == "stopped":
        await answerer.write(turn, *([said] if said else []))
        await kim.post(f"/api/chat/sessions/{session.session_id}/stop")
    else:
        await answerer.end(turn, said, reason)
    by = {one["message_id"]: one["superseded_by"] for one in await listed(kim, session)}
    kept, gone = (made["message_id"], old.answer_id) if replaces else (old.answer_id, made["message_id"])
    assert by == {prompt.message_id: None, kept: None, gone: kept}
    later = await post(room, say(session, "다음"))
    async with room.database.read() as conn:
        told = await room.transcript.history(
            conn, session.session_id, prompt_seq=later.seq, before_seq=later.seq, most=10
        )
    assert [one.content for one in told] == ["질문", said if replaces else "답", "다음"]
    await answerer.answer("네")
    assert (await again(kim, session, prompt.message_id)).json()["replaces"] == kept


async def test_an_owner_that_lost_the_turn_replaces_nothing(
    room: ChatRoom, kim: httpx.AsyncClient, session: Session, answerer: Answerer
) -> None:
    prompt = await post(room, say(session, "질문"))
    await answerer.answer("답")
    await again(kim, session, prompt.message_id)
    lost = await answerer.claim()
    async with room.database.unit_of_work() as uow:
        await uow.conn.execute("UPDATE turns SET lease_until = now() - interval '1 hour' WHERE turn_id = $1",
                               lost.turn_id)
    taken = await answerer.claim()
    assert (taken.turn_id, taken.attempt) == (lost.turn_id, 2)
    with pytest.raises(Fenced):
        await answerer.end(lost, "잃은 답")
    p = prompt.message_id
    assert await shown(kim, session) == [("질문", None, False), ("답", p, False)]
    await answerer.end(taken, "다른 답")
    assert await shown(kim, session) == [("질문", None, False), ("답", p, True), ("다른 답", p, False)]


async def test_an_old_answer_that_was_deleted_meanwhile_is_not_replaced(
    room: ChatRoom, kim: httpx.AsyncClient, session: Session, answerer: Answerer
) -> None:
    prompt = await post(room, say(session, "질문"))
    old = await answerer.answer("답")
    await again(kim, session, old.answer_id)
    turn = await answerer.claim()
    assert (await kim.delete(at(session, old.answer_id))).status_code == 200
    await answerer.end(turn, "", "failed")
    assert await shown(kim, session) == [("질문", None, False), ("", prompt.message_id, False)]


async def test_what_was_never_answered_is_answered(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    failed, dropped = [await post(room, say(session, text)) for text in ("하나", "둘")]
    await answerer.end(await answerer.claim(), "", "failed")
    await kim.post(f"/api/chat/sessions/{session.session_id}/stop")
    assert (await again(kim, session, dropped.message_id)).json()["replaces"] is None
    assert (await answerer.answer("둘의 답")).prompt_id == dropped.message_id
    assert (await again(kim, session, failed.message_id)).status_code == 202
    assert (await answerer.answer("하나의 답")).prompt_id == failed.message_id


async def test_a_deleted_answer_is_not_replaced_but_its_prompt_can_be_answered(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompt = await post(room, say(session))
    turn = await answerer.answer("답")
    await kim.delete(at(session, turn.answer_id))
    problem(await again(kim, session, turn.answer_id), 404, "MESSAGE_NOT_FOUND")
    assert (await again(kim, session, prompt.message_id)).json()["replaces"] is None


async def test_what_asks_nothing(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompt = await post(room, say(session))
    turn = await answerer.answer("답")
    await kim.delete(at(session, prompt.message_id))
    problem(await again(kim, session, turn.answer_id), 422, "NOTHING_TO_ANSWER")
    problem(await again(kim, session, prompt.message_id), 404, "MESSAGE_NOT_FOUND")
    people = await make_session(room, NewSession(KIM, None))
    alone = await post(room, say(people))
    problem(await again(kim, people, alone.message_id), 422, "NO_AGENT")


@pytest.mark.parametrize("body", [
    {}, [], "x", {"message_id": None}, {"message_id": 7}, {"message_id": ""}, {"message_id": "x" * 65},
    {"message_id": "a\x00b"}, {"message_id": "m", "content": "x"}, {"message_id": ["m"]},
])
async def test_what_cannot_be_asked(kim: httpx.AsyncClient, session: Session, body: Any) -> None:
    path = f"/api/chat/sessions/{session.session_id}/regenerate"
    problem(await kim.post(path, json=body), 422, "INVALID_REQUEST")


async def test_who_may_ask(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompt = await post(room, say(session))
    await answerer.answer("답")
    problem(await again(lee, session, prompt.message_id), 404, "SESSION_NOT_FOUND")
    problem(await again(kim, session, "msg_none"), 404, "MESSAGE_NOT_FOUND")
    other = await make_session(room, NewSession(KIM, 1))
    problem(await again(kim, other, prompt.message_id), 404, "MESSAGE_NOT_FOUND")
    await add_person(room, session, "lee", "viewer")
    problem(await again(lee, session, prompt.message_id), 403, "READ_ONLY")
    await kim.delete(f"/api/chat/sessions/{session.session_id}")
    problem(await again(kim, session, prompt.message_id), 409, "SESSION_ARCHIVED")
    assert await turns_of(room, session.session_id) == ["completed"]


async def test_tools_act_for_who_asks_again(
    lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    """Not for who asked first: otherwise any member could make the agent act in another's name."""
    prompt = await post(room, say(session, "내 주문 환불해 줘"))
    assert (await answerer.answer("답")).user_id == "kim"
    await add_person(room, session, "lee", "member")
    assert (await again(lee, session, prompt.message_id)).status_code == 202
    assert (await answerer.claim()).user_id == "lee"


async def test_it_waits_in_the_queue(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    first = await post(room, say(session, "하나"))
    await answerer.answer("하나의 답")
    second = await post(room, say(session, "둘"))
    running = await answerer.claim()
    assert (await again(kim, session, first.message_id)).status_code == 202
    third = await post(room, say(session, "셋"))
    await answerer.end(running, "둘의 답")
    order = [(await answerer.answer("답")).prompt_id for _ in range(2)]
    assert (running.prompt_id, *order) == (second.message_id, first.message_id, third.message_id)


async def test_where_one_answer_is_made_at_a_time(room: ChatRoom, kim: httpx.AsyncClient, answerer: Answerer) -> None:
    session = await make_session(room, NewSession(KIM, 1, queue_policy="reject"))
    first = await post(room, say(session, "하나"))
    await answerer.answer("하나의 답")
    await post(room, say(session, "둘"))
    problem(await again(kim, session, first.message_id), 409, "BUSY")
    await answerer.answer("둘의 답")
    assert (await again(kim, session, first.message_id)).status_code == 202


async def test_where_it_interrupts(room: ChatRoom, kim: httpx.AsyncClient, answerer: Answerer) -> None:
    session = await make_session(room, NewSession(KIM, 1, queue_policy="interrupt"))
    prompt = await post(room, say(session, "하나"))
    turn = await answerer.claim()
    await answerer.write(turn, "쓰던 ")
    made = (await again(kim, session, prompt.message_id)).json()
    assert made["replaces"] == turn.answer_id, "what was said when it was interrupted"
    await answerer.answer("새 답")
    p = prompt.message_id
    assert await shown(kim, session) == [("하나", None, False), ("쓰던 ", p, True), ("새 답", p, False)]


@pytest.mark.parametrize("running", [False, True])
async def test_a_message_is_not_answered_twice_at_a_time(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer, running: bool
) -> None:
    prompt = await post(room, say(session))
    if running:
        await answerer.claim()
    problem(await again(kim, session, prompt.message_id), 409, "BUSY")
    assert len(await turns_of(room, session.session_id)) == 1


async def test_of_many_at_once_one_is_made(rooms: list[ChatRoom], session: Session, answerer: Answerer) -> None:
    prompt = await post(rooms[0], say(session))
    await answerer.answer("답")

    async def ask(room: ChatRoom) -> None:
        async with room.database.unit_of_work() as uow:
            wanted = Again(KIM, KIM, session.session_id, prompt.message_id)
            await regenerate(uow, room.scribe, room.transcript, wanted)

    results = await asyncio.gather(*(ask(room) for room in rooms * 4), return_exceptions=True)
    assert results.count(None) == 1
    assert all(one is None or isinstance(one, Conflict) for one in results)
    assert await turns_of(rooms[0], session.session_id) == ["completed", "queued"]
    kinds = [e.kind for e in await log_of(rooms[0], session.session_id)]
    assert (kinds.count("turn.queued"), kinds.count("answer.superseded")) == (2, 0)


async def test_asked_again_while_the_prompt_is_deleted(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    """Whoever comes first: no turn is left that would answer a message that is gone."""
    for _ in range(5):
        prompt = await post(room, say(session))
        await answerer.answer("답")
        deleted, asked = await asyncio.gather(
            kim.delete(at(session, prompt.message_id)), again(kim, session, prompt.message_id)
        )
        assert deleted.status_code == 200
        assert asked.status_code in (202, 404)
        assert set(await turns_of(room, session.session_id)) <= {"completed", "stopped"}


async def test_the_key_makes_one_answer(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompt = await post(room, say(session))
    await answerer.answer("답")
    key = {"headers": {"idempotency-key": "k"}}
    first = await again(kim, session, prompt.message_id, **key)
    second = await again(kim, session, prompt.message_id, **key)
    assert (first.status_code, second.status_code, second.json()) == (202, 202, first.json())
    problem(await again(kim, session, "msg_other", **key), 422, "IDEMPOTENCY_MISMATCH")
    assert await turns_of(room, session.session_id) == ["completed", "queued"]


async def test_streams_of_the_first_answer_stay_with_it(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    """A message sent again with its id gets the answer that it was given, not what was asked for later."""
    path = f"/api/chat/sessions/{session.session_id}/messages/stream"
    body = {"content": "질문", "client_message_id": "c"}
    streamed, turn = await asyncio.gather(kim.post(path, json=body), answerer.answer("첫 ", "답"))
    events = sse(streamed)
    await again(kim, session, turn.prompt_id)
    other = await answerer.answer("다른 답")
    resumed = await kim.post(path, json=body, headers={"last-event-id": str(events[0][0])})
    assert [data for _, _, data in sse(resumed)] == [data for _, _, data in events[1:]]
    seen = await kim.post(path, json=body, headers={"last-event-id": str(events[-1][0])})
    assert seen.status_code == 204
    assert other.queued_seq > turn.queued_seq == turn.prompt_seq + 1
