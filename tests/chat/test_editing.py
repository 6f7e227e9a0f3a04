"""Edit and delete: who may, what changes everywhere, what is left, and what happens at the same moment."""

import asyncio
from typing import Any

import httpx
import pytest

from malgil.chat.editing import delete_message
from malgil.chat.gate import ChatGate
from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, post
from tests.chat.people import KIM, LEE, Answerer, add_person, log_of, make_session, say, turns_of
from tests.chat.test_session_routes import problem


def at(session: Session, message_id: str) -> str:
    return f"/api/chat/sessions/{session.session_id}/messages/{message_id}"


async def listed(client: httpx.AsyncClient, session: Session) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(at(session, "")[:-1])).json()["messages"]
    return found


async def line(client: httpx.AsyncClient) -> dict[str, Any]:
    """The caller's one session as the list of sessions shows it."""
    (found,) = (await client.get("/api/chat/sessions")).json()["sessions"]
    return dict(found)


async def frames(client: httpx.AsyncClient, session: Session) -> list[dict[str, Any]]:
    path = f"/api/chat/sessions/{session.session_id}/events"
    found: list[dict[str, Any]] = (await client.get(path, params={"limit": 500})).json()["events"]
    return found


# ── edit ──


async def test_an_edit_shows_everywhere(
    kim: httpx.AsyncClient, gate: ChatGate, room: ChatRoom, session: Session
) -> None:
    sent = await post(room, say(session, "배송 언제와요", metadata={"a": 1}))
    answer = await kim.patch(at(session, sent.message_id), json={"content": "배송은 언제 오나요?"})
    assert answer.status_code == 200
    edited = answer.json()
    assert edited["edited_at"] is not None
    assert (edited["message_id"], edited["seq"], edited["is_edited"]) == (sent.message_id, sent.seq, True)
    assert await listed(kim, session) == [edited]
    assert (edited["content"], edited["metadata"]) == ("배송은 언제 오나요?", {"a": 1})
    assert (await line(kim))["last_message"] == "배송은 언제 오나요?"
    frame = (await frames(kim, session))[-1]
    assert {key: frame[key] for key in frame if key not in ("seq", "cursor")} == {
        "type": "message_updated", "message_id": sent.message_id, "content": "배송은 언제 오나요?", "is_edited": True,
        "edited_at": edited["edited_at"],
    }
    snapshot = await gate.snapshot(KIM, session.session_id)
    assert [one["content"] for one in snapshot.messages] == ["배송은 언제 오나요?"]


