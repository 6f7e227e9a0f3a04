"""Participants: who may let whom in, send whom away, and what of it is in the log and in the list."""

import asyncio
from typing import Any

import httpx
import pytest

from malgil.chat.errors import ParticipantNotFound, ReadOnly, SessionNotFound
from malgil.chat.members import actions
from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, post
from tests.chat.people import KIM, LEE, add_person, log_of, make_session, say
from tests.chat.test_session_routes import problem

SESSIONS = "/api/chat/sessions"


def people_of(session: Session) -> str:
    return f"{SESSIONS}/{session.session_id}/participants"


async def put(room: ChatRoom, session: Session, user_id: str, role: Any = "member", who: Any = KIM) -> None:
    async with room.database.unit_of_work() as uow:
        await actions.put_participant(uow, room.scribe, who, session.session_id, user_id, role)


async def remove(room: ChatRoom, session: Session, user_id: str, who: Any = KIM) -> None:
    async with room.database.unit_of_work() as uow:
        await actions.remove_participant(uow, room.scribe, who, session.session_id, user_id)


async def test_somebody_comes_and_is_told_of(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    await post(room, say(session, "before"))
    answer = await kim.post(people_of(session), json={"user_id": "lee", "role": "member"})
    assert answer.status_code == 201
    entry = (await log_of(room, session.session_id))[-1]
    assert answer.json() | {"joined_at": ""} == {
        "user_id": "lee", "role": "member", "read_seq": entry.seq, "joined_at": "",
    }
    assert (entry.kind, entry.actor) == ("participant.joined", "kim")
    page = (await lee.get(f"{SESSIONS}/{session.session_id}/messages")).json()
    notice = page["messages"][-1]
    assert (notice["message_id"], notice["seq"]) == (entry.data["message_id"], entry.seq)
    assert (notice["sender_type"], notice["sender_id"], notice["message_type"]) == ("system", "kim", "system")
    assert notice["metadata"] == {"event": "user_joined", "user_id": "lee", "by": "kim", "role": "member"}
    assert "초대했습니다" in notice["content"]
    assert "kim added lee" in notice["content"]
    assert page["total"] == 2
    frame = room.frames.payload(entry, "e")
    assert {key: frame[key] for key in ("type", "event", "user_id", "role", "by", "message_id", "seq")} == {
        "type": "system", "event": "user_joined", "user_id": "lee", "role": "member", "by": "kim",
        "message_id": entry.data["message_id"], "seq": entry.seq,
    }


async def test_a_notice_is_neither_news_nor_the_last_thing_said(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, session: Session, room: ChatRoom
) -> None:
    await post(room, say(session, "the last word"))
    await kim.post(people_of(session), json={"user_id": "lee"})
    for client in (kim, lee):
        (line,) = (await client.get(SESSIONS)).json()["sessions"]
        assert (line["last_message"], line["unread_count"]) == ("the last word", 0)
    assert (await kim.delete(f"{people_of(session)}/lee")).status_code == 200
    (line,) = (await kim.get(SESSIONS)).json()["sessions"]
    assert (line["last_message"], line["unread_count"]) == ("the last word", 0)


async def test_another_role_and_the_same_again(kim: httpx.AsyncClient, room: ChatRoom, session: Session) -> None:
    first = await kim.post(people_of(session), json={"user_id": "lee", "role": "viewer"})
    changed = await kim.post(people_of(session), json={"user_id": "lee", "role": "member"})
    same = await kim.post(people_of(session), json={"user_id": "lee", "role": "member"})
    assert (first.status_code, changed.status_code, same.status_code) == (201, 200, 200)
    assert changed.json() == same.json() == first.json() | {"role": "member"}
    entries = (await log_of(room, session.session_id))[1:]
    assert [e.kind for e in entries] == ["participant.joined", "participant.changed"]
    frame = room.frames.payload(entries[1], "e")
    assert (frame["event"], frame["user_id"], frame["role"], frame["by"]) == ("role_changed", "lee", "member", "kim")


async def test_the_same_key_lets_in_once(kim: httpx.AsyncClient, room: ChatRoom, session: Session) -> None:
    headers = {"idempotency-key": "k"}
    answers = [await kim.post(people_of(session), json={"user_id": "lee"}, headers=headers) for _ in range(2)]
    assert [(a.status_code, a.json()) for a in answers] == [(201, answers[0].json())] * 2
    known = {"headers": {"idempotency-key": "known"}, "json": {"user_id": "lee", "role": "viewer"}}
    again = [await kim.post(people_of(session), **known) for _ in range(2)]
    assert [(a.status_code, a.json()) for a in again] == [(200, again[0].json())] * 2
    other = await kim.post(people_of(session), json={"user_id": "cho"}, headers=headers)
    problem(other, 422, "IDEMPOTENCY_MISMATCH")


@pytest.mark.parametrize("body", [
    {}, [], None, {"user_id": ""}, {"user_id": 5}, {"user_id": True}, {"user_id": "x" * 129}, {"user_id": " lee"},
    {"user_id": "l\x00ee"}, {"user_id": "l\nee"}, {"user_id": "lee", "role": "owner"}, {"user_id": "lee", "role": 1},
    {"user_id": "lee", "extra": 1}, {"role": "member"},
])
async def test_what_is_no_participant(kim: httpx.AsyncClient, room: ChatRoom, session: Session, body: Any) -> None:
    answer = await kim.post(people_of(session), json=body)
    assert answer.status_code == 422, answer.text
    assert len(await log_of(room, session.session_id)) == 1


async def test_only_the_owner_manages(lee: httpx.AsyncClient, room: ChatRoom, session: Session) -> None:
    for url in (people_of(session), f"{SESSIONS}/sess_none/participants"):
        problem(await lee.post(url, json={"user_id": "lee"}), 404, "SESSION_NOT_FOUND")
        problem(await lee.delete(f"{url}/kim"), 404, "SESSION_NOT_FOUND")
    for role in ("member", "viewer"):
        await put(room, session, "lee", role)
        problem(await lee.post(people_of(session), json={"user_id": "cho"}), 403, "READ_ONLY")
        problem(await lee.post(people_of(session), json={"user_id": "lee", "role": "member"}), 403, "READ_ONLY")
        problem(await lee.delete(f"{people_of(session)}/kim"), 403, "READ_ONLY")
        problem(await lee.delete(f"{people_of(session)}/nobody"), 403, "READ_ONLY")


async def test_the_owner_stays(kim: httpx.AsyncClient, room: ChatRoom, session: Session) -> None:
    problem(await kim.post(people_of(session), json={"user_id": "kim", "role": "viewer"}), 409, "OWNER_STAYS")
    problem(await kim.delete(f"{people_of(session)}/kim"), 409, "OWNER_STAYS")
    assert len(await log_of(room, session.session_id)) == 1


async def test_sent_away_and_back(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    await kim.post(people_of(session), json={"user_id": "lee"})
    gone = await kim.delete(f"{people_of(session)}/lee")
    assert gone.json() == {"message": "Participant removed", "session_id": session.session_id, "user_id": "lee"}
    entry = (await log_of(room, session.session_id))[-1]
    assert (entry.kind, entry.data["by"]) == ("participant.left", "kim")
    problem(await lee.get(f"{SESSIONS}/{session.session_id}"), 404, "SESSION_NOT_FOUND")
    problem(await kim.delete(f"{people_of(session)}/lee"), 404, "PARTICIPANT_NOT_FOUND")
    back = await kim.post(people_of(session), json={"user_id": "lee"})
    assert (back.status_code, back.json()["read_seq"]) == (201, entry.seq + 1)
    left = await lee.delete(f"{people_of(session)}/lee")
    assert left.status_code == 200
    notice = (await kim.get(f"{SESSIONS}/{session.session_id}/messages")).json()["messages"][-1]
    assert notice["content"] == "lee 님이 나갔습니다. · lee left."


@pytest.mark.parametrize("name", ["a/b", "..", "한글 이름", "a?b#c", "x" * 128])
async def test_any_name_can_come_and_go(kim: httpx.AsyncClient, session: Session, name: str) -> None:
    assert (await kim.post(people_of(session), json={"user_id": name})).status_code == 201
    path = "".join(f"%{byte:02X}" for byte in name.encode())
    assert (await kim.delete(f"{people_of(session)}/{path}")).json()["user_id"] == name


@pytest.mark.parametrize("name", ["%00", "%20lee", "x" * 129, "%0A"])
async def test_names_that_nobody_bears(kim: httpx.AsyncClient, session: Session, name: str) -> None:
    problem(await kim.delete(f"{people_of(session)}/{name}"), 404, "PARTICIPANT_NOT_FOUND")


async def test_a_thousand_take_part_and_no_more(kim: httpx.AsyncClient, room: ChatRoom, session: Session) -> None:
    async with room.database.unit_of_work() as uow:
        await uow.conn.execute(
            "INSERT INTO chat_participants (session_id, user_id, role, joined_at) "
            "SELECT $1, 'user-' || n, 'viewer', now() FROM generate_series(1, 998) n", session.session_id,
        )
    assert (await kim.post(people_of(session), json={"user_id": "lee"})).status_code == 201
    problem(await kim.post(people_of(session), json={"user_id": "cho"}), 409, "SESSION_FULL")
    assert (await kim.post(people_of(session), json={"user_id": "lee", "role": "viewer"})).status_code == 200


async def test_of_two_devices_that_remove_at_once_one_does(rooms: list[ChatRoom], session: Session) -> None:
    await put(rooms[0], session, "lee")
    outcomes = await asyncio.gather(*(remove(rooms[k % 2], session, "lee") for k in range(6)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["NoneType"] + ["ParticipantNotFound"] * 5
    kinds = [e.kind for e in await log_of(rooms[0], session.session_id)]
    assert kinds.count("participant.left") == 1


async def test_let_in_at_once_from_both_sides_is_let_in_once(rooms: list[ChatRoom], session: Session) -> None:
    await asyncio.gather(*(put(rooms[k % 2], session, "lee", ("member", "viewer")[k % 2]) for k in range(6)))
    kinds = [e.kind for e in await log_of(rooms[0], session.session_id)]
    assert kinds.count("participant.joined") == 1


async def test_what_is_posted_while_somebody_is_removed_is_before_or_not_at_all(
    rooms: list[ChatRoom], session: Session
) -> None:
    await put(rooms[0], session, "lee")
    posts = [post(rooms[k % 2], say(session, f"m{k}", LEE)) for k in range(20)]
    *outcomes, _ = await asyncio.gather(*posts, remove(rooms[1], session, "lee"), return_exceptions=True)
    assert {type(one).__name__ for one in outcomes} <= {"Posted", "SessionNotFound"}
    entries = await log_of(rooms[0], session.session_id)
    (left,) = (e.seq for e in entries if e.kind == "participant.left")
    said = [e.seq for e in entries if e.kind == "message.created"]
    assert all(seq < left for seq in said)
    assert len(said) == sum(type(one).__name__ == "Posted" for one in outcomes)


async def test_who_is_gone_has_no_verbs_left(room: ChatRoom, session: Session) -> None:
    await add_person(room, session, "lee", "member")
    await remove(room, session, "lee", LEE)
    with pytest.raises(SessionNotFound):
        await remove(room, session, "lee", LEE)
    with pytest.raises(SessionNotFound):
        await put(room, session, "lee", who=LEE)
    await put(room, session, "lee", "viewer")
    with pytest.raises(ReadOnly):
        await post(room, say(session, "no", LEE))
        raise AssertionError("a viewer has posted")


async def test_notices_are_not_in_what_the_agent_reads(room: ChatRoom, session: Session) -> None:
    await post(room, say(session, "one"))
    await put(room, session, "lee")
    posted = await post(room, say(session, "two"))
    async with room.database.read() as conn:
        said = await room.transcript.history(
            conn, session.session_id, prompt_seq=posted.seq, before_seq=posted.seq + 1, most=10
        )
    assert [one.content for one in said] == ["one", "two"]


async def test_another_tenants_session_is_none(room: ChatRoom) -> None:
    other = await make_session(room, NewSession(LEE, None))
    with pytest.raises(SessionNotFound):
        await put(room, other, "cho")
    with pytest.raises(ParticipantNotFound):
        await remove(room, other, "cho", LEE)
