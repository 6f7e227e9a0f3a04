"""Old state + events = new state: the tables are what the log says, after any sequence of verbs."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from malgil.agents import actions as agents
from malgil.agents.queries import AgentRow
from malgil.chat import actions, queries
from malgil.chat.model import Face, Message, NewSession, Session
from malgil.chat.projection import evolve, message_of
from malgil.chat.room import ChatRoom, post
from malgil.log import actions as log
from malgil.storage.database import Database
from tests.chat.conftest import make_room
from tests.chat.people import KIM, Answerer, log_of, make_session, say
from tests.fixtures.time import FakeClock

TEXTS = st.sampled_from(["안녕하세요", "hello  there\nfriend", "🙂" * 300, "\u200fשלום", "x"])
CLIENT_IDS = st.sampled_from([None, None, "a", "b"])
POSTS = st.tuples(st.just("post"), TEXTS, CLIENT_IDS)
ANSWERS = st.tuples(st.just("answer"), st.sampled_from(["stop", "length", "failed", "stopped"]), TEXTS)
FACES = st.tuples(st.just("face"), st.fixed_dictionaries({}, optional={
    "title": st.sampled_from([None, "제목", "title"]), "metadata": st.sampled_from([{}, {"a": [1, None]}]),
    "status": st.sampled_from(["active", "archived"]), "queue_policy": st.sampled_from(["enqueue", "interrupt"]),
}))
STEPS = st.lists(st.one_of(POSTS, POSTS, ANSWERS, FACES, st.tuples(st.just("stop"))), max_size=12)


async def take(room: ChatRoom, session: Session, step: tuple[Any, ...]) -> None:
    match step:
        case ("post", content, client_id):
            async with room.database.read() as conn:
                now, _ = await queries.open_session(conn, KIM, session.session_id)
            if now.status == "active":
                await post(room, say(session, content, client_message_id=client_id))
        case ("answer", reason, content):
            async with room.database.unit_of_work() as uow:
                turns = await agents.claim(uow, room.scribe, owner="w", node="n", lease=30, most=1)
            for turn in turns:
                await Answerer(room).end(turn, content, reason)
        case ("face", change):
            async with room.database.unit_of_work() as uow:
                await actions.update_session(uow, room.scribe, KIM, session.session_id, Face(**change))
        case _:
            async with room.database.unit_of_work() as uow:
                await actions.stop_answer(uow, room.scribe, room.transcript, KIM, session.session_id)


async def held(room: ChatRoom, session: Session) -> tuple[Session, list[Message]]:
    """What the tables hold."""
    async with room.database.read() as conn:
        now, _ = await queries.open_session(conn, KIM, session.session_id)
        rows = await conn.fetch("SELECT * FROM chat_messages WHERE session_id = $1 ORDER BY seq", session.session_id)
    return now, [Message(*(row[name] for name in Message.__slots__)) for row in rows]


async def check(url: str, steps: list[tuple[Any, ...]]) -> None:
    database = Database(url, pool_size=2)
    await database.open()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        # It stands still within a step, so that every time of one transaction is the same.
        clock = FakeClock()
        room = await make_room(database, stack, clock)
        async with database.unit_of_work() as uow:
            await log.settle_epoch(uow)
            await agents.put_agent(uow, AgentRow(1, "A", None, "", "offline", []), clock.now())
            # Turns that an earlier example left open are not this one's to answer.
            await uow.conn.execute("DELETE FROM turns")
        session = await make_session(room, NewSession(KIM, 1, metadata={"k": "v"}))
        for step in steps:
            clock.advance(1)
            await take(room, session, step)
        entries = await log_of(room, session.session_id)
        state: Session | None = None
        for entry in entries:
            state = evolve(state, entry)
        now, messages = await held(room, session)
        assert now == state
        assert messages == [message for entry in entries if (message := message_of(entry))]


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_tables_are_what_the_log_says(database_url: str, steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(check(database_url, steps))