async def test_an_edit_that_changes_nothing_leaves_no_trace(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    sent = await post(room, say(session, "같은 말"))
    before = await log_of(room, session.session_id)
    answer = await kim.patch(at(session, sent.message_id), json={"content": "같은 말"})
    assert (answer.status_code, answer.json()["is_edited"], answer.json()["edited_at"]) == (200, False, None)
    assert await log_of(room, session.session_id) == before


async def test_the_preview_is_that_of_the_last_message(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    first, last = [await post(room, say(session, text)) for text in ("처음", "마지막")]
    before = await line(kim)
    await kim.patch(at(session, first.message_id), json={"content": "고친 처음"})
    assert await line(kim) == before
    await kim.patch(at(session, last.message_id), json={"content": "고친\n마지막"})
    assert await line(kim) == before | {"last_message": "고친 마지막"}


async def test_a_repeated_send_of_an_edited_message_is_still_that_message(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    sent = await post(room, say(session, "처음", client_message_id="c"))
    await kim.patch(at(session, sent.message_id), json={"content": "고침"})
    again = await post(room, say(session, "처음", client_message_id="c"))
    assert (again.message_id, again.duplicate) == (sent.message_id, True)
    assert [one["content"] for one in await listed(kim, session)] == ["고침"]


@pytest.mark.parametrize(("body", "field"), [
    ({}, "body.content"), ({"content": ""}, "body.content"), ({"content": " \n"}, "body.content"),
    ({"content": "x" * 32_769}, "body.content"), ({"content": "a\x00b"}, "body.content"),
    ({"content": 7}, "body.content"), ({"content": None}, "body.content"), ({"content": ["x"]}, "body.content"),
    ({"content": "x", "is_edited": False}, "body.is_edited"), ({"content": "x", "metadata": {}}, "body.metadata"),
    ([], "body"), ("x", "body"),
])
async def test_what_no_edit_can_be(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, body: Any, field: str
) -> None:
    sent = await post(room, say(session, "그대로"))
    fault = problem(await kim.patch(at(session, sent.message_id), json=body), 422, "INVALID_REQUEST")
    assert fault["errors"][0]["field"].startswith(field)
    assert [one["content"] for one in await listed(kim, session)] == ["그대로"]


async def test_a_body_that_is_not_json(kim: httpx.AsyncClient, room: ChatRoom, session: Session) -> None:
    sent = await post(room, say(session, "그대로"))
    path = at(session, sent.message_id)
    problem(await kim.patch(path, content=b"{", headers={"content-type": "application/json"}), 422, "MALFORMED_JSON")
    problem(await kim.patch(path, content=b"x", headers={"content-type": "text/plain"}), 415, "UNSUPPORTED_TYPE")


@pytest.mark.parametrize("verb", ["PATCH", "DELETE"])
@pytest.mark.parametrize("message_id", [
    "msg_none", "x" * 65, "%00", "a%00b", "%F0%9F%99%82", "'; DROP TABLE chat_messages; --", "%2e%2e", "1",
])
async def test_messages_that_do_not_exist(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, verb: str, message_id: str
) -> None:
    await post(room, say(session))
    body = {"content": "x"} if verb == "PATCH" else None
    problem(await kim.request(verb, at(session, message_id), json=body), 404, "MESSAGE_NOT_FOUND")
    assert len(await listed(kim, session)) == 1


@pytest.mark.parametrize("verb", ["PATCH", "DELETE"])
async def test_a_message_of_another_session_is_not_there(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, verb: str
) -> None:
    other = await make_session(room, NewSession(KIM, 1))
    sent = await post(room, say(other))
    body = {"content": "x"} if verb == "PATCH" else None
    problem(await kim.request(verb, at(session, sent.message_id), json=body), 404, "MESSAGE_NOT_FOUND")
    assert [one["content"] for one in await listed(kim, other)] == ["안녕하세요"]


@pytest.mark.parametrize("verb", ["PATCH", "DELETE"])
async def test_strangers_hear_of_no_session(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session, verb: str
) -> None:
    sent = await post(room, say(session))
    body = {"content": "x"} if verb == "PATCH" else None
    problem(await lee.request(verb, at(session, sent.message_id), json=body), 404, "SESSION_NOT_FOUND")
    assert await turns_of(room, session.session_id) == ["queued"], "a stranger stops nothing"
    assert len(await listed(kim, session)) == 1


async def test_nobody_puts_words_into_another_s_mouth(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await add_person(room, session, "lee", "member")
    of_kim = await post(room, say(session, "킴의 말"))
    of_agent = await answerer.answer("도우미의 말")
    for client, message_id in ((lee, of_kim.message_id), (lee, of_agent.answer_id), (kim, of_agent.answer_id)):
        answer = await client.patch(at(session, message_id), json={"content": "x"})
        problem(answer, 403, "NOT_YOUR_MESSAGE")
    assert [one["content"] for one in await listed(kim, session)] == ["킴의 말", "도우미의 말"]


async def test_an_agent_s_number_is_nobody_s_name(room: ChatRoom, app: Any, answerer: Answerer) -> None:
    """A user who is called as the agent's sender_id does not own its messages."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={"x-user": "1"}) as one:
        made = (await one.post("/api/chat/sessions", json={})).json()
        path = f"/api/chat/sessions/{made['session_id']}/messages"
        await one.post(path, json={"content": "안녕"})
        turn = await answerer.answer("네")
        problem(await one.patch(f"{path}/{turn.answer_id}", json={"content": "x"}), 403, "NOT_YOUR_MESSAGE")


async def test_where_nothing_may_be_written(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    await add_person(room, session, "lee", "member")
    sent = await post(room, say(session, "리의 말", LEE))
    async with room.database.read() as conn:
        await conn.execute("UPDATE chat_participants SET role = 'viewer' WHERE user_id = 'lee'")
    problem(await lee.patch(at(session, sent.message_id), json={"content": "x"}), 403, "READ_ONLY")
    problem(await lee.delete(at(session, sent.message_id)), 403, "READ_ONLY")
    mine = await post(room, say(session, "킴의 말"))
    await kim.delete(f"/api/chat/sessions/{session.session_id}")
    problem(await kim.patch(at(session, mine.message_id), json={"content": "x"}), 409, "SESSION_ARCHIVED")
    assert (await kim.delete(at(session, mine.message_id))).status_code == 200, "what is put away may be taken back"


async def test_in_development_a_guest_edits_for_whom_it_plays(app: Any, kim: httpx.AsyncClient) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={"x-user": "guest"}) as guest:
        made = (await guest.post("/api/chat/sessions", json={})).json()
        path = f"/api/chat/sessions/{made['session_id']}/messages"
        sent = (await guest.post(path, json={"content": "하나", "user_id": 123})).json()
        mine = f"{path}/{sent['message_id']}"
        problem(await guest.patch(mine, json={"content": "둘"}), 403, "NOT_YOUR_MESSAGE")
        assert (await guest.patch(mine, json={"content": "둘", "user_id": 123})).status_code == 200
        problem(await kim.patch(mine, json={"content": "셋", "user_id": 123}), 403, "NOT_YOU")


async def test_an_edit_while_the_answer_is_written(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    sent = await post(room, say(session, "처음"))
    turn = await answerer.claim()
    await answerer.write(turn, "답")
    assert (await kim.patch(at(session, sent.message_id), json={"content": "고침"})).status_code == 200
    await answerer.write(turn, "답", "변")  # the fence is as it was
    await answerer.end(turn, "답변")
    assert [one["content"] for one in await listed(kim, session)] == ["고침", "답변"]


async def test_edits_at_once_end_as_the_last_of_the_log(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    sent = await post(room, say(session, "처음"))
    edits = [kim.patch(at(session, sent.message_id), json={"content": f"고침 {n}"}) for n in range(8)]
    assert {one.status_code for one in await asyncio.gather(*edits)} == {200}
    told = [frame for frame in await frames(kim, session) if frame["type"] == "message_updated"]
    (shown,) = await listed(kim, session)
    assert (len(told), shown["content"]) == (8, told[-1]["content"])
    assert (await line(kim))["last_message"] == told[-1]["content"]


# ── delete ──


async def test_a_deleted_message_is_nowhere(
    kim: httpx.AsyncClient, gate: ChatGate, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    first = await post(room, say(session, "처음"))
    await answerer.answer("답")
    last = await post(room, say(session, "비밀", metadata={"pin": 1234}, client_message_id="c"))
    await answerer.answer("그 답")
    answer = await kim.delete(at(session, last.message_id))
    assert (answer.status_code, answer.json()) == (200, {"message_id": last.message_id, "status": "deleted"})
    assert [one["content"] for one in await listed(kim, session)] == ["처음", "답", "그 답"]
    assert (await kim.get(at(session, "")[:-1])).json()["total"] == 3
    assert (await kim.get(f"/api/chat/sessions/{session.session_id}")).json()["message_count"] == 3
    frame = (await frames(kim, session))[-1]
    assert (frame["type"], frame["message_id"]) == ("message_deleted", last.message_id)
    snapshot = await gate.snapshot(KIM, session.session_id)
    assert [one["content"] for one in snapshot.messages] == ["처음", "답", "그 답"]
    async with room.database.read() as conn:
        row = await conn.fetchrow("SELECT content, metadata FROM chat_messages WHERE message_id = $1", last.message_id)
    assert row is not None
    assert tuple(row) == ("", {})
    again = await post(room, say(session, "비밀", client_message_id="c"))
    assert (again.message_id, again.duplicate) == (last.message_id, True)
    assert len(await listed(kim, session)) == 3
    pages = [{"after": last.message_id}, {"before": first.seq + 1}]
    assert [len((await kim.get(at(session, "")[:-1], params=page)).json()["messages"]) for page in pages] == [1, 1]


async def test_the_preview_falls_back(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    first = await post(room, say(session, "처음"))
    shown = await line(kim)
    turn = await answerer.answer("답")
    await kim.delete(at(session, turn.answer_id))
    assert await line(kim) == shown | {"unread_count": 0}
    await kim.delete(at(session, first.message_id))
    assert (await line(kim))["last_message"] is None
    assert (await line(kim))["last_message_at"] is None


async def test_superseded_answers_are_not_unread(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompt = await post(room, say(session))
    await answerer.answer("답")
    path = f"/api/chat/sessions/{session.session_id}/regenerate"
    await kim.post(path, json={"message_id": prompt.message_id})
    newer = await answerer.answer("다른 답")
    assert (await line(kim))["unread_count"] == 1
    await kim.delete(at(session, newer.answer_id))
    assert (await line(kim))["unread_count"] == 0


async def test_deleted_messages_are_not_unread(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await post(room, say(session))
    turn = await answerer.answer("답")
    assert (await line(kim))["unread_count"] == 1
    await kim.delete(at(session, turn.answer_id))
    assert (await line(kim))["unread_count"] == 0


async def test_deleting_twice_and_editing_what_is_gone(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    sent = await post(room, say(session))
    assert (await kim.delete(at(session, sent.message_id))).status_code == 200
    before = await log_of(room, session.session_id)
    problem(await kim.delete(at(session, sent.message_id)), 404, "MESSAGE_NOT_FOUND")
    problem(await kim.patch(at(session, sent.message_id), json={"content": "x"}), 404, "MESSAGE_NOT_FOUND")
    assert await log_of(room, session.session_id) == before


async def test_the_owner_deletes_anybody_s_and_others_their_own(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await add_person(room, session, "lee", "member")
    of_kim, of_lee = await post(room, say(session, "킴")), await post(room, say(session, "리", LEE))
    of_agent = await answerer.answer("도우미")
    for message_id in (of_kim.message_id, of_agent.answer_id):
        problem(await lee.delete(at(session, message_id)), 403, "NOT_YOUR_MESSAGE")
    own = await post(room, say(session, "리의 것", LEE))
    assert (await lee.delete(at(session, own.message_id))).status_code == 200
    for message_id in (of_lee.message_id, of_agent.answer_id, of_kim.message_id):
        assert (await kim.delete(at(session, message_id))).status_code == 200
    assert await listed(kim, session) == []


async def test_a_deleted_prompt_is_not_answered(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    running, queued, other = [await post(room, say(session, text)) for text in ("하나", "둘", "셋")]
    turn = await answerer.claim()
    await answerer.write(turn, "쓰던 ")
    problem(await kim.delete(at(session, turn.answer_id)), 404, "MESSAGE_NOT_FOUND")  # not a message yet
    for prompt in (queued, running):
        assert (await kim.delete(at(session, prompt.message_id))).status_code == 200
    assert await turns_of(room, session.session_id) == ["stopped", "stopped", "queued"]
    kept = await listed(kim, session)
    assert [(one["content"], one["reply_to"]) for one in kept] == [
        ("셋", None), ("쓰던 ", running.message_id)
    ], "what was said so far is kept"
    assert (await answerer.answer("셋의 답")).prompt_id == other.message_id


async def test_a_prompt_is_deleted_while_its_answer_ends(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    for _ in range(5):
        sent = await post(room, say(session))
        turn = await answerer.claim()
        ended, deleted = await asyncio.gather(
            answerer.end(turn, "답"), kim.delete(at(session, sent.message_id)), return_exceptions=True
        )
        assert isinstance(deleted, httpx.Response)
        assert deleted.status_code == 200
        ends = [e for e in await log_of(room, session.session_id)
                if e.kind == "answer.ended" and e.data["message_id"] == turn.answer_id]
        assert len(ends) == 1, ended
    assert (await kim.get(f"/api/chat/sessions/{session.session_id}")).json()["message_count"] == 5


async def test_one_of_many_deletes_at_once(rooms: list[ChatRoom], session: Session) -> None:
    sent = await post(rooms[0], say(session))

    async def delete(room: ChatRoom) -> None:
        async with room.database.unit_of_work() as uow:
            await delete_message(uow, room.scribe, room.transcript, KIM, session.session_id, sent.message_id)

    results = await asyncio.gather(*(delete(room) for room in rooms * 4), return_exceptions=True)
    assert results.count(None) == 1
    entries = await log_of(rooms[0], session.session_id)
    assert [e.kind for e in entries].count("message.deleted") == 1


async def test_a_delete_is_whole_or_not_at_all(
    room: ChatRoom, kim: httpx.AsyncClient, session: Session, answerer: Answerer
) -> None:
    """The process dies before its commit: turn, log, row and counters are as before."""
    sent = await post(room, say(session))
    await answerer.write(await answerer.claim(), "쓰던 ")
    before = (await log_of(room, session.session_id), await listed(kim, session), await line(kim))
    with pytest.raises(ZeroDivisionError):
        async with room.database.unit_of_work() as uow:
            await delete_message(uow, room.scribe, room.transcript, KIM, session.session_id, sent.message_id)
            raise ZeroDivisionError
    assert (await log_of(room, session.session_id), await listed(kim, session), await line(kim)) == before
    assert await turns_of(room, session.session_id) == ["running"]
