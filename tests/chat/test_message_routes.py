"""Messages over HTTP: post, list, page, and the session's log."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, post
from tests.chat.people import KIM, Answerer, make_session, say, sse, stop_when_asked
from tests.chat.test_session_routes import problem


def under(session: Session, rest: str = "messages") -> str:
    return f"/api/chat/sessions/{session.session_id}/{rest}"


async def test_a_message_is_posted_and_listed(kim: httpx.AsyncClient, session: Session) -> None:
    answer = await kim.post(under(session), json={"content": "제품 교환 문의입니다.", "metadata": {"a": [1, None]}})
    assert answer.status_code == 201
    sent = answer.json()
    assert sent.keys() == {"message_id", "seq", "status", "created_at"}
    assert (sent["status"], sent["seq"]) == ("sent", 2)
    page = (await kim.get(under(session))).json()
    assert page == {
        "messages": [{
            "message_id": sent["message_id"], "seq": 2, "sender_type": "user", "sender_id": "kim",
            "message_type": "text", "content": "제품 교환 문의입니다.", "metadata": {"a": [1, None]},
            "tokens_used": None, "latency_ms": None, "is_edited": False, "created_at": sent["created_at"],
            "reply_to": None, "superseded_by": None, "edited_at": None,
        }],
        "has_more": False, "total": 1,
    }


@pytest.mark.parametrize("content", [
    "😀" * 10_000, "مرحبا بالعالم \u202eabc\u202c", "x" * 32_768, "  앞뒤 공백  ", "\u2028\ufffe\u0001",
    "👨\u200d👩\u200d👧\u200d👦é",
])
async def test_any_text_comes_back_as_it_was(kim: httpx.AsyncClient, session: Session, content: str) -> None:
    assert (await kim.post(under(session), json={"content": content})).status_code == 201
    assert (await kim.get(under(session))).json()["messages"][0]["content"] == content
    frame = (await kim.get(under(session, "events"))).json()["events"][1]
    assert (frame["type"], frame["content"]) == ("message", content)


@pytest.mark.parametrize(("body", "field"), [
    ({}, "body.content"), ({"content": ""}, "body.content"), ({"content": " \n\t　"}, "body.content"),
    ({"content": "x" * 32_769}, "body.content"), ({"content": "a\x00b"}, "body.content"),
    ({"content": 7}, "body.content"), ({"content": None}, "body.content"),
    ({"content": "x", "message_type": "nonsense"}, "body.message_type"),
    ({"content": "x", "message_type": "system"}, "body.message_type"),
    ({"content": "x", "metadata": {"k": "v" * 16_384}}, "body.metadata"),
    ({"content": "x", "metadata": {"k": "a\x00"}}, "body.metadata"),
    ({"content": "x", "client_message_id": ""}, "body.client_message_id"),
    ({"content": "x", "client_message_id": "c" * 129}, "body.client_message_id"),
    ({"content": "x", "stream": True}, "body.stream"), ({"content": "x", "sender_id": "lee"}, "body.sender_id"),
])
async def test_what_no_message_can_be(
    kim: httpx.AsyncClient, session: Session, body: dict[str, Any], field: str
) -> None:
    problem_ = problem(await kim.post(under(session), json=body), 422, "INVALID_REQUEST")
    assert problem_["errors"][0]["field"].startswith(field)
    assert (await kim.get(under(session))).json()["total"] == 0


@pytest.mark.parametrize("body", [b"{broken", b'{"content":"\\ud83d"}', b'{"content":"\xed\xa0\x80"}', b"[" * 100_000])
async def test_bodies_that_are_not_json(kim: httpx.AsyncClient, session: Session, body: bytes) -> None:
    answer = await kim.post(under(session), content=body, headers={"content-type": "application/json"})
    problem(answer, 422, "MALFORMED_JSON")


async def test_numbers_that_no_database_holds(kim: httpx.AsyncClient, session: Session) -> None:
    body = b'{"content":"x","metadata":{"big":123456789012345678901234567890,"huge":1e999,"tiny":1e-999}}'
    answer = await kim.post(under(session), content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (201, 422)
    assert (await kim.get(under(session))).status_code == 200


async def test_eight_at_once_are_one(kim: httpx.AsyncClient, session: Session) -> None:
    body = {"content": "한 번만", "client_message_id": "once"}
    answers = await asyncio.gather(*(kim.post(under(session), json=body) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (await kim.get(under(session))).json()["total"] == 1


async def test_idempotency_key_makes_one_message(kim: httpx.AsyncClient, session: Session) -> None:
    key = {"idempotency-key": "m1"}
    sends = [kim.post(under(session), json={"content": "한 번"}, headers=key) for _ in range(5)]
    assert len({answer.content for answer in await asyncio.gather(*sends)}) == 1
    problem(await kim.post(under(session), json={"content": "두 번"}, headers=key), 422, "IDEMPOTENCY_MISMATCH")
    assert (await kim.get(under(session))).json()["total"] == 1


async def test_pages(room: ChatRoom, kim: httpx.AsyncClient) -> None:
    session = await make_session(room, NewSession(KIM, None))
    posted = [await post(room, say(session, str(k))) for k in range(10)]

    async def page(**query: Any) -> tuple[str, bool]:
        body = (await kim.get(under(session), params=query)).json()
        assert body["total"] == 10
        return "".join(m["content"] for m in body["messages"]), body["has_more"]

    assert await page() == ("0123456789", False)
    assert await page(limit=3) == ("789", True), "without a mark the newest, oldest first"
    for mark in (posted[7].seq, posted[7].message_id, posted[7].created_at.isoformat()):
        assert await page(limit=3, before=mark) == ("456", True)
        assert await page(limit=2, after=mark) == ("89", False)
        assert await page(limit=1, after=mark) == ("8", True)
    assert await page(limit=3, before=posted[3].seq) == ("012", False)
    assert await page(after=posted[2].seq, before=posted[6].seq) == ("345", False)
    assert await page(after=posted[2].seq, before=posted[6].seq, limit=2) == ("34", True)
    assert await page(before=1) == ("", False)
    assert await page(after=10**17) == ("", False)
    assert await page(before="2000-01-01T00:00:00Z") == ("", False)
    assert await page(after="2000-01-01T09:00:00+09:00", limit=2) == ("01", True)
    assert await page(after="2999-01-01T00:00:00Z") == ("", False)
    assert await page(before="2999-01-01T00:00:00Z", limit=2) == ("89", True)
    # A plus sign that was not escaped arrives as a space.
    answer = await kim.get(f"{under(session)}?after=2000-01-01T09:00:00+09:00&limit=1")
    assert answer.json()["messages"][0]["content"] == "0"


@pytest.mark.parametrize("query", [
    {"limit": 0}, {"limit": 201}, {"limit": 100000}, {"limit": "ten"}, {"before": "yesterday"}, {"after": "msg_none"},
    {"after": ""}, {"after": "a\x00"}, {"before": "9" * 30}, {"before": "2026-01-01T00:00:00"}, {"before": "-1"},
])
async def test_marks_that_mean_nothing(kim: httpx.AsyncClient, session: Session, query: dict[str, Any]) -> None:
    answer = await kim.get(under(session), params=query)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].startswith("query.")


async def test_another_sessions_message_is_no_mark(room: ChatRoom, kim: httpx.AsyncClient, session: Session) -> None:
    other = await make_session(room, NewSession(KIM, 1))
    posted = await post(room, say(other))
    problem(await kim.get(under(session), params={"after": posted.message_id}), 422, "INVALID_MARK")


async def test_the_log_as_pages(
    kim: httpx.AsyncClient, session: Session, answerer: Answerer, room: ChatRoom
) -> None:
    await post(room, say(session, client_message_id="c1"))
    await answerer.answer("안녕", "하세요")
    seen: list[dict[str, Any]] = []
    after = "start"
    while True:
        page = (await kim.get(under(session, "events"), params={"after": after, "limit": 3})).json()
        seen += page["events"]
        after = page["cursor"]
        if not page["has_more"]:
            break
    assert [f["type"] for f in seen] == [
        "system", "message", "turn", "stream_start", "stream_chunk", "stream_chunk", "stream_end",
    ]
    assert [f["seq"] for f in seen] == list(range(1, 8))
    assert seen[-1]["cursor"] == after
    assert seen[1]["client_message_id"] == "c1"
    rest = (await kim.get(under(session, "events"), params={"after": 6})).json()
    assert [f["type"] for f in rest["events"]] == ["stream_end"]
    last = (await kim.get(under(session, "events"), headers={"last-event-id": after})).json()
    assert last == {"events": [], "cursor": after, "has_more": False}


async def test_cursors_that_mean_nothing(kim: httpx.AsyncClient, session: Session) -> None:
    path = under(session, "events")
    problem(await kim.get(path, params={"after": "nowhere"}), 422, "INVALID_CURSOR")
    problem(await kim.get(path, params={"after": "other.1"}), 409, "EPOCH_CHANGED")
    problem(await kim.get(path, params={"after": "99"}), 409, "EPOCH_CHANGED")
    problem(await kim.get(path, params={"limit": 501}), 422, "INVALID_REQUEST")


async def test_message_stream(
    kim: httpx.AsyncClient, session: Session, answerer: Answerer, room: ChatRoom
) -> None:
    earlier = await post(room, say(session, "earlier"))
    body = {"content": "자세히", "stream": True, "client_message_id": "s1"}
    asking = asyncio.create_task(kim.post(under(session, "messages/stream"), json=body))
    await answerer.answer("먼저 ", "온 답")
    turn = await answerer.answer("자세한 ", "답")
    answer = await asking
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    events = sse(answer)
    assert [d["type"] for _, _, d in events] == ["stream_start", "stream_chunk", "stream_chunk", "stream_end"]
    assert {d["message_id"] for _, _, d in events} == {turn.answer_id}
    assert all(name is None and ident == d["cursor"] for ident, name, d in events)
    assert earlier.seq < events[0][2]["seq"]
    # The same message again: the same answer, whole or from where the client was, or nothing any more.
    again = await kim.post(under(session, "messages/stream"), json=body)
    assert sse(again) == events
    rest = await kim.post(
        under(session, "messages/stream"), json=body, headers={"last-event-id": events[1][0] or ""}
    )
    assert sse(rest) == events[2:]
    done = await kim.post(
        under(session, "messages/stream"), json=body, headers={"last-event-id": events[-1][0] or ""}
    )
    assert (done.status_code, done.content) == (204, b"")
    problem(
        await kim.post(under(session, "messages/stream"), json=body, headers={"last-event-id": "x"}), 422,
        "INVALID_CURSOR",
    )
    assert (await kim.get(under(session))).json()["total"] == 4


async def test_message_stream_by_idempotency_key(
    kim: httpx.AsyncClient, session: Session, answerer: Answerer
) -> None:
    key = {"idempotency-key": "stream"}
    both = [
        asyncio.create_task(kim.post(under(session, "messages/stream"), json={"content": "한 번"}, headers=key))
        for _ in range(2)
    ]
    await answerer.answer("답")
    first, second = await asyncio.gather(*both)
    assert sse(first) == sse(second) != []


async def test_a_turn_that_never_starts_ends_its_stream(kim: httpx.AsyncClient, session: Session) -> None:
    asking = asyncio.create_task(kim.post(under(session, "messages/stream"), json={"content": "잠깐"}))
    await stop_when_asked(kim, session)
    events = sse(await asking)
    assert [(d["type"], d["state"]) for _, _, d in events] == [("turn", "stopped")]


async def test_nobody_streams_where_nobody_answers(room: ChatRoom, kim: httpx.AsyncClient) -> None:
    session = await make_session(room, NewSession(KIM, None))
    problem(await kim.post(under(session, "messages/stream"), json={"content": "여보세요"}), 422, "NO_AGENT")
    problem(
        await kim.post(under(session, "messages/stream"), json={"content": "x", "stream": False}), 422,
        "INVALID_REQUEST",
    )


async def test_the_session_as_an_endless_stream(app: Any, room: ChatRoom, session: Session) -> None:
    sent: list[bytes] = []
    moved, gone = asyncio.Event(), asyncio.Event()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": under(session, "events"), "raw_path": b"", "query_string": b"", "root_path": "",
        "headers": [(b"x-user", b"kim"), (b"accept", b"text/event-stream")], "server": ("test", 80),
        "client": ("test", 1),
    }

    async def receive() -> dict[str, Any]:
        if not scope.get("begun"):
            scope["begun"] = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("body", b""))
        moved.set()

    async def until(part: bytes) -> None:
        async with asyncio.timeout(5):
            while part not in b"".join(sent):
                moved.clear()
                await moved.wait()

    serving = asyncio.create_task(app(scope, receive, send))
    await until(b"retry: ")
    posted = await post(room, say(session, "지금"))
    await until(b'"state":"queued"')
    gone.set()
    async with asyncio.timeout(5):
        await serving
    events = [block for block in b"".join(sent).decode().split("\n\n") if "data: " in block]
    frames = [json.loads(block.split("data: ", 1)[1]) for block in events]
    assert [(f["type"], f["seq"]) for f in frames] == [("message", posted.seq), ("turn", posted.seq + 1)]
    assert room.hub.sessions == 0
