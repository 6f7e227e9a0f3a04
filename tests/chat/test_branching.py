"""A new session with the history of another: what it begins with, whose it is, and what it costs."""

import asyncio
from typing import Any

import httpx
import pytest

from malgil.access.model import Caller
from malgil.chat import branching, editing_routes
from malgil.chat.branching import Branched, NewBranch, branch
from malgil.chat.events import MessageCreated
from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, post
from malgil.kit.errors import NotFound
from malgil.kit.ids import SessionId
from malgil.log.model import Append
from tests.chat.people import KIM, LEE, Answerer, add_person, log_of, make_session, say, turns_of
from tests.chat.test_editing import at, listed
from tests.chat.test_regenerating import again
from tests.chat.test_session_routes import problem


async def branched(client: httpx.AsyncClient, session: Session, message_id: str, **more: Any) -> httpx.Response:
    path = f"/api/chat/sessions/{session.session_id}/branch"
    headers = more.pop("headers", None)
    return await client.post(path, json={"message_id": message_id, **more}, headers=headers)


async def messages(client: httpx.AsyncClient, session_id: str) -> list[dict[str, Any]]:
    page = await client.get(f"/api/chat/sessions/{session_id}/messages", params={"limit": 200})
    found: list[dict[str, Any]] = page.json()["messages"]
    return found


async def texts(client: httpx.AsyncClient, made: httpx.Response) -> list[str]:
    assert made.status_code == 201, made.text
    return [one["content"] for one in await messages(client, made.json()["session_id"])]


async def talk(room: ChatRoom, session: Session, answerer: Answerer, turns: int = 3) -> tuple[list[str], list[str]]:
    """Ids of prompts and of their answers."""
    prompts, answers = [], []
    for n in range(turns):
        prompts.append((await post(room, say(session, f"질문 {n}"))).message_id)
        answers.append((await answerer.answer(f"답 {n}")).answer_id)
    return prompts, answers


async def test_a_branch_is_a_session_of_its_own(
    kim: httpx.AsyncClient, room: ChatRoom, answerer: Answerer
) -> None:
    session = await make_session(room, NewSession(KIM, 2, "배송 문의", {"k": [1]}, "reject"))
    sent = await post(room, say(session, "질문 0", metadata={"a": 1}, client_message_id="c"))
    turn = await answerer.answer("답 0")
    await post(room, say(session, "질문 1"))
    response = await branched(kim, session, turn.answer_id)
    assert response.status_code == 201
    made = response.json()
    assert {key: made[key] for key in ("user_id", "agent_id", "title", "status", "queue_policy", "metadata")} == {
        "user_id": "kim", "agent_id": 2, "title": "배송 문의", "status": "active", "queue_policy": "reject",
        "metadata": {"k": [1]},
    }
    assert made["branched_from"] == {"session_id": session.session_id, "message_id": turn.answer_id}
    assert made["message_id"] is None
    prompt, answer = await messages(kim, made["session_id"])
    assert {sent.message_id, turn.answer_id}.isdisjoint({prompt["message_id"], answer["message_id"]})
    assert (prompt["seq"], prompt["sender_id"], prompt["content"]) == (2, "kim", "질문 0")
    assert prompt["metadata"] == {"a": 1, "branched_from": sent.message_id}
    assert (answer["sender_type"], answer["sender_id"], answer["content"]) == ("agent", "2", "답 0")
    assert (answer["reply_to"], answer["tokens_used"]) == (prompt["message_id"], None)
    assert answer["metadata"]["branched_from"] == turn.answer_id
    view = (await kim.get(f"/api/chat/sessions/{made['session_id']}")).json()
    assert (view["message_count"], view["last_seq"]) == (2, 3)
    assert [one["role"] for one in view["participants"]] == ["owner"]
    first = (await kim.get(f"/api/chat/sessions/{made['session_id']}/events")).json()["events"][0]
    assert first["branched_from"] == made["branched_from"]
    assert await turns_of(room, made["session_id"]) == [], "what was answered is not answered again"


