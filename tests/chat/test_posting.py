"""post_messages: one message per client_message_id whatever happens, and nobody pays for a neighbour's fault."""

import asyncio
from dataclasses import replace

import pytest

from malgil.chat import actions
from malgil.chat.errors import (
    AgentBusy,
    NoAgent,
    OtherAgent,
    ReadOnly,
    SessionArchived,
    SessionNotFound,
)
from malgil.chat.model import NewSession, Posted, Session
from malgil.chat.posting import NeedsOwnUnit, post_messages
from malgil.chat.room import ChatRoom, post
from malgil.kit.ids import UserId
from tests.chat.people import (
    DEV,
    FAR_KIM,
    KIM,
    LEE,
    Answerer,
    add_person,
    eventually,
    log_of,
    make_session,
    say,
    turns_of,
)


async def archive(room: ChatRoom, session: Session) -> None:
    async with room.database.unit_of_work() as uow:
        await actions.archive_session(uow, room.scribe, KIM, session.session_id)


async def counted(room: ChatRoom, session: Session) -> int:
    async with room.database.read() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM chat_messages WHERE session_id = $1", session.session_id))


async def test_message_and_turn_are_committed_together(room: ChatRoom, session: Session) -> None:
    posted = await post(room, say(session))
    entries = await log_of(room, session.session_id)
    assert [e.kind for e in entries] == ["session.created", "message.created", "turn.queued"]
    assert [e.seq for e in entries] == [1, 2, 3]
    assert posted.seq == 2
    assert posted.created_at == entries[1].at
    assert entries[1].actor == "kim"
    assert await turns_of(room, session.session_id) == ["queued"]


async def test_without_an_agent_there_is_no_turn(room: ChatRoom) -> None:
    session = await make_session(room, NewSession(KIM, None))
    await post(room, say(session))
    assert await turns_of(room, session.session_id) == []
    with pytest.raises(NoAgent):
        await post(room, say(session, wants_answer=True))
    assert await counted(room, session) == 1


async def test_same_client_message_id_is_one_message(room: ChatRoom, session: Session) -> None:
    first = await post(room, say(session, client_message_id="once"))
    again = await post(room, say(session, "in other words", client_message_id="once"))
    assert again == Posted(first.session_id, first.message_id, first.seq, first.created_at, duplicate=True)
    assert await counted(room, session) == 1


async def test_same_client_message_id_inside_one_batch(room: ChatRoom, session: Session) -> None:
    sent = [say(session, client_message_id=name) for name in ("a", "b", "a", "a")]
    async with room.database.unit_of_work() as uow:
        outcomes = await post_messages(uow, room.scribe, sent)
    posted = [one for one in outcomes if isinstance(one, Posted)]
    assert [one.duplicate for one in posted] == [False, False, True, True]
    assert {posted[k].message_id for k in (0, 2, 3)} == {posted[0].message_id}
    assert await counted(room, session) == 2


async def test_same_client_message_id_on_two_replicas_at_once(rooms: list[ChatRoom], session: Session) -> None:
    sends = [post(rooms[k % 2], say(session, client_message_id="once")) for k in range(40)]
    posted = await asyncio.gather(*sends)
    assert len({one.message_id for one in posted}) == 1
    assert sum(not one.duplicate for one in posted) == 1
    assert await counted(rooms[0], session) == 1
    assert await turns_of(rooms[0], session.session_id) == ["queued"]


async def test_a_repeated_send_waits_for_the_first_that_is_not_committed_yet(
    rooms: list[ChatRoom], session: Session
) -> None:
    async def waits() -> bool:
        async with rooms[0].database.read() as conn:
            return bool(await conn.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ))

    new = say(session, client_message_id="once")
    async with rooms[0].database.unit_of_work() as uow:
        (first,) = await post_messages(uow, rooms[0].scribe, [new])
        second = asyncio.create_task(post(rooms[1], new))
        await eventually(waits)
    assert isinstance(first, Posted)
    assert await second == replace(first, duplicate=True)


async def test_the_id_belongs_to_its_sender_and_session(room: ChatRoom, session: Session) -> None:
    other = await make_session(room, NewSession(KIM, 1))
    await add_person(room, session, "lee", "member")
    sends = [say(session, client_message_id="x"), say(session, who=LEE, client_message_id="x"),
             say(other, client_message_id="x")]
    posted = [await post(room, one) for one in sends]
    assert len({one.message_id for one in posted}) == 3


async def test_a_batch_refuses_each_on_its_own(room: ChatRoom, session: Session) -> None:
    archived = await make_session(room, NewSession(KIM, 1))
    await archive(room, archived)
    picky = await make_session(room, NewSession(KIM, 1, queue_policy="reject"))
    await add_person(room, session, "viewer", "viewer")
    viewer = replace(KIM, user_id=UserId("viewer"))
    sent = [
        say(session, "one"), say("sess_nowhere"), say(session, who=LEE), say(session, who=FAR_KIM), say(archived),
        say(picky), say(session, who=viewer), say(session, agent_id=2), say(session, "two"),
    ]
    async with room.database.unit_of_work() as uow:
        outcomes = await post_messages(uow, room.scribe, sent)
    assert [type(one) for one in outcomes] == [
        Posted, SessionNotFound, SessionNotFound, SessionNotFound, SessionArchived, NeedsOwnUnit, ReadOnly, OtherAgent,
        Posted,
    ]
    assert await counted(room, session) == 2


