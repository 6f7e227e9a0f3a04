"""Sessions over HTTP: make, list, read, change, put away."""

import asyncio
from typing import Any

import httpx
import pytest

from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, post
from tests.chat.people import KIM, LEE, Answerer, add_person, make_session, say, turns_of

SESSIONS = "/api/chat/sessions"


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem that the answer is; fails when it is anything else."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["code"], body["status"]) == (code, status)
    return body


async def test_a_session_is_made_and_read(kim: httpx.AsyncClient) -> None:
    made = await kim.post(SESSIONS, json={"title": "배송", "metadata": {"purpose": "inquiry"}})
    assert made.status_code == 201
    body = made.json()
    assert body["session_id"].startswith("sess_")
    assert body["created_at"].endswith("Z")
    assert {key: body[key] for key in ("user_id", "agent_id", "title", "status", "metadata")} == {
        "user_id": "kim", "agent_id": 1, "title": "배송", "status": "active", "metadata": {"purpose": "inquiry"},
    }
    assert "trace_id" in body
    read = (await kim.get(f"{SESSIONS}/{body['session_id']}")).json()
    assert read["agent"] == {"id": 1, "name": "Agent 1", "avatar_url": None}
    assert [(p["user_id"], p["role"]) for p in read["participants"]] == [("kim", "owner")]
    assert (read["message_count"], read["last_seq"], read["metadata"]) == (0, 1, {"purpose": "inquiry"})


@pytest.mark.parametrize(("body", "agent_id"), [({}, 1), ({"agent_id": 2}, 2), ({"agent_id": None}, None)])
async def test_who_answers(kim: httpx.AsyncClient, body: dict[str, Any], agent_id: int | None) -> None:
    made = (await kim.post(SESSIONS, json=body)).json()
    assert made["agent_id"] == agent_id
    read = (await kim.get(f"{SESSIONS}/{made['session_id']}")).json()
    assert (read["agent"] is None) == (agent_id is None)


@pytest.mark.parametrize(("body", "field"), [
    ({"agent_id": 99}, "body.agent_id"), ({"agent_id": "1"}, "body.agent_id"), ({"agent_id": 0}, "body.agent_id"),
    ({"agent_id": 2**40}, "body.agent_id"), ({"title": "x" * 201}, "body.title"), ({"title": "a\x00"}, "body.title"),
    ({"metadata": []}, "body.metadata"), ({"metadata": {"k": "v" * 17_000}}, "body.metadata"),
    ({"metadata": {"k\x00": 1}}, "body.metadata"), ({"queue_policy": "drop"}, "body.queue_policy"),
    ({"unknown": 1}, "body.unknown"), ({"user_id": True}, "body.user_id"), ([], "body"), (None, "body"),
])
async def test_what_no_session_can_be(kim: httpx.AsyncClient, body: Any, field: str) -> None:
    answer = await kim.post(SESSIONS, json=body)
    assert answer.status_code == 422, answer.text
    assert any(fault["field"].startswith(field) for fault in answer.json()["errors"])


@pytest.mark.parametrize("body", [b"{broken", b"", b'{"title": "\\ud800"}', b"\xff", b'{"a":' * 5000, b"NaN"])
async def test_bodies_that_are_not_json(kim: httpx.AsyncClient, body: bytes) -> None:
    answer = await kim.post(SESSIONS, content=body, headers={"content-type": "application/json"})
    problem(answer, 422, "MALFORMED_JSON")


async def test_another_content_type_is_refused(kim: httpx.AsyncClient) -> None:
    problem(await kim.post(SESSIONS, data={"title": "x"}), 415, "UNSUPPORTED_TYPE")


async def test_without_a_caller(app: Any) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as nobody:
        problem(await nobody.get(SESSIONS), 401, "UNAUTHENTICATED")