async def test_what_happens_in_one_stays_there(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompts, answers = await talk(room, session, answerer, 1)
    made = (await branched(kim, session, answers[0], title="갈래")).json()
    copy_prompt, copy_answer = await messages(kim, made["session_id"])
    assert made["title"] == "갈래"
    branch_path = f"/api/chat/sessions/{made['session_id']}/messages"
    await kim.patch(at(session, prompts[0]), json={"content": "고침"})
    await kim.delete(f"{branch_path}/{copy_answer['message_id']}")
    assert [one["content"] for one in await listed(kim, session)] == ["고침", "답 0"]
    assert [one["content"] for one in await messages(kim, made["session_id"])] == ["질문 0"]
    sent = await kim.post(branch_path, json={"content": "이어서"})
    assert sent.status_code == 201
    assert (await answerer.answer("네")).prompt_id == sent.json()["message_id"]
    assert len(await listed(kim, session)) == 2
    # The copied prompt can be answered anew, there and nowhere else.
    path = f"/api/chat/sessions/{made['session_id']}/regenerate"
    assert (await kim.post(path, json={"message_id": copy_prompt["message_id"]})).status_code == 202


@pytest.mark.parametrize(("which", "expected"), [
    ("prompt", ["질문 0", "답 0", "질문 1"]), ("answer", ["질문 0", "답 0", "질문 1", "답 1"]),
])
async def test_history_goes_up_to_the_message(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer, which: str, expected: list[str]
) -> None:
    prompts, answers = await talk(room, session, answerer)
    named = prompts[1] if which == "prompt" else answers[1]
    assert await texts(kim, await branched(kim, session, named)) == expected


async def test_deleted_and_superseded_messages_stay_behind(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompts, answers = await talk(room, session, answerer)
    await again(kim, session, prompts[0])
    newer = await answerer.answer("다른 답 0")
    await kim.delete(at(session, prompts[1]))
    await kim.patch(at(session, prompts[2]), json={"content": "고친 질문 2"})
    assert await texts(kim, await branched(kim, session, answers[2])) == [
        "질문 0", "다른 답 0", "답 1", "고친 질문 2", "답 2"
    ]
    assert await texts(kim, await branched(kim, session, answers[0])) == ["질문 0", "답 0"], "unless it is named"
    assert await texts(kim, await branched(kim, session, newer.answer_id)) == ["질문 0", "다른 답 0"]
    orphan = await branched(kim, session, answers[1])
    assert await texts(kim, orphan) == ["질문 0", "다른 답 0", "답 1"]
    assert (await messages(kim, orphan.json()["session_id"]))[-1]["reply_to"] is None
    problem(await branched(kim, session, prompts[1]), 404, "MESSAGE_NOT_FOUND")


async def test_files_hang_in_the_branch_too(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    sent = await kim.post(f"/api/chat/sessions/{session.session_id}/files", files={"file": ("a.txt", b"some text")})
    assert sent.status_code == 201, sent.text
    await add_person(room, session, "lee", "viewer")
    made = await branched(lee, session, sent.json()["message_id"])
    (copy,) = await messages(lee, made.json()["session_id"])
    assert (copy["message_type"], copy["metadata"]["file"]["file_id"]) == ("file", sent.json()["file_id"])
    async with room.database.read() as conn:
        await conn.execute("DELETE FROM chat_participants WHERE user_id = 'lee' AND role = 'viewer'")
    assert (await lee.get(sent.json()["file_url"])).content == b"some text"


async def test_who_came_and_went_there_stays_behind(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await talk(room, session, answerer, 1)
    path = f"/api/chat/sessions/{session.session_id}/participants"
    joined = await kim.post(path, json={"user_id": "lee", "role": "member"})
    assert joined.status_code == 201, joined.text
    await talk(room, session, answerer, 1)
    (notice,) = [one for one in await listed(kim, session) if one["message_type"] == "system"]
    assert await texts(kim, await branched(kim, session, notice["message_id"])) == ["질문 0", "답 0"]
    last = (await listed(kim, session))[-1]
    assert len(await texts(kim, await branched(kim, session, last["message_id"]))) == 4
    problem(await again(kim, session, notice["message_id"]), 422, "NOTHING_TO_ANSWER")


async def test_a_branch_of_a_branch(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    _, answers = await talk(room, session, answerer, 2)
    first = (await branched(kim, session, answers[1])).json()
    copy = (await messages(kim, first["session_id"]))[-1]
    path = f"/api/chat/sessions/{first['session_id']}/branch"
    second = await kim.post(path, json={"message_id": copy["message_id"]})
    assert await texts(kim, second) == ["질문 0", "답 0", "질문 1", "답 1"]
    assert (await messages(kim, second.json()["session_id"]))[-1]["metadata"]["branched_from"] == copy["message_id"]


# ── said in other words ──


async def test_a_message_said_in_other_words_is_answered_in_the_branch(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompts, _ = await talk(room, session, answerer)
    response = await branched(kim, session, prompts[1], content="다른 질문 1")
    assert await texts(kim, response) == ["질문 0", "답 0", "다른 질문 1"]
    made = response.json()
    turn = await answerer.answer("새 답")
    assert (turn.session_id, turn.prompt_id) == (made["session_id"], made["message_id"])
    async with room.database.read() as conn:
        told = await room.transcript.history(
            conn, made["session_id"], prompt_seq=turn.prompt_seq, before_seq=turn.queued_seq, most=10
        )
    assert [one.content for one in told] == ["질문 0", "답 0", "다른 질문 1"]
    assert len(await listed(kim, session)) == 6


async def test_the_very_first_message_in_other_words(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompts, _ = await talk(room, session, answerer, 1)
    assert await texts(kim, await branched(kim, session, prompts[0], content="처음부터")) == ["처음부터"]


async def test_among_people_nobody_answers(kim: httpx.AsyncClient, room: ChatRoom) -> None:
    session = await make_session(room, NewSession(KIM, None))
    sent = await post(room, say(session, "우리끼리"))
    made = await branched(kim, session, sent.message_id, content="다시")
    assert await texts(kim, made) == ["다시"]
    assert await turns_of(room, made.json()["session_id"]) == []


async def test_only_one_s_own_message_is_said_in_other_words(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await add_person(room, session, "lee", "member")
    prompts, answers = await talk(room, session, answerer, 1)
    problem(await branched(lee, session, prompts[0], content="x"), 403, "NOT_YOUR_MESSAGE")
    problem(await branched(kim, session, answers[0], content="x"), 403, "NOT_YOUR_MESSAGE")
    assert (await lee.get("/api/chat/sessions")).json()["total"] == 1


# ── who, and what cannot be ──


async def test_a_reader_may_branch_off(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    _, answers = await talk(room, session, answerer, 1)
    problem(await branched(lee, session, answers[0]), 404, "SESSION_NOT_FOUND")
    await add_person(room, session, "lee", "viewer")
    await kim.delete(f"/api/chat/sessions/{session.session_id}")  # what is put away can be read, and branched
    made = await branched(lee, session, answers[0])
    assert await texts(lee, made) == ["질문 0", "답 0"]
    path = f"/api/chat/sessions/{made.json()['session_id']}"
    assert (await lee.get(path)).json()["user_id"] == "lee"
    problem(await kim.get(path), 404, "SESSION_NOT_FOUND")
    mine = (await messages(lee, made.json()["session_id"]))[0]["message_id"]
    problem(await lee.patch(f"{path}/messages/{mine}", json={"content": "x"}), 403, "NOT_YOUR_MESSAGE")


async def test_messages_that_are_not_there(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    other = await make_session(room, NewSession(KIM, 1))
    sent = await post(room, say(other))
    problem(await branched(kim, session, "msg_none"), 404, "MESSAGE_NOT_FOUND")
    problem(await branched(kim, session, sent.message_id), 404, "MESSAGE_NOT_FOUND")
    assert (await kim.get("/api/chat/sessions")).json()["total"] == 2


@pytest.mark.parametrize("body", [
    {}, [], {"message_id": 7}, {"message_id": ""}, {"message_id": "x" * 65}, {"message_id": "a\x00b"},
    {"message_id": "m", "content": ""}, {"message_id": "m", "content": " "}, {"message_id": "m", "content": 7},
    {"message_id": "m", "content": "x" * 32_769}, {"message_id": "m", "title": "x" * 201},
    {"message_id": "m", "title": 7}, {"message_id": "m", "agent_id": 2},
])
async def test_what_no_branch_can_be(kim: httpx.AsyncClient, session: Session, body: Any) -> None:
    path = f"/api/chat/sessions/{session.session_id}/branch"
    problem(await kim.post(path, json=body), 422, "INVALID_REQUEST")


async def test_the_key_makes_one_branch(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    prompts, _ = await talk(room, session, answerer, 1)
    key = {"idempotency-key": "k"}
    first = await branched(kim, session, prompts[0], content="x", headers=key)
    second = await branched(kim, session, prompts[0], content="x", headers=key)
    assert (second.status_code, second.json()) == (201, first.json())
    assert (await kim.get("/api/chat/sessions")).json()["total"] == 2


# ── much, at once, cut short ──


async def fill(room: ChatRoom, session: Session, count: int, content: str = "말") -> list[str]:
    """So many messages of Kim's, quickly."""
    async with room.database.unit_of_work() as uow:
        facts = [
            MessageCreated(message_id=room.scribe.new_id("msg"), sender_type="user", sender_id="kim",
                           message_type="text", content=f"{content} {n}", metadata={})
            for n in range(count)
        ]
        await room.scribe.record(uow, Append(session.session_id, facts))
        await uow.conn.execute(
            "INSERT INTO chat_messages (message_id, session_id, seq, sender_type, sender_id, message_type, content, "
            "created_at) SELECT data->>'message_id', stream, seq, 'user', 'kim', 'text', data->>'content', at "
            "FROM log_events WHERE stream = $1 AND kind = 'message.created'", session.session_id,
        )
    return [fact.message_id for fact in facts]


async def make_branch(room: ChatRoom, session: Session, message_id: str, who: Caller = KIM) -> Branched:
    async with room.database.unit_of_work() as uow:
        return await branch(uow, room.scribe, NewBranch(who, who, SessionId(session.session_id), message_id))


async def test_a_long_history_is_copied_in_order_and_in_batches(
    kim: httpx.AsyncClient, room: ChatRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branching, "_BATCH_CODE_POINTS", 1000)
    session = await make_session(room, NewSession(KIM, 1))
    ids = await fill(room, session, 900)
    made = await make_branch(room, session, ids[-1])
    entries = await log_of(room, made.session.session_id)
    assert [entry.data["content"] for entry in entries[1:]] == [f"말 {n}" for n in range(900)]
    assert [entry.seq for entry in entries] == list(range(1, 902))
    view = (await kim.get(f"/api/chat/sessions/{made.session.session_id}")).json()
    assert (view["message_count"], view["last_seq"]) == (900, 901)
    assert [one["content"] for one in await messages(kim, made.session.session_id)][-1] == "말 899"


async def test_more_than_one_branch_may_copy(
    kim: httpx.AsyncClient, room: ChatRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branching, "COPIED_MOST", 10)
    session = await make_session(room, NewSession(KIM, 1))
    ids = await fill(room, session, 12)
    problem(await branched(kim, session, ids[10]), 409, "TOO_LONG_TO_BRANCH")
    assert (await kim.get("/api/chat/sessions")).json()["total"] == 1
    assert len(await texts(kim, await branched(kim, session, ids[9]))) == 10
    assert len(await texts(kim, await branched(kim, session, ids[10], content="열한 번째"))) == 11


async def test_a_branch_at_a_message_that_is_being_deleted(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    """It has the message whole, or there is no branch."""
    for n in range(5):
        sent = await post(room, say(session, f"말 {n}"))
        made, gone = await asyncio.gather(
            make_branch(room, session, sent.message_id), kim.delete(at(session, sent.message_id)),
            return_exceptions=True,
        )
        assert isinstance(gone, httpx.Response)
        assert gone.status_code == 200
        if isinstance(made, Branched):
            assert (await messages(kim, made.session.session_id))[-1]["content"] == f"말 {n}"
        else:
            assert isinstance(made, NotFound)


async def test_a_message_deleted_after_it_was_looked_up(
    room: ChatRoom, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await post(room, say(session))
    look_up = branching.queries.message

    async def and_then_it_goes(conn: Any, session_id: str, message_id: str) -> Any:
        found = await look_up(conn, session_id, message_id)
        async with room.database.read() as other:
            await other.execute("UPDATE chat_messages SET deleted_at = now(), content = ''")
        return found

    monkeypatch.setattr(branching.queries, "message", and_then_it_goes)
    with pytest.raises(NotFound):
        await make_branch(room, session, sent.message_id)


async def test_a_branch_is_whole_or_not_at_all(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    """The process dies before its commit."""
    _, answers = await talk(room, session, answerer, 2)
    with pytest.raises(ZeroDivisionError):
        async with room.database.unit_of_work() as uow:
            new = NewBranch(KIM, KIM, SessionId(session.session_id), answers[1])
            made = await branch(uow, room.scribe, new)
            raise ZeroDivisionError
    assert await log_of(room, made.session.session_id) == []
    assert (await kim.get("/api/chat/sessions")).json()["total"] == 1
    async with room.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM chat_messages") == 4


async def test_who_branches_much_waits_for_themself_and_holds_no_connection(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    sent = await post(room, say(session))
    await add_person(room, session, "lee", "viewer")
    async with room.copying.acquire((KIM.tenant, KIM.user_id)):
        many = [asyncio.create_task(branched(kim, session, sent.message_id)) for _ in range(20)]
        assert (await branched(lee, session, sent.message_id)).status_code == 201
        assert room.database.pool_stats()["active"] == 0
        assert not any(one.done() for one in many)
    assert [one.status_code for one in await asyncio.gather(*many)] == [201] * 20


async def test_who_waits_too_long_is_told_to_come_again(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editing_routes, "BRANCH_WAIT", 0.01)
    sent = await post(room, say(session))
    key = {"idempotency-key": "k"}
    async with room.copying.acquire("one"), room.copying.acquire("other"):
        answer = await branched(kim, session, sent.message_id, headers=key)
        problem(answer, 503, "BRANCHING_BUSY")
        assert answer.headers["retry-after"]
    assert (await kim.get("/api/chat/sessions")).json()["total"] == 1
    monkeypatch.undo()
    assert (await branched(kim, session, sent.message_id, headers=key)).status_code == 201


async def test_nothing_of_ones_own_branch_is_unread(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    _, answers = await talk(room, session, answerer, 2)
    made = (await branched(kim, session, answers[1])).json()
    reworded = (await branched(kim, session, (await listed(kim, session))[2]["message_id"], content="다르게")).json()
    sessions = (await kim.get("/api/chat/sessions")).json()["sessions"]
    counts = {one["session_id"]: one["unread_count"] for one in sessions}
    assert counts == {session.session_id: 2, made["session_id"]: 0, reworded["session_id"]: 0}
    await answerer.answer("새 답")
    sessions = (await kim.get("/api/chat/sessions")).json()["sessions"]
    assert (sessions[0]["session_id"], sessions[0]["unread_count"]) == (reworded["session_id"], 1)


async def test_people_branch_at_once(rooms: list[ChatRoom], session: Session, answerer: Answerer) -> None:
    _, answers = await talk(rooms[0], session, answerer, 2)
    await add_person(rooms[0], session, "lee", "viewer")
    made = await asyncio.gather(
        *(make_branch(room, session, answers[1], who) for room in rooms for who in (KIM, LEE) for _ in range(2)),
        post(rooms[0], say(session, "그 사이에")),
    )
    branches = [one for one in made if isinstance(one, Branched)]
    logs = [await log_of(rooms[0], one.session.session_id) for one in branches]
    assert [[entry.data.get("content") for entry in entries[1:]] for entries in logs] == [
        ["질문 0", "답 0", "질문 1", "답 1"]
    ] * 8
    assert len({one.session.session_id for one in branches}) == 8
