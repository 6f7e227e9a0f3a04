"""The gate: what WebSocket connections may do in a session."""

import asyncio
from dataclasses import replace
from typing import ClassVar

import pytest

from malgil.access.model import Caller
from malgil.chat import actions
from malgil.chat.errors import AgentBusy, ComesLater, ReadOnly, SessionArchived, SessionNotFound
from malgil.chat.gate import ChatGate
from malgil.chat.model import Face, NewSession, Session, client_may_choose
from malgil.chat.room import ChatRoom, post
from malgil.kit.errors import Forbidden, Invalid, RateLimited
from malgil.kit.ids import UserId
from malgil.log import actions as log
from malgil.realtime.throttle import CREATE
from tests.chat.people import DEV, FAR_KIM, KIM, LEE, Answerer, add_person, log_of, make_session, say, turns_of

CHOSEN = "test-session-1"


async def test_a_chosen_name_makes_the_callers_session(gate: ChatGate, room: ChatRoom) -> None:
    entered = await gate.enter(KIM, CHOSEN)
    assert (entered.session_id, entered.read_only) == (CHOSEN, False)
    await gate.enter(KIM, CHOSEN)
    entries = await log_of(room, CHOSEN)
    assert [(e.kind, e.data["owner_id"], e.data["agent_id"]) for e in entries] == [("session.created", "kim", 1)]
    for stranger in (LEE, FAR_KIM):
        with pytest.raises(SessionNotFound):
            await gate.enter(stranger, CHOSEN)


async def test_what_is_made_by_connecting_is_counted(room: ChatRoom) -> None:
    class Once:
        """Allows one session."""

        asked: ClassVar[list[tuple[str, str]]] = []

        async def allow(self, caller: Caller, connection_id: str, kind: str) -> float | None:
            self.asked.append((caller.user_id, kind))
            return None if len(self.asked) == 1 else 7.0

    gate = ChatGate(room, Once())
    for _ in range(3):
        await gate.enter(KIM, CHOSEN)
    with pytest.raises(RateLimited) as refused:
        await gate.enter(KIM, "another")
    assert refused.value.retry_after == 7.0
    with pytest.raises(SessionNotFound):
        await gate.enter(KIM, "sess_nowhere")
    assert Once.asked == [("kim", CREATE)] * 2
    assert await log_of(room, "another") == []


async def test_ten_at_once_make_one_session(rooms: list[ChatRoom]) -> None:
    gates = [ChatGate(room) for room in rooms]
    await asyncio.gather(*(gates[k % 2].enter(KIM, CHOSEN) for k in range(10)))
    assert len(await log_of(rooms[0], CHOSEN)) == 1