async def test_only_in_development_one_plays_another(kim: httpx.AsyncClient) -> None:
    problem(await kim.post(SESSIONS, json={"user_id": "lee"}), 403, "NOT_YOU")
    assert (await kim.post(SESSIONS, json={"user_id": "kim"})).status_code == 201
    played = await kim.post(SESSIONS, json={"user_id": 123}, headers={"x-user": "guest"})
    assert played.json()["user_id"] == "123"


async def test_what_is_not_ours_does_not_exist(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, session: Session
) -> None:
    path = f"{SESSIONS}/{session.session_id}"
    for client, where in ((lee, path), (kim, f"{SESSIONS}/sess_nobody"), (kim, f"{SESSIONS}/a%00b"),
                          (kim, f"{SESSIONS}/{'x' * 300}"), (kim, f"{SESSIONS}/%F0%9F%99%82")):
        problem(await client.get(where), 404, "SESSION_NOT_FOUND")
        problem(await client.delete(where), 404, "SESSION_NOT_FOUND")
        problem(await client.patch(where, json={"title": "mine"}), 404, "SESSION_NOT_FOUND")
        problem(await client.post(f"{where}/read", json={"seq": 1}), 404, "SESSION_NOT_FOUND")
        problem(await client.post(f"{where}/stop"), 404, "SESSION_NOT_FOUND")
        problem(await client.post(f"{where}/messages", json={"content": "x"}), 404, "SESSION_NOT_FOUND")
        problem(await client.get(f"{where}/messages"), 404, "SESSION_NOT_FOUND")
        problem(await client.get(f"{where}/events"), 404, "SESSION_NOT_FOUND")
    assert (await kim.get(path)).json()["title"] == "배송 문의"


async def test_a_list_goes_on_at_its_cursor(kim: httpx.AsyncClient, room: ChatRoom) -> None:
    made = [(await make_session(room, NewSession(KIM, 1))).session_id for _ in range(5)]
    async with room.database.unit_of_work() as uow:
        # Three of them equally lively, so that the id decides.
        await uow.conn.execute(
            "UPDATE chat_sessions SET last_activity = '2026-01-01' WHERE session_id = ANY($1)", made[:3]
        )
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await kim.get(SESSIONS, params=query)).json()
        seen += [line["session_id"] for line in page["sessions"]]
        assert page["total"] == 5
        assert page["has_more"] == (page["next_cursor"] is not None) == (len(seen) < 5)
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == list(reversed(made))


@pytest.mark.parametrize("cursor", ["", "x", "1", "1.", ".a", "-1.a", "1" * 18 + ".a", "1.a b", "1.\u0661", "9" * 82])
async def test_what_is_no_cursor_of_a_list(kim: httpx.AsyncClient, session: Session, cursor: str) -> None:
    problem(await kim.get(SESSIONS, params={"cursor": cursor}), 422, "INVALID_CURSOR")


async def test_a_cursor_of_no_session_is_a_place_all_the_same(kim: httpx.AsyncClient, session: Session) -> None:
    assert (await kim.get(SESSIONS, params={"cursor": "99999999999999999.zzz"})).json()["sessions"]
    assert (await kim.get(SESSIONS, params={"cursor": "0.a"})).json()["sessions"] == []


async def test_archive_and_restore(kim: httpx.AsyncClient, session: Session) -> None:
    path = f"{SESSIONS}/{session.session_id}"
    gone = {"message": "Session archived successfully", "session_id": session.session_id}
    for _ in range(2):
        answer = await kim.delete(path)
        assert (answer.status_code, answer.json()) == (200, gone)
    problem(await kim.post(f"{path}/messages", json={"content": "hi"}), 409, "SESSION_ARCHIVED")
    assert (await kim.get(path)).json()["status"] == "archived"
    restored = await kim.patch(path, json={"status": "active"})
    assert (restored.status_code, restored.json()["status"]) == (200, "active")
    assert (await kim.post(f"{path}/messages", json={"content": "hi"})).status_code == 201
    frames = (await kim.get(f"{path}/events")).json()["events"]
    assert [f["status"] for f in frames if f.get("event") == "session_updated"] == ["archived", "active"]


