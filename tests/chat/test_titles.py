"""The agent names a session after its first answer, and never over what a person said."""

import asyncio
from typing import Any

import pytest

from malgil.agents.offline.titling import title_of
from malgil.chat import actions, queries
from malgil.chat.model import Face, NewSession, Session
from malgil.chat.room import ChatRoom, erase, post
from malgil.chat.titles import TitleGiver
from malgil.realtime.bus import TURNS, MemoryBus, Message
from tests.chat.people import KIM, Answerer, eventually, log_of, make_session, say


async def offline(question: str) -> str:
    return title_of(question)


def giver(room: ChatRoom, titler: Any = offline) -> TitleGiver:
    return TitleGiver(room.database, room.scribe, MemoryBus(), titler)


async def look(*givers: TitleGiver) -> None:
    """Everything that is in the log is looked at."""
    for one in givers:
        while await one.look():
            pass


async def untitled(room: ChatRoom) -> Session:
    return await make_session(room, NewSession(KIM, 1, None, {"k": "v"}))


async def title_in(room: ChatRoom, session: Session) -> str | None:
    async with room.database.read() as conn:
        return (await queries.open_session(conn, KIM, session.session_id))[0].title


async def test_after_the_first_answer(room: ChatRoom, answerer: Answerer) -> None:
    session = await untitled(room)
    await post(room, say(session, "안녕하세요, 환불 규정을 알려 주세요."))
    await look(giver(room))
    assert await title_in(room, session) is None
    await answerer.answer("…")
    await look(giver(room))
    assert await title_in(room, session) == "환불 규정"
    entry = (await log_of(room, session.session_id))[-1]
    assert (entry.kind, entry.actor, entry.data["metadata"]) == ("session.updated", "1", {"k": "v"})
    await post(room, say(session, "And what about deliveries?"))
    await answerer.answer("…")
    await look(giver(room))
    assert await title_in(room, session) == "환불 규정"


@pytest.mark.parametrize("reason", ["failed", "stop"])
async def test_not_after_a_failure_nor_an_empty_answer(room: ChatRoom, answerer: Answerer, reason: Any) -> None:
    session = await untitled(room)
    await post(room, say(session, "환불"))
    await answerer.end(await answerer.claim(), "half" if reason == "failed" else "", reason)
    await look(giver(room))
    assert await title_in(room, session) is None


async def test_what_cannot_be_named_stays_so(room: ChatRoom, answerer: Answerer) -> None:
    session = await untitled(room)
    await post(room, say(session, "???"))
    await answerer.answer("…")
    await look(giver(room))
    assert await title_in(room, session) is None


async def test_a_person_comes_first(room: ChatRoom, answerer: Answerer) -> None:
    session = await untitled(room)
    await post(room, say(session, "환불 규정"))
    await answerer.answer("…")

    async def slow(question: str) -> str:
        async with room.database.unit_of_work() as uow:
            await actions.update_session(uow, room.scribe, KIM, session.session_id, Face(title="mine"))
        return "the agent's"

    await look(giver(room, slow))
    assert await title_in(room, session) == "mine"


async def test_an_erased_session_gets_none(room: ChatRoom, answerer: Answerer) -> None:
    session = await untitled(room)
    await post(room, say(session, "환불 규정"))
    await answerer.answer("…")

    async def slow(question: str) -> str:
        await erase(room, KIM, session.session_id)
        return question

    await look(giver(room, slow))
    assert [e.kind for e in await log_of(room, session.session_id)] == ["session.erased"]


async def test_of_two_processes_one_gives_it(rooms: list[ChatRoom], answerer: Answerer) -> None:
    session = await untitled(rooms[0])
    await post(rooms[0], say(session, "환불 규정"))
    await answerer.answer("…")
    await asyncio.gather(*(look(giver(room)) for room in rooms))
    kinds = [e.kind for e in await log_of(rooms[0], session.session_id)]
    assert kinds.count("session.updated") == 1


async def test_a_titler_that_fails_is_asked_again(room: ChatRoom, answerer: Answerer) -> None:
    session = await untitled(room)
    await post(room, say(session, "환불 규정"))
    await answerer.answer("…")
    asked: list[str] = []

    async def shaky(question: str) -> str:
        asked.append(question)
        if len(asked) == 1:
            raise RuntimeError("no")
        return "x" * 500

    bus = MemoryBus()
    async with TitleGiver(room.database, room.scribe, bus, shaky):
        async def named() -> bool:
            ended = [e for e in await log_of(room, session.session_id) if e.kind == "answer.ended"]
            await bus.publish(TURNS, Message("turns", tuple(ended)))
            return await title_in(room, session) is not None

        await eventually(named)
    assert await title_in(room, session) == "x" * 200
    assert asked == ["환불 규정"] * 2
