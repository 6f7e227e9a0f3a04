"""Old state + events = new state: the tables are what the log says, after any sequence of verbs."""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from malgil.agents import actions as agents
from malgil.agents.queries import AgentRow
from malgil.chat import actions, queries
from malgil.chat.editing import delete_message, edit_message
from malgil.chat.errors import NothingToAnswer
from malgil.chat.events import MessageDeleted, MessageEdited
from malgil.chat.model import Face, Message, NewSession, Session, preview
from malgil.chat.projection import evolve, message_of, revised, settled
from malgil.chat.regenerating import Again, regenerate
from malgil.chat.room import ChatRoom, post
from malgil.kit.errors import Conflict, Forbidden, NotFound
from malgil.log import actions as log
from malgil.log.model import Entry
from malgil.storage.database import Database
from tests.chat.conftest import make_room
from tests.chat.people import KIM, Answerer, log_of, make_session, say
from tests.fixtures.time import FakeClock

TEXTS = st.sampled_from(["안녕하세요", "hello  there\nfriend", "🙂" * 300, "\u200fשלום", "x"])
CLIENT_IDS = st.sampled_from([None, None, "a", "b"])
POSTS = st.tuples(st.just("post"), TEXTS, CLIENT_IDS)
REASONS = st.sampled_from(["stop", "length", "failed", "stopped"])
ANSWERS = st.tuples(st.just("answer"), REASONS, st.one_of(st.just(""), TEXTS))
FACES = st.tuples(st.just("face"), st.fixed_dictionaries({}, optional={
    "title": st.sampled_from([None, "제목", "title"]), "metadata": st.sampled_from([{}, {"a": [1, None]}]),
    "status": st.sampled_from(["active", "archived"]), "queue_policy": st.sampled_from(["enqueue", "interrupt"]),
}))
# Which message: counted from the end of the log.
REVISIONS = st.tuples(st.sampled_from(["edit", "delete", "again"]), st.integers(0, 3), TEXTS)
STEPS = st.lists(st.one_of(POSTS, POSTS, ANSWERS, FACES, REVISIONS, st.tuples(st.just("stop"))), max_size=12)


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
        case ("edit" | "delete" | "again" as verb, place, text):
            await revise(room, session, verb, place, text)
        case ("face", change):
            async with room.database.unit_of_work() as uow:
                await actions.update_session(uow, room.scribe, KIM, session.session_id, Face(**change))
        case _:
            async with room.database.unit_of_work() as uow:
                await actions.stop_answer(uow, room.scribe, room.transcript, KIM, session.session_id)


async def revise(room: ChatRoom, session: Session, verb: str, place: int, text: str) -> None:
    """Do it to a message, if there is one there and the room lets us."""
    messages = [message for entry in await log_of(room, session.session_id) if (message := message_of(entry))]
    if place >= len(messages):
        return
    message_id = messages[-1 - place].message_id
    with suppress(NotFound, Forbidden, Conflict, NothingToAnswer):
        async with room.database.unit_of_work() as uow:
            match verb:
                case "edit":
                    await edit_message(uow, room.scribe, KIM, KIM, session.session_id, message_id, text)
                case "delete":
                    await delete_message(uow, room.scribe, room.transcript, KIM, session.session_id, message_id)
                case _:
                    again = Again(KIM, KIM, session.session_id, message_id)
                    await regenerate(uow, room.scribe, room.transcript, again)


def folded(entries: list[Entry]) -> tuple[Session | None, list[Message]]:
    """What the log says: the session, and every message it ever had as it is now."""
    state: Session | None = None
    messages: dict[str, Message] = {}
    for entry in entries:
        state = evolve(state, entry)
        if (message := message_of(entry)) is not None:
            messages[message.message_id] = message
        if (told_of := messages.get(entry.data.get("message_id", ""))) is not None:
            messages[told_of.message_id] = revised(told_of, entry)
        if state is not None and entry.kind in (MessageEdited.kind, MessageDeleted.kind):
            said = [one for one in messages.values() if one.deleted_at is None and one.message_type != "system"]
            state = settled(state, said[-1] if said else None)
    return state, list(messages.values())


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
        now, messages = await held(room, session)
        assert (now, messages) == folded(entries)
        shown = [one for one in messages if one.deleted_at is None]
        current = [one.reply_to for one in shown if one.reply_to and one.superseded_by is None]
        assert len(current) == len(set(current)), "a message has one answer at a time"
        assert now.message_count == len(shown)
        assert now.last_message == (preview(shown[-1].content) if shown else None)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_tables_are_what_the_log_says(database_url: str, steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(check(database_url, steps))