async def test_erasing_wants_a_yes_or_no(kim: httpx.AsyncClient, session: Session) -> None:
    answer = await kim.delete(f"{SESSIONS}/{session.session_id}?permanent=perhaps")
    assert answer.status_code == 422
    assert (await kim.get(f"{SESSIONS}/{session.session_id}")).json()["status"] == "active"


async def test_change_keeps_what_is_not_named(kim: httpx.AsyncClient, session: Session) -> None:
    path = f"{SESSIONS}/{session.session_id}"
    changed = (await kim.patch(path, json={"metadata": {"a": 1}, "queue_policy": "reject"})).json()
    assert (changed["title"], changed["metadata"], changed["queue_policy"]) == ("배송 문의", {"a": 1}, "reject")
    seq = changed["last_seq"]
    again = (await kim.patch(path, json={"metadata": {"a": 1}})).json()
    assert again["last_seq"] == seq, "a change that changes nothing leaves no trace"
    assert (await kim.patch(path, json={"title": None})).json()["title"] is None
    for body in ({}, {"status": "deleted"}, {"status": None}, {"metadata": None}, {"agent_id": 2}):
        problem(await kim.patch(path, json=body), 422, "INVALID_REQUEST")


async def test_only_the_owner_changes_a_session(
    room: ChatRoom, lee: httpx.AsyncClient, session: Session
) -> None:
    await add_person(room, session, "lee", "member")
    path = f"{SESSIONS}/{session.session_id}"
    problem(await lee.patch(path, json={"title": "mine"}), 403, "READ_ONLY")
    problem(await lee.delete(path), 403, "READ_ONLY")
    assert (await lee.get(path)).status_code == 200


async def test_the_list_is_the_callers_own(room: ChatRoom, kim: httpx.AsyncClient, session: Session) -> None:
    await make_session(room, NewSession(LEE, 1, "not kim's"))
    people = await make_session(room, NewSession(KIM, None, "사람들"))
    await post(room, say(session, "여러  줄의\n이야기"))
    page = (await kim.get(SESSIONS)).json()
    assert [line["session_id"] for line in page["sessions"]] == [session.session_id, people.session_id]
    assert (page["total"], page["has_more"]) == (2, False)
    line = page["sessions"][0]
    assert (line["agent_name"], line["last_message"], line["unread_count"]) == ("Agent 1", "여러 줄의 이야기", 0)
    assert page["sessions"][1]["agent_name"] is None


async def test_the_list_is_paged_and_filtered(room: ChatRoom, kim: httpx.AsyncClient) -> None:
    made = [await make_session(room, NewSession(KIM, 1 + k % 2, f"Title {k}")) for k in range(5)]
    await kim.delete(f"{SESSIONS}/{made[0].session_id}")

    async def ids(**query: Any) -> tuple[list[str], int, bool]:
        page = (await kim.get(SESSIONS, params=query)).json()
        return [line["title"] for line in page["sessions"]], page["total"], page["has_more"]

    assert await ids(status="archived") == (["Title 0"], 1, False)
    assert await ids(status="active", limit=2) == (["Title 4", "Title 3"], 4, True)
    assert await ids(status="active", limit=2, offset=2) == (["Title 2", "Title 1"], 4, False)
    assert await ids(offset=99) == ([], 5, False)
    assert await ids(agent_id=2) == (["Title 3", "Title 1"], 2, False)
    assert await ids(q="tITLE 3", made_up="ignored") == (["Title 3"], 1, False)
    assert await ids(q="%") == ([], 0, False)
    for query in ({"limit": 0}, {"limit": 100000}, {"offset": -1}, {"status": "gone"}, {"q": "\x00"}, {"limit": "x"}):
        problem(await kim.get(SESSIONS, params=query), 422, "INVALID_REQUEST")