async def test_several_senders_in_one_batch_keep_their_own_names(room: ChatRoom, session: Session) -> None:
    await add_person(room, session, "lee", "member")
    other = await make_session(room, NewSession(KIM, None))
    sent = [say(session, "k1"), say(session, "l1", who=LEE), say(other, "o1"), say(session, "k2"),
            say(session, "l2", who=LEE)]
    async with room.database.unit_of_work() as uow:
        outcomes = await post_messages(uow, room.scribe, sent)
    assert all(isinstance(one, Posted) for one in outcomes)
    entries = [e for e in await log_of(room, session.session_id) if e.kind == "message.created"]
    assert [(e.actor, e.data["content"]) for e in entries] == [
        ("kim", "k1"), ("kim", "k2"), ("lee", "l1"), ("lee", "l2"),
    ]
    assert all(e.actor == e.data["sender_id"] for e in entries)


async def test_the_number_of_statements_does_not_grow_with_the_batch(room: ChatRoom) -> None:
    sessions = [await make_session(room, NewSession(KIM, 1)) for _ in range(6)]

    async def statements(size: int) -> int:
        seen: list[str] = []
        async with room.database.unit_of_work() as uow:
            sent = [say(sessions[k % len(sessions)], client_message_id=f"{size}-{k}") for k in range(size)]
            with uow.conn.query_logger(lambda record: seen.append(record.query)):
                await post_messages(uow, room.scribe, sent)
        return len(seen)

    await statements(2)  # a fresh connection asks for the types it meets
    assert await statements(1) == await statements(60)


async def test_a_retry_is_answered_even_when_the_session_was_archived_meanwhile(
    room: ChatRoom, session: Session
) -> None:
    first = await post(room, say(session, client_message_id="once"))
    await archive(room, session)
    assert (await post(room, say(session, client_message_id="once"))).message_id == first.message_id
    with pytest.raises(SessionArchived):
        await post(room, say(session))


async def test_reject_takes_one_message_at_a_time(room: ChatRoom, answerer: Answerer) -> None:
    session = await make_session(room, NewSession(KIM, 1, queue_policy="reject"))
    first = await post(room, say(session, client_message_id="first"))
    with pytest.raises(AgentBusy):
        await post(room, say(session))
    assert (await post(room, say(session, client_message_id="first"))).message_id == first.message_id
    await answerer.answer("done")
    await post(room, say(session))
    assert await turns_of(room, session.session_id) == ["completed", "queued"]


async def test_reject_admits_one_of_many_at_once(rooms: list[ChatRoom]) -> None:
    session = await make_session(rooms[0], NewSession(KIM, 1, queue_policy="reject"))
    outcomes = await asyncio.gather(*(post(rooms[k % 2], say(session)) for k in range(8)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["AgentBusy"] * 7 + ["Posted"]


async def test_interrupt_stops_the_running_answer_first(room: ChatRoom, answerer: Answerer) -> None:
    session = await make_session(room, NewSession(KIM, 1, queue_policy="interrupt"))
    await post(room, say(session, "first", client_message_id="first"))
    turn = await answerer.claim()
    await answerer.write(turn, "half an ")
    await post(room, say(session, "second"))
    assert await turns_of(room, session.session_id) == ["stopped", "queued"]
    ended = next(e for e in await log_of(room, session.session_id) if e.kind == "answer.ended")
    assert (ended.data["content"], ended.data["finish_reason"]) == ("half an ", "stopped")


async def test_a_repeated_message_does_not_interrupt_itself(rooms: list[ChatRoom]) -> None:
    session = await make_session(rooms[0], NewSession(KIM, 1, queue_policy="interrupt"))
    await asyncio.gather(*(post(rooms[k % 2], say(session, client_message_id="once")) for k in range(8)))
    assert await turns_of(rooms[0], session.session_id) == ["queued"]


async def test_who_may_not_enter_interrupts_nothing(room: ChatRoom) -> None:
    session = await make_session(room, NewSession(KIM, 1, queue_policy="interrupt"))
    await post(room, say(session))
    for who in (LEE, FAR_KIM):
        with pytest.raises(SessionNotFound):
            async with room.database.unit_of_work() as uow:
                await actions.post_alone(uow, room.scribe, room.transcript, say(session, who=who))
    assert await turns_of(room, session.session_id) == ["queued"]


async def test_in_development_a_connection_plays_another_user(room: ChatRoom) -> None:
    session = await make_session(room, NewSession(DEV, 1))
    played = replace(DEV, user_id=UserId("123"))
    await post(room, say(session, who=played, caller=DEV))
    entries = await log_of(room, session.session_id)
    assert entries[1].data["sender_id"] == entries[2].data["user_id"] == entries[1].actor == "123"


async def test_many_writers_leave_dense_logs_and_right_counters(rooms: list[ChatRoom]) -> None:
    sessions = [await make_session(rooms[0], NewSession(KIM, None)) for _ in range(3)]
    await asyncio.gather(*(post(rooms[k % 2], say(sessions[k % 3], f"m{k}")) for k in range(90)))
    for session in sessions:
        entries = await log_of(rooms[0], session.session_id)
        assert [e.seq for e in entries] == list(range(1, 32))
        async with rooms[0].database.read() as conn:
            row = await conn.fetchrow(
                "SELECT message_count, last_message FROM chat_sessions WHERE session_id = $1", session.session_id
            )
        assert row is not None
        assert (row["message_count"], row["last_message"]) == (30, entries[-1].data["content"])
