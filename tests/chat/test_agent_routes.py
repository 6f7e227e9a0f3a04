"""`/agent/chat` and `/agent/chat/stream`: for who only wants an answer."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from malgil.app.problems import install
from malgil.chat.files.shelf import Shelf
from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom
from malgil.chat.routes import build_router
from malgil.chat.settings import ChatSettings
from tests.chat.people import DEV, KIM, Answerer, authenticate, make_session, sse, stop_when_asked, turns_of
from tests.chat.test_session_routes import problem

CHAT = "/agent/chat"
STREAM = "/agent/chat/stream"


async def test_an_answer_is_waited_for(kim: httpx.AsyncClient, answerer: Answerer) -> None:
    asking = asyncio.create_task(kim.post(CHAT, json={"task": "주문 상태 확인"}))
    turn = await answerer.claim()
    await answerer.use_tool(turn, "list_orders", {"orders": []})
    await answerer.write(turn, "주문이 ", "없습니다.")
    await answerer.end(turn, "주문이 없습니다.")
    answer = await asking
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("latency_ms") >= 0
    assert body == {
        "session_id": turn.session_id, "message_id": turn.answer_id, "content": "주문이 없습니다.",
        "tool_calls": [
            {"call_id": "call_1", "name": "list_orders", "arguments": {"n": 1}, "result": {"orders": []}}
        ],
        "tokens_used": 7, "finish_reason": "stop",
    }
    session = (await kim.get(f"/api/chat/sessions/{turn.session_id}")).json()
    assert (session["title"], session["user_id"], session["message_count"]) == ("주문 상태 확인", "kim", 2)


async def test_in_a_session_that_exists(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, session: Session, answerer: Answerer
) -> None:
    asking = asyncio.create_task(kim.post(CHAT, json={"task": "또", "session_id": session.session_id, "agent_id": 1}))
    await answerer.answer("네")
    assert (await asking).json()["session_id"] == session.session_id
    problem(await lee.post(CHAT, json={"task": "x", "session_id": session.session_id}), 404, "SESSION_NOT_FOUND")
    problem(await kim.post(CHAT, json={"task": "x", "session_id": "a\x00"}), 404, "SESSION_NOT_FOUND")
    other = {"task": "x", "session_id": session.session_id, "agent_id": 2}
    problem(await kim.post(CHAT, json=other), 422, "OTHER_AGENT")


async def test_in_development_a_guest_plays_the_customer(
    kim: httpx.AsyncClient, room: ChatRoom, answerer: Answerer
) -> None:
    guest = {"x-user": "guest"}
    asking = asyncio.create_task(kim.post(CHAT, json={"task": "주문", "user_id": 123}, headers=guest))
    turn = await answerer.answer("네")
    assert turn.user_id == "123"
    assert (await asking).status_code == 200
    # In the guest's own session too: the connection is let in, the customer speaks.
    session = await make_session(room, NewSession(DEV, 1))
    body = {"task": "주문", "user_id": 123, "session_id": session.session_id}
    asking = asyncio.create_task(kim.post(CHAT, json=body, headers=guest))
    assert (await answerer.answer("네")).user_id == "123"
    assert (await asking).status_code == 200
    problem(await kim.post(CHAT, json={"task": "x", "user_id": 123}), 403, "NOT_YOU")


@pytest.mark.parametrize("body", [
    {}, {"task": ""}, {"task": "  "}, {"task": "x", "agent_id": "one"}, {"task": "x", "more": 1}, {"task": ["x"]},
    {"task": "x" * 32_769}, {"task": "x", "user_id": 1.5}, {"task": "x", "session_id": "y" * 65},
])
async def test_what_nobody_can_ask(kim: httpx.AsyncClient, body: dict[str, Any]) -> None:
    problem(await kim.post(CHAT, json=body), 422, "INVALID_REQUEST")


async def test_nobody_of_that_number(kim: httpx.AsyncClient) -> None:
    problem(await kim.post(CHAT, json={"task": "x", "agent_id": 77}), 422, "UNKNOWN_AGENT")
    problem(await kim.get(STREAM, params={"task": "x", "agent_id": 77}), 422, "UNKNOWN_AGENT")
    assert (await kim.get("/api/chat/sessions")).json()["total"] == 0


async def test_a_failed_answer_is_a_problem(kim: httpx.AsyncClient, answerer: Answerer) -> None:
    asking = asyncio.create_task(kim.post(CHAT, json={"task": "x"}))
    turn = await answerer.claim()
    await answerer.end(turn, "", "failed", error={"code": "AGENT_UNAVAILABLE", "message": "The model is away."})
    answer = await asking
    assert problem(answer, 503, "AGENT_UNAVAILABLE")["detail"] == "The model is away."
    assert answer.headers["retry-after"]


async def test_an_answer_that_takes_too_long_can_be_fetched_later(
    room: ChatRoom, shelf: Shelf, answerer: Answerer
) -> None:
    app = FastAPI()
    install(app)
    hasty = replace(room, settings=ChatSettings(answer_wait=0.05))
    app.include_router(build_router(hasty, authenticate, shelf))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers={"x-user": "kim"}) as client:
        body = problem(await client.post(CHAT, json={"task": "x"}), 503, "ANSWER_PENDING")
        named = {fault["field"]: fault["message"] for fault in body["errors"]}
        turn = await answerer.answer("늦은 답")
        assert named == {"session_id": turn.session_id, "message_id": turn.answer_id}
        page = (await client.get(f"/api/chat/sessions/{named['session_id']}/messages")).json()
        assert page["messages"][-1]["message_id"] == named["message_id"]


async def test_a_question_that_is_taken_back(kim: httpx.AsyncClient, session: Session) -> None:
    asking = asyncio.create_task(kim.post(CHAT, json={"task": "x", "session_id": session.session_id}))
    await stop_when_asked(kim, session)
    problem(await asking, 409, "TURN_STOPPED")


async def test_idempotency_key_asks_once(kim: httpx.AsyncClient, room: ChatRoom, answerer: Answerer) -> None:
    key = {"idempotency-key": "ask"}
    both = [asyncio.create_task(kim.post(CHAT, json={"task": "한 번"}, headers=key)) for _ in range(3)]
    turn = await answerer.answer("한 번")
    answers = [answer.json() for answer in await asyncio.gather(*both)]
    assert answers == [answers[0]] * 3
    assert await turns_of(room, turn.session_id) == ["completed"]
    assert (await kim.get("/api/chat/sessions")).json()["total"] == 1
    problem(await kim.post(CHAT, json={"task": "두 번"}, headers=key), 422, "IDEMPOTENCY_MISMATCH")


async def test_the_stream_names_its_events(kim: httpx.AsyncClient, answerer: Answerer) -> None:
    asking = asyncio.create_task(kim.get(STREAM, params={"task": "주문 상태 확인"}))
    turn = await answerer.claim()
    await answerer.use_tool(turn, "list_orders", {"orders": []})
    await answerer.write(turn, "주문이 ", "없습니다.")
    await answerer.end(turn, "주문이 없습니다.")
    answer = await asking
    assert answer.headers["cache-control"].startswith("no-cache")
    assert answer.headers["x-accel-buffering"] == "no"
    events = sse(answer)
    assert [name for _, name, _ in events] == ["start", "tool", "tool", "message", "message", "done"]
    face = {"session_id": turn.session_id, "message_id": turn.answer_id}
    assert events[0][2] == {"status": "started"} | face
    assert [d["state"] for _, name, d in events if name == "tool"] == ["started", "finished"]
    assert "".join(d["content"] for _, name, d in events if name == "message") == "주문이 없습니다."
    done = events[-1][2]
    assert done.pop("latency_ms") >= 0
    assert done == {"status": "completed", "tokens_used": 7, "finish_reason": "stop"} | face


async def test_an_event_source_that_comes_back_does_not_ask_again(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, answerer: Answerer
) -> None:
    question = {"task": "한 번만"}
    asking = asyncio.create_task(kim.get(STREAM, params=question))
    await answerer.answer("하나 ", "둘")
    answer = await asking
    events = sse(answer)
    first_id = next(line for line in answer.text.split("\n") if line.startswith("id: "))[4:]
    for seen, rest in [(first_id, events), *((events[k][0], events[k + 1 :]) for k in range(len(events) - 1))]:
        assert sse(await kim.get(STREAM, params=question, headers={"last-event-id": seen or ""})) == rest
    last = {"last-event-id": events[-1][0] or ""}
    assert (await kim.get(STREAM, params=question, headers=last)).status_code == 204
    assert (await kim.get("/api/chat/sessions")).json()["total"] == 1
    problem(await lee.get(STREAM, params=question, headers=last), 404, "SESSION_NOT_FOUND")
    for bad in ("nonsense", "abcd.3", "abcd.3@turn_nowhere", "@", f"x.1@{first_id}", "1@\x7f"):
        problem(await kim.get(STREAM, params=question, headers={"last-event-id": bad}), 422, "INVALID_CURSOR")


async def test_a_stream_whose_turn_fails_ends_with_an_error(
    kim: httpx.AsyncClient, session: Session, answerer: Answerer
) -> None:
    question = {"task": "x", "session_id": session.session_id}
    asking = asyncio.create_task(kim.get(STREAM, params=question))
    turn = await answerer.claim()
    await answerer.write(turn, "반쯤")
    await answerer.end(turn, "반쯤", "failed", error={"code": "AGENT_UNAVAILABLE", "message": "away"})
    events = sse(await asking)
    assert [name for _, name, _ in events] == ["start", "message", "error"]
    assert (events[-1][2]["code"], events[-1][2]["message"]) == ("AGENT_UNAVAILABLE", "away")
    asking = asyncio.create_task(kim.get(STREAM, params=question))
    await stop_when_asked(kim, session)
    assert [(name, d["code"]) for _, name, d in sse(await asking)] == [("error", "TURN_STOPPED")]


async def test_a_stopped_answer_is_done_and_says_so(
    kim: httpx.AsyncClient, session: Session, answerer: Answerer
) -> None:
    asking = asyncio.create_task(kim.get(STREAM, params={"task": "x", "session_id": session.session_id}))
    turn = await answerer.claim()
    await answerer.write(turn, "반쯤")
    await kim.post(f"/api/chat/sessions/{session.session_id}/stop")
    name, data = sse(await asking)[-1][1:]
    assert (name, data["status"], data["finish_reason"]) == ("done", "stopped", "stopped")


@pytest.mark.parametrize("query", [{}, {"task": " "}, {"task": "\x00"}, {"task": "x", "agent_id": "one"}])
async def test_what_no_stream_can_be_asked(kim: httpx.AsyncClient, query: dict[str, Any]) -> None:
    problem(await kim.get(STREAM, params=query), 422, "INVALID_REQUEST")


async def test_the_description_is_complete(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    operations = {
        (verb, path): operation for path, verbs in paths.items() for verb, operation in verbs.items()
    }
    for (verb, path), operation in operations.items():
        assert operation["summary"], path
        assert "401" in operation["responses"], path
        assert ("requestBody" in operation) == (verb in ("post", "patch") and not path.endswith("/stop")), path
        named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert ("session_id" in named) == ("{session_id}" in path), path
    streams = {
        path for (_, path), operation in operations.items()
        if any("text/event-stream" in answer.get("content", {}) for answer in operation["responses"].values())
    }
    assert {path.rsplit("/", 1)[1] for path in streams} == {"stream", "events"}
    body = operations["post", "/agent/chat"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["additionalProperties"] is False


async def test_kim_in_another_tenant_is_somebody_else(room: ChatRoom, shelf: Shelf, session: Session) -> None:
    async def elsewhere(_request: Any) -> Any:
        return replace(KIM, tenant="elsewhere")

    app = FastAPI()
    install(app)
    app.include_router(build_router(room, elsewhere, shelf))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        path = f"/api/chat/sessions/{session.session_id}"
        problem(await client.get(path), 404, "SESSION_NOT_FOUND")
        problem(await client.get(f"{path}/messages"), 404, "SESSION_NOT_FOUND")
        problem(await client.post(f"{path}/messages", json={"content": "x"}), 404, "SESSION_NOT_FOUND")
        assert (await client.get("/api/chat/sessions")).json()["total"] == 0
