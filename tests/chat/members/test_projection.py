"""Old state + entry = new state, for who takes part and for what of it is in the list."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from malgil.chat import queries
from malgil.chat.members import actions
from malgil.chat.model import NewSession, Role, Session
from malgil.chat.projection import evolve, message_of, people_after
from malgil.chat.room import ChatRoom, erase, post
from malgil.kit.errors import MalgilError
from malgil.log import actions as log
from malgil.storage.database import Database
from tests.chat.conftest import make_room
from tests.chat.people import KIM, LEE, log_of, make_session, say
from tests.chat.test_projection import held
from tests.fixtures.time import FakeClock

NAMES = st.sampled_from(["kim", "lee", "cho"])
STEPS = st.lists(st.one_of(
    st.tuples(st.just("put"), NAMES, st.sampled_from(["member", "viewer"])),
    st.tuples(st.just("remove"), NAMES), st.tuples(st.just("leave")), st.tuples(st.just("post")),
), max_size=12)


async def take(room: ChatRoom, session: Session, step: tuple[Any, ...]) -> None:
    async with room.database.unit_of_work() as uow:
        match step:
            case ("put", name, role):
                await actions.put_participant(uow, room.scribe, KIM, session.session_id, name, role)
            case ("remove", name):
                await actions.remove_participant(uow, room.scribe, KIM, session.session_id, name)
            case ("leave",):
                await actions.remove_participant(uow, room.scribe, LEE, session.session_id, "lee")
            case _:
                await post(room, say(session))


async def people_in(room: ChatRoom, session: Session) -> dict[str, Role]:
    async with room.database.read() as conn:
        view = await queries.session_view(conn, KIM, session.session_id)
    return {one["user_id"]: one["role"] for one in view["participants"]}


async def check(url: str, steps: list[tuple[Any, ...]]) -> None:
    database = Database(url, pool_size=2)
    await database.open()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        clock = FakeClock()
        room = await make_room(database, stack, clock)
        async with database.unit_of_work() as uow:
            await log.settle_epoch(uow)
        session = await make_session(room, NewSession(KIM, None))
        for step in steps:
            clock.advance(1)
            try:
                await take(room, session, step)
            except MalgilError:
                continue
        entries = await log_of(room, session.session_id)
        state: Session | None = None
        people: dict[str, Role] = {}
        for entry in entries:
            state, people = evolve(state, entry), people_after(people, entry)
        now, messages = await held(room, session)
        assert (now, await people_in(room, session)) == (state, people)
        assert messages == [message for entry in entries if (message := message_of(entry))]
        clock.advance(1)
        await erase(room, KIM, session.session_id)
        (last,) = await log_of(room, session.session_id)
        assert people_after(people, last) == people
        erased = evolve(state, last)
        async with database.read() as conn:
            row = await conn.fetchrow("SELECT * FROM chat_sessions WHERE session_id = $1", session.session_id)
        assert row is not None
        assert queries.session_of(row) == erased


@given(steps=STEPS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_tables_are_what_the_log_says(database_url: str, steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(check(database_url, steps))