async def test_of_two_users_at_once_one_gets_the_name(rooms: list[ChatRoom]) -> None:
    outcomes = await asyncio.gather(
        *(ChatGate(room).enter(who, CHOSEN) for room, who in zip(rooms, (KIM, LEE), strict=True)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["Entered", "SessionNotFound"]


@pytest.mark.parametrize("name", [
    "sess_nowhere", "", "a b", "x" * 65, "a\x00", "한글", "a/b", "run_01kb2q8w0f3v9xk7n5t1m4c6ze",
])
async def test_names_that_nobody_may_choose(gate: ChatGate, room: ChatRoom, name: str) -> None:
    with pytest.raises(SessionNotFound):
        await gate.enter(KIM, name)
    assert not client_may_choose(name)


async def test_a_name_that_another_log_has_is_taken(gate: ChatGate, room: ChatRoom) -> None:
    async with room.database.unit_of_work() as uow:
        await log.create_stream(uow, "refund", aggregate="Workflow", tenant=KIM.tenant)
    with pytest.raises(SessionNotFound):
        await gate.enter(KIM, "refund")


async def test_a_message_is_acknowledged_when_it_has_an_id(gate: ChatGate, room: ChatRoom, session: Session) -> None:
    frame = {"type": "message", "content": "안녕", "client_message_id": "c1", "timestamp": 1700000000.5}
    (ack,) = await gate.receive(KIM, session.session_id, frame)
    (again,) = await gate.receive(KIM, session.session_id, frame)
    assert ack | {"duplicate": True} == again
    entries = await log_of(room, session.session_id)
    assert ack == {"type": "ack", "client_message_id": "c1", "message_id": entries[1].data["message_id"],
                   "seq": 2, "duplicate": False}
    assert entries[1].data["client_time"] == 1700000000.5
    assert await gate.receive(KIM, session.session_id, {"type": "message", "task": "주문", "timestamp": "now"}) == []


async def test_a_task_may_name_its_user_in_development_only(gate: ChatGate, room: ChatRoom) -> None:
    await gate.enter(DEV, "session123")
    await gate.receive(DEV, "session123", {"type": "message", "task": "주문 상태 확인", "user_id": 123})
    entries = await log_of(room, "session123")
    assert (entries[1].data["sender_id"], entries[2].data["user_id"]) == ("123", "123")
    await gate.enter(KIM, CHOSEN)
    with pytest.raises(Forbidden):
        await gate.receive(KIM, CHOSEN, {"type": "message", "task": "주문", "user_id": 123})


@pytest.mark.parametrize("frame", [
    {"content": ""}, {"content": "  "}, {"content": "x" * 32_769}, {"content": "a\x00"}, {"content": "x", "task": "y"},
    {}, {"content": "x", "client_message_id": "c" * 129}, {"content": "x", "colour": "red"}, {"task": None},
])
async def test_messages_that_say_nothing(
    gate: ChatGate, room: ChatRoom, session: Session, frame: dict[str, object]
) -> None:
    with pytest.raises(Invalid) as caught:
        await gate.receive(KIM, session.session_id, {"type": "message", **frame})
    assert "frame" in caught.value.detail
    assert len(await log_of(room, session.session_id)) == 1


async def test_who_may_only_read(gate: ChatGate, room: ChatRoom, session: Session) -> None:
    await add_person(room, session, "viewer", "viewer")
    viewer = replace(KIM, user_id=UserId("viewer"))
    assert (await gate.enter(viewer, session.session_id)).read_only
    for frame in ({"type": "message", "content": "x"}, {"type": "stop"}):
        with pytest.raises(ReadOnly):
            await gate.receive(viewer, session.session_id, frame)
    assert await gate.receive(viewer, session.session_id, {"type": "read", "seq": 1}) == []


async def test_refusals(gate: ChatGate, room: ChatRoom, session: Session) -> None:
    for frame in ({"type": "message", "content": "x"}, {"type": "stop"}, {"type": "read", "seq": 1}):
        with pytest.raises(SessionNotFound):
            await gate.receive(LEE, session.session_id, frame)
    for kind in ("tool_result", "approve"):
        with pytest.raises(ComesLater):
            await gate.receive(KIM, session.session_id, {"type": kind})
    busy = await make_session(room, NewSession(KIM, 1, queue_policy="reject"))
    await gate.receive(KIM, busy.session_id, {"type": "message", "content": "x"})
    with pytest.raises(AgentBusy):
        await gate.receive(KIM, busy.session_id, {"type": "message", "content": "x"})
    async with room.database.unit_of_work() as uow:
        await actions.update_session(uow, room.scribe, KIM, session.session_id, Face(status="archived"))
    assert not (await gate.enter(KIM, session.session_id)).read_only
    with pytest.raises(SessionArchived):
        await gate.receive(KIM, session.session_id, {"type": "message", "content": "x"})


async def test_stop_and_read(gate: ChatGate, room: ChatRoom, session: Session) -> None:
    await gate.receive(KIM, session.session_id, {"type": "message", "content": "x"})
    assert await gate.receive(KIM, session.session_id, {"type": "stop"}) == []
    assert await turns_of(room, session.session_id) == ["stopped"]
    await gate.receive(KIM, session.session_id, {"type": "read", "seq": 3})
    async with room.database.read() as conn:
        mark = await conn.fetchval("SELECT read_seq FROM chat_participants WHERE session_id = $1", session.session_id)
    assert mark == 3


async def test_a_snapshot_is_one_moment(
    gate: ChatGate, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await post(room, say(session, "첫째"))
    await answerer.answer("답")
    await post(room, say(session, "둘째"))
    turn = await answerer.claim()
    await answerer.write(turn, "쓰는 ", "중")
    shot = await gate.snapshot(KIM, session.session_id)
    assert shot.cursor.seq == (await log_of(room, session.session_id))[-1].seq
    assert [m["content"] for m in shot.messages] == ["첫째", "답", "둘째"]
    assert shot.partial == {"message_id": turn.answer_id, "content": "쓰는 중", "attempt": 1}
    await answerer.end(turn, "쓰는 중")
    after = await gate.snapshot(KIM, session.session_id)
    assert (after.partial, after.messages[-1]["content"]) == (None, "쓰는 중")
    with pytest.raises(SessionNotFound):
        await gate.snapshot(LEE, session.session_id)


async def test_a_snapshot_stays_a_frame_that_clients_take(gate: ChatGate, room: ChatRoom) -> None:
    session = await make_session(room, NewSession(KIM, None))
    for _ in range(6):
        await post(room, say(session, "말" * 32_000))
    await post(room, say(session, "끝"))
    shot = await gate.snapshot(KIM, session.session_id)
    assert [len(m["content"]) for m in shot.messages] == [32_000, 32_000, 32_000, 32_000, 1]


async def test_a_snapshot_misses_nothing_below_its_cursor(gate: ChatGate, room: ChatRoom) -> None:
    session = await make_session(room, NewSession(KIM, None))
    await post(room, say(session))

    async def talk() -> None:
        for k in range(150):
            await post(room, say(session, str(k)))

    talking = asyncio.create_task(talk())
    while not talking.done():
        shot = await gate.snapshot(KIM, session.session_id)
        assert shot.messages[-1]["seq"] == shot.cursor.seq
    await talking
