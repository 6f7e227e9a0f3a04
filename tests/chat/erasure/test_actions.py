"""Erasing: gone for everybody at once, nowhere in the database afterwards, and finished whatever dies in between."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from websockets.asyncio.client import connect

from malgil.access.model import Caller
from malgil.chat.erasure import actions as erasure
from malgil.chat.errors import NameTaken, ReadOnly, SessionNotFound
from malgil.chat.gate import ChatGate
from malgil.chat.members import actions as members
from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, erase, post
from malgil.kit.ids import SessionId, UserId
from malgil.log.errors import Fenced
from malgil.realtime.errors import Gone
from malgil.storage.database import Database
from tests.chat.people import FAR_KIM, KIM, LEE, Answerer, add_person, eventually, log_of, make_session, say, sse
from tests.chat.served import served
from tests.chat.test_session_routes import problem
from tests.realtime.fakes import close_code, frames

SESSIONS = "/api/chat/sessions"
SECRET = "elderflower"


async def findings(database: Database, word: str) -> list[str]:
    """Every column of every table that holds the word."""
    found = []
    async with database.read() as conn:
        columns = await conn.fetch(
            "SELECT table_name AS t, column_name AS c FROM information_schema.columns "
            "WHERE table_schema = current_schema()"
        )
        for one in columns:
            sql = f'SELECT count(*) FROM "{one["t"]}" WHERE "{one["c"]}"::text ILIKE $1'
            if await conn.fetchval(sql, f"%{word}%"):
                found.append(f"{one['t']}.{one['c']}")
    return sorted(found)


async def hide(room: ChatRoom, session: Session, who: Caller = KIM) -> None:
    async with room.database.unit_of_work() as uow:
        await erasure.hide_session(uow, room.scribe, who, session.session_id)


async def somebody_waits(database: Database) -> bool:
    """Whether a transaction waits for the locks of another."""
    async with database.read() as conn:
        return bool(await conn.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ))


async def test_nothing_is_left_of_what_was_said(
    kim: httpx.AsyncClient, room: ChatRoom, answerer: Answerer
) -> None:
    made = await kim.post(
        SESSIONS, json={"title": f"{SECRET} title", "metadata": {"k": [SECRET]}}, headers={"idempotency-key": "a"}
    )
    path = f"{SESSIONS}/{made.json()['session_id']}"
    await kim.post(f"{path}/messages", json={"content": f"about {SECRET}", "client_message_id": SECRET,
                                             "metadata": {SECRET: 1}}, headers={"idempotency-key": "b"})
    turn = await answerer.claim()
    await answerer.use_tool(turn, SECRET, {"found": SECRET})
    await answerer.write(turn, f"The {SECRET} ", "is white")
    await answerer.end(turn, f"The {SECRET} is white", error={"message": SECRET})
    await kim.patch(path, json={"title": f"{SECRET} again"})
    before = await findings(room.database, SECRET)
    assert {"log_events.data", "log_deltas.content", "chat_messages.content", "idempotency_keys.body"} <= set(before)
    answer = await kim.delete(f"{path}?permanent=true")
    assert (answer.status_code, answer.json()) == (
        200, {"message": "Session erased", "session_id": made.json()["session_id"]}
    )
    assert await findings(room.database, SECRET) == []


async def test_the_log_keeps_that_it_happened(room: ChatRoom, session: Session) -> None:
    await post(room, say(session))
    head = (await log_of(room, session.session_id))[-1].seq
    await erase(room, KIM, session.session_id)
    (entry,) = await log_of(room, session.session_id)
    assert (entry.kind, entry.data, entry.actor) == ("session.erased", {"by": "kim"}, "kim")
    assert (entry.from_seq, entry.seq) == (1, head + 1)
    async with room.database.read() as conn:
        row = await conn.fetchrow("SELECT * FROM chat_sessions")
        turns = await conn.fetchval("SELECT count(*) FROM turns")
    assert row is not None
    assert (row["status"], row["title"], row["metadata"], row["last_message"], row["message_count"]) == (
        "deleted", None, {}, None, 0
    )
    assert (row["erasing"], turns) == (False, 0)


async def test_who_took_part_is_told_and_nobody_else(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, app: object, room: ChatRoom, session: Session
) -> None:
    path = f"{SESSIONS}/{session.session_id}"
    await add_person(room, session, "cho", "viewer")
    assert (await kim.delete(f"{path}?permanent=true")).status_code == 200
    for user, code in (("kim", "SESSION_ERASED"), ("cho", "SESSION_ERASED"), ("lee", "SESSION_NOT_FOUND")):
        who = {"x-user": user}
        for method, where, body in (
            ("GET", "", None), ("GET", "/messages", None), ("GET", "/events", None), ("PATCH", "", {"title": "x"}),
            ("DELETE", "", None), ("DELETE", "?permanent=true", None), ("POST", "/messages", {"content": "x"}),
            ("POST", "/read", {"seq": 1}), ("POST", "/stop", None), ("POST", "/participants", {"user_id": "x"}),
        ):
            problem(await kim.request(method, f"{path}{where}", json=body, headers=who), 404, code)
    for client in (kim, lee):
        assert (await client.get(SESSIONS)).json()["total"] == 0


async def test_who_stops_an_answer_while_it_goes_is_told_that_it_is_gone(
    kim: httpx.AsyncClient, room: ChatRoom, answerer: Answerer
) -> None:
    """Each comes before it, or finds nothing any more; and nothing is logged behind its last entry."""
    for _ in range(5):
        session = await make_session(room, NewSession(KIM, 1, queue_policy="interrupt"))
        path = f"{SESSIONS}/{session.session_id}"
        prompt = await post(room, say(session))
        await answerer.claim()
        body = {"message_id": prompt.message_id}
        erased, *others = await asyncio.gather(
            kim.delete(f"{path}?permanent=true"), kim.post(f"{path}/stop"),
            kim.delete(f"{path}/messages/{prompt.message_id}"), kim.post(f"{path}/regenerate", json=body),
            kim.post(f"{path}/messages", json={"content": "x"}), kim.post(f"{path}/stop"),
        )
        assert erased.status_code == 200
        told = {(one.status_code, one.json().get("code")) for one in others if one.status_code >= 300}
        assert told <= {(404, "SESSION_ERASED"), (404, "MESSAGE_NOT_FOUND")}
        assert [e.kind for e in await log_of(room, session.session_id)] == ["session.erased"]


@pytest.mark.parametrize(("method", "where"), [("POST", "/stop"), ("DELETE", "/messages/{}")])
async def test_stopping_waits_for_erasing_to_be_decided(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer, method: str, where: str
) -> None:
    """A stop that begins while the session is being erased, before that can be seen."""
    path = f"{SESSIONS}/{session.session_id}"
    prompt = await post(room, say(session))
    await answerer.claim()
    async with room.database.unit_of_work() as uow:
        await erasure.hide_session(uow, room.scribe, KIM, session.session_id)
        stopping = asyncio.create_task(kim.request(method, path + where.format(prompt.message_id)))
        await eventually(lambda: somebody_waits(room.database))
    problem(await stopping, 404, "SESSION_ERASED")
    assert [e.kind for e in await log_of(room, session.session_id)][-1] == "session.erased"


async def test_only_the_owner_erases(lee: httpx.AsyncClient, room: ChatRoom, session: Session) -> None:
    path = f"{SESSIONS}/{session.session_id}?permanent=true"
    problem(await lee.delete(path), 404, "SESSION_NOT_FOUND")
    await add_person(room, session, "lee", "member")
    problem(await lee.delete(path), 403, "READ_ONLY")
    with pytest.raises(SessionNotFound):
        await hide(room, session, FAR_KIM)
    assert [e.kind for e in await log_of(room, session.session_id)] == ["session.created"]


async def test_an_archived_session_too(kim: httpx.AsyncClient, session: Session) -> None:
    path = f"{SESSIONS}/{session.session_id}"
    assert (await kim.delete(path)).json()["message"] == "Session archived successfully"
    assert (await kim.delete(f"{path}?permanent=true")).json()["message"] == "Session erased"


async def test_of_many_at_once_one_erases(rooms: list[ChatRoom], session: Session) -> None:
    outcomes = await asyncio.gather(
        *(erase(rooms[k % 2], KIM, session.session_id) for k in range(6)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["Gone"] * 5 + ["NoneType"]
    assert len(await log_of(rooms[0], session.session_id)) == 1


async def test_a_chosen_name_is_never_given_again(room: ChatRoom) -> None:
    gate = ChatGate(room)
    await gate.enter(KIM, "mine")
    await erase(room, KIM, SessionId("mine"))
    with pytest.raises(Gone):
        await gate.enter(KIM, "mine")
    with pytest.raises(SessionNotFound):
        await gate.enter(LEE, "mine")
    with pytest.raises(NameTaken):
        await make_session(room, NewSession(LEE, 1, session_id=SessionId("mine")))


async def test_while_an_answer_is_made(rooms: list[ChatRoom], session: Session, answerer: Answerer) -> None:
    await post(rooms[0], say(session, "one"))
    await post(rooms[0], say(session, "two"))
    turn = await answerer.claim()
    await answerer.write(turn, "half ")
    await erase(rooms[1], KIM, session.session_id)
    async with rooms[0].database.unit_of_work() as uow:
        with pytest.raises(Fenced):
            await rooms[0].scribe.record(uow, _append(turn.session_id, turn.fence))
    with pytest.raises(Fenced):
        await answerer.end(turn, "half an answer")
    assert [e.kind for e in await log_of(rooms[0], session.session_id)] == ["session.erased"]


def _append(session_id: str, fence: int) -> object:
    from_the_room = erasure.SessionErased(by="nobody")
    return erasure.log.Append(session_id, [from_the_room], fence=fence)


async def test_a_claim_in_between_finds_nothing_to_write(
    room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await post(room, say(session))
    await hide(room, session)

    async def failed() -> bool:
        async with room.database.unit_of_work() as uow:
            await erasure.agents.claim(uow, room.scribe, owner="w", node="n", lease=30, most=1)
        async with room.database.read() as conn:
            return await conn.fetchval("SELECT status FROM turns") == "failed"

    await eventually(failed)
    await erasure.clear(room.database, session.session_id)
    assert [e.kind for e in await log_of(room, session.session_id)] == ["session.erased"]


async def test_who_waits_for_an_answer_is_told(app: object, kim: httpx.AsyncClient, room: ChatRoom) -> None:
    session = await make_session(room, NewSession(KIM, 1))
    asked = asyncio.create_task(
        kim.post("/agent/chat", json={"task": "long?", "session_id": session.session_id})
    )

    async def waits() -> bool:
        return any(e.kind == "turn.queued" for e in await log_of(room, session.session_id))

    await eventually(waits)
    await eventually(lambda: _watched(room))
    await erase(room, KIM, session.session_id)
    problem(await asked, 404, "SESSION_ERASED")


async def _watched(room: ChatRoom) -> bool:
    return room.hub.sessions > 0


async def test_streams_end_with_it(kim: httpx.AsyncClient, room: ChatRoom, session: Session) -> None:
    path = f"{SESSIONS}/{session.session_id}"
    one = asyncio.create_task(kim.get(f"{path}/events", headers={"accept": "text/event-stream"}))
    two = asyncio.create_task(kim.post(f"{path}/messages/stream", json={"content": "and?"}))
    await eventually(lambda: _watched(room))

    async def posted() -> bool:
        return len(await log_of(room, session.session_id)) == 3

    await eventually(posted)
    await asyncio.sleep(0.1)
    await erase(room, KIM, session.session_id)
    async with asyncio.timeout(10):
        events, answer = await one, await two
    assert sse(events)[-1][2]["event"] == "session_erased"
    assert all(data["type"] != "system" for _, _, data in sse(answer))


async def test_sockets_end_on_every_replica_and_never_open_again(rooms: list[ChatRoom], session: Session) -> None:
    for k in range(30):
        await post(rooms[0], say(session, f"m{k}"))
    await add_person(rooms[0], session, "lee", "member")
    async with served(rooms[0]) as near, served(rooms[1]) as far:
        urls = [f"ws://{near}/ws/{session.session_id}?token=kim", f"ws://{far}/ws/{session.session_id}?token=lee"]
        async with connect(urls[0]) as one, connect(f"{urls[1]}&after=start") as two:
            await frames(one, "connected")
            await frames(two, "live")
            await erase(rooms[0], KIM, session.session_id)
            for client in (one, two):
                last = (await frames(client, 1))[-1]
                assert (last["event"], last["user_id"], last["from_seq"]) == ("session_erased", "kim", 1)
                assert await close_code(client) == 4410
        for url in urls:
            async with connect(url) as again:
                assert await close_code(again) == 4410
        async with connect(f"ws://{far}/ws/{session.session_id}?token=cho") as stranger:
            assert await close_code(stranger) == 4404


async def test_a_replay_under_way_ends(rooms: list[ChatRoom], session: Session) -> None:
    for _ in range(400):
        await post(rooms[0], say(session, "x" * 2000))
    async with served(rooms[1]) as far:
        url = f"ws://{far}/ws/{session.session_id}?token=kim&after=start"
        async with connect(url, max_queue=1) as slow:
            await frames(slow, "connected")
            await erase(rooms[0], KIM, session.session_id)
            seen = await _drain(slow)
            assert seen[-1]["event"] == "session_erased"
            assert slow.close_code == 4410


async def _drain(client: object) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    async with asyncio.timeout(20):
        while not found or found[-1].get("event") != "session_erased":
            found += await frames(client, 1)
        await close_code(client)
    return found


async def test_what_a_dead_process_left_is_finished(room: ChatRoom, session: Session) -> None:
    await post(room, say(session, SECRET))
    await hide(room, session)
    with pytest.raises(Gone):
        await post(room, say(session, "more"))
    assert "chat_messages.content" in await findings(room.database, SECRET)
    assert await erasure.finish(room.database) == 1
    assert await findings(room.database, SECRET) == []
    assert await erasure.finish(room.database) == 0


async def test_posting_at_that_moment_is_before_or_refused(rooms: list[ChatRoom], session: Session) -> None:
    posts = [post(rooms[k % 2], say(session, f"{SECRET} {k}")) for k in range(30)]
    *outcomes, _ = await asyncio.gather(*posts, erase(rooms[1], KIM, session.session_id), return_exceptions=True)
    assert {type(one).__name__ for one in outcomes} <= {"Posted", "Gone"}
    assert await findings(rooms[0].database, SECRET) == []
    assert len(await log_of(rooms[0], session.session_id)) == 1


async def test_who_left_before_is_a_stranger(room: ChatRoom, session: Session) -> None:
    await add_person(room, session, "lee", "member")
    async with room.database.unit_of_work() as uow:
        await members.remove_participant(uow, room.scribe, LEE, session.session_id, "lee")
    await erase(room, KIM, session.session_id)
    with pytest.raises(SessionNotFound):
        await erase(room, replace(KIM, user_id=UserId("lee")), session.session_id)


async def test_a_viewer_erases_nothing(room: ChatRoom, session: Session) -> None:
    await add_person(room, session, "lee", "viewer")
    with pytest.raises(ReadOnly):
        await erase(room, LEE, session.session_id)