async def test_unread_counts_what_others_said(room: ChatRoom, kim: httpx.AsyncClient, session: Session) -> None:
    async def unread() -> int:
        return int((await kim.get(SESSIONS)).json()["sessions"][0]["unread_count"])

    await add_person(room, session, "lee", "member")
    await post(room, say(session))
    await post(room, say(session, who=LEE))
    await Answerer(room).answer("예")
    assert await unread() == 2
    path = f"{SESSIONS}/{session.session_id}/read"
    assert (await kim.post(path, json={"seq": 4})).status_code == 204
    assert await unread() == 1
    assert (await kim.post(path, json={"seq": 2**62})).status_code == 204
    assert await unread() == 0
    assert (await kim.post(path, json={"seq": 0})).status_code == 204
    assert await unread() == 0, "a mark does not go back"
    await post(room, say(session, who=LEE))
    assert await unread() == 1, "nor past the end of the log"
    for body in ({}, {"seq": -1}, {"seq": "1"}, {"seq": 2**63}, {"seq": 1.5}, {"seq": True}):
        problem(await kim.post(path, json=body), 422, "INVALID_REQUEST")


async def test_unread_is_counted_no_further_than_a_hundred(
    room: ChatRoom, kim: httpx.AsyncClient
) -> None:
    session = await make_session(room, NewSession(KIM, None))
    await add_person(room, session, "lee", "member")
    await asyncio.gather(*(post(room, say(session, who=LEE)) for _ in range(120)))
    assert (await kim.get(SESSIONS)).json()["sessions"][0]["unread_count"] == 100


async def test_stop(room: ChatRoom, kim: httpx.AsyncClient, session: Session, answerer: Answerer) -> None:
    path = f"{SESSIONS}/{session.session_id}/stop"
    assert (await kim.post(path)).json() == {"session_id": session.session_id, "stopped": []}
    await post(room, say(session, "running"))
    await post(room, say(session, "queued"))
    turn = await answerer.claim()
    await answerer.write(turn, "half")
    stopped = await kim.post(path)
    assert stopped.status_code == 202
    assert stopped.json()["stopped"][0] == turn.turn_id
    assert await turns_of(room, session.session_id) == ["stopped", "stopped"]
    messages = (await kim.get(f"{SESSIONS}/{session.session_id}/messages")).json()["messages"]
    assert (messages[-1]["content"], messages[-1]["metadata"]["finish_reason"]) == ("half", "stopped")


async def test_a_viewer_stops_nothing(room: ChatRoom, lee: httpx.AsyncClient, session: Session) -> None:
    await add_person(room, session, "lee", "viewer")
    path = f"{SESSIONS}/{session.session_id}"
    problem(await lee.post(f"{path}/stop"), 403, "READ_ONLY")
    problem(await lee.post(f"{path}/messages", json={"content": "x"}), 403, "READ_ONLY")


async def test_idempotency_key_makes_one_session(kim: httpx.AsyncClient, lee: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "k1"}
    made = await asyncio.gather(*(kim.post(SESSIONS, json={"title": "one"}, headers=key) for _ in range(5)))
    assert {answer.status_code for answer in made} == {201}
    assert all(answer.json() == made[0].json() for answer in made)
    assert (await kim.get(SESSIONS)).json()["total"] == 1
    problem(await kim.post(SESSIONS, json={"title": "two"}, headers=key), 422, "IDEMPOTENCY_MISMATCH")
    theirs = await lee.post(SESSIONS, json={"title": "one"}, headers=key)
    assert theirs.json()["session_id"] != made[0].json()["session_id"]
    problem(await kim.post(SESSIONS, json={}, headers={"idempotency-key": "x" * 300}), 422, "INVALID_IDEMPOTENCY_KEY")


async def test_a_key_whose_request_failed_is_free(kim: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "k2"}
    problem(await kim.post(SESSIONS, json={"agent_id": 99}, headers=key), 422, "UNKNOWN_AGENT")
    assert (await kim.post(SESSIONS, json={"agent_id": 2}, headers=key)).status_code == 201
