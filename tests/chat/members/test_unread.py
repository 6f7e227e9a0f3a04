"""What is unread, told to the devices of those whom it concerns."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from malgil.access.model import Caller
from malgil.chat import actions
from malgil.chat.gate import ChatGate
from malgil.chat.members import unread
from malgil.chat.members.unread import UnreadTeller
from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, erase, mark_read
from malgil.kit.clock import SystemClock
from malgil.kit.ids import UlidIds
from malgil.log.model import Entry
from malgil.log.scribe import Scribe
from malgil.realtime.bus import MemoryBus, Message, user_channel
from tests.chat.members.test_actions import put
from tests.chat.people import FAR_KIM, KIM, LEE, Answerer, eventually, make_session, say
from tests.chat.served import served
from tests.realtime.fakes import close_code, frames


@asynccontextmanager
async def telling(room: ChatRoom) -> AsyncIterator[tuple[ChatRoom, MemoryBus]]:
    """The room with a teller that hears of what is written through it, and the bus on which that tells."""
    bus = MemoryBus()
    async with UnreadTeller(room.database, bus, gather=0.02) as teller:
        clock = SystemClock()

        async def announce(entries: Sequence[Entry]) -> None:
            await teller.announce(entries)

        yield replace(room, scribe=Scribe(UlidIds(clock), clock, announce), has_read=teller.has_read), bus


async def tell(room: ChatRoom, session: Session, content: str = "news", who: Caller = KIM) -> int:
    """Post through this room's scribe; the seq."""
    async with room.database.unit_of_work() as uow:
        return (await actions.post_alone(uow, room.scribe, room.transcript, say(session, content, who))).seq


class Hasty:
    """A throttle that lets one frame through."""

    asked = 0

    async def allow(self, caller: Caller, connection_id: str, kind: str) -> float | None:
        assert (caller.user_id, connection_id[:5], kind) == ("kim", "conn_", "ping")
        self.asked += 1
        return None if self.asked == 1 else 5.0


async def told(client: ClientConnection, count: int) -> dict[str, Any]:
    """The next `unread` frame with this count; others before it are passed over."""
    async with asyncio.timeout(5):
        while True:
            frame: dict[str, Any] = json.loads(await client.recv())
            if frame["type"] == "unread" and frame["unread_count"] == count:
                return frame


async def test_what_comes_in_and_what_is_read_elsewhere(room: ChatRoom, session: Session) -> None:
    await put(room, session, "lee")
    async with telling(room) as (told_room, bus), served(told_room, bus) as here:
        url = f"ws://{here}/ws/user?token=lee"
        async with connect(url) as phone, connect(url) as laptop:
            for client in (phone, laptop):
                connected = (await frames(client, 1))[0]
                assert connected.pop("connection_id").startswith("conn_")
                assert connected == {"type": "connected", "user_id": "lee", "heartbeat_interval": 30}
            seq = await tell(told_room, session)
            frame = await told(phone, 1)
            assert frame == {
                "type": "unread", "session_id": session.session_id, "unread_count": 1, "last_seq": seq,
            }
            assert await told(laptop, 1) == frame
            await mark_read(told_room, LEE, session.session_id, seq)
            for client in (phone, laptop):
                assert (await told(client, 0))["last_seq"] == seq
        await tell(told_room, session)
        await tell(told_room, session)
        async with connect(url) as again:
            assert [f["type"] for f in await frames(again, 2)] == ["connected", "unread"]


async def test_the_state_comes_first_and_the_liveliest_of_it(room: ChatRoom) -> None:
    made = [await make_session(room, NewSession(KIM, None)) for _ in range(3)]
    for session in made:
        await put(room, session, "lee")
    await tell(room, made[2])
    await tell(room, made[0])
    await tell(room, made[0], "mine", LEE)
    async with room.database.read() as conn:
        found = await unread.frames_of(conn, LEE)
        assert [(f["type"], f["session_id"], f["unread_count"]) for f in found] == [
            ("unread", made[0].session_id, 1), ("unread", made[2].session_id, 1),
        ]
        assert await unread.frames_of(conn, FAR_KIM) == []
    assert await ChatGate(room).unread(LEE) == found


async def test_the_author_is_not_told_and_another_tenants_namesake_neither(room: ChatRoom, session: Session) -> None:
    await put(room, session, "lee")
    heard: list[tuple[str, Message]] = []
    async with telling(room) as (told_room, bus):
        for user in ("kim", "lee"):
            bus.subscribe(user_channel(user), lambda message, user=user: heard.append((user, message)))
        await tell(told_room, session)

        async def lee_knows() -> bool:
            return bool(heard)

        await eventually(lee_knows)
        assert [(user, message.data and message.data["tenant"]) for user, message in heard] == [("lee", "default")]
        async with served(told_room, bus) as here, connect(f"ws://{here}/ws/user?token=kim") as client:
            await frames(client, "connected")
            data = {"tenant": "elsewhere", "session_id": "s", "unread_count": 7, "last_seq": 1}
            await bus.publish(user_channel("kim"), Message("unread", data=data))
            await bus.publish(user_channel("kim"), Message("unread", data=data | {"tenant": "default"}))
            assert (await frames(client, 1))[0] == {
                "type": "unread", "session_id": "s", "unread_count": 7, "last_seq": 1,
            }
            await client.send('{"type":"ping"}')
            assert (await frames(client, 1))[0] == {"type": "pong"}


async def test_an_answer_is_news_for_who_asked(room: ChatRoom, session: Session) -> None:
    async with (
        telling(room) as (told_room, bus), served(told_room, bus) as here,
        connect(f"ws://{here}/ws/user?token=kim") as client,
    ):
        await frames(client, "connected")
        await tell(told_room, session, "?")
        await Answerer(told_room).answer("because")
        assert (await told(client, 1))["session_id"] == session.session_id
        await erase(told_room, KIM, session.session_id)
        assert (await told(client, 0))["session_id"] == session.session_id


async def test_in_a_large_session_counts_are_not_told(room: ChatRoom, session: Session) -> None:
    small = await make_session(room, NewSession(KIM, None))
    for one in (small, session):
        await put(room, one, "lee")
    async with room.database.unit_of_work() as uow:
        await uow.conn.execute(
            "INSERT INTO chat_participants (session_id, user_id, role, joined_at) "
            "SELECT $1, 'user-' || n, 'viewer', now() FROM generate_series(1, $2) n",
            session.session_id, unread.PEOPLE_MOST,
        )
    heard: list[str] = []
    async with telling(room) as (told_room, bus):
        bus.subscribe(user_channel("lee"), lambda message: heard.append((message.data or {})["session_id"]))
        await tell(told_room, session)
        await tell(told_room, small)

        async def knows() -> bool:
            return bool(heard)

        await eventually(knows)
    assert heard == [small.session_id]


async def test_a_dead_database_costs_hints_and_nothing_else(room: ChatRoom, session: Session) -> None:
    await put(room, session, "lee")
    async with (
        telling(room) as (told_room, bus), served(told_room, bus) as here,
        connect(f"ws://{here}/ws/user?token=lee") as client,
    ):
        await frames(client, "connected")
        await tell(told_room, session)
        async with room.database.unit_of_work() as uow:
            await uow.conn.execute("ALTER TABLE chat_participants RENAME TO gone")
        await told_room.has_read(session.session_id, "lee")
        await asyncio.sleep(0.2)
        async with room.database.unit_of_work() as uow:
            await uow.conn.execute("ALTER TABLE gone RENAME TO chat_participants")
        seq = await tell(told_room, session, "two")
        assert (await told(client, 2))["last_seq"] == seq


async def test_waiting_sessions_are_bounded(room: ChatRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "SESSIONS_MOST", 3)
    teller = UnreadTeller(room.database, MemoryBus())
    for n in range(9):
        await teller.has_read(f"s{n}", "kim")
    assert list(teller._waiting) == ["s0", "s1", "s2"]


@pytest.mark.parametrize("frame", [
    '{"type":"message","content":"x"}', '{"type":"stop"}', "{", "[]", '{"type":"ping","more":1}', "\u0000",
])
async def test_here_one_listens(room: ChatRoom, frame: str) -> None:
    async with served(room) as here, connect(f"ws://{here}/ws/user?token=kim") as client:
        await frames(client, "connected")
        await client.send(frame)
        assert (await frames(client, 1))[0]["code"] == "INVALID_MESSAGE"
        await client.send('{"type":"ping"}')
        assert (await frames(client, 1))[0] == {"type": "pong"}
        for _ in range(10):
            await client.send(frame)
        assert await close_code(client) == 1008


async def test_a_drain_sends_user_sockets_away_too(room: ChatRoom) -> None:
    async with served(room) as here, connect(f"ws://{here}/ws/user?token=kim") as client:
        await frames(client, "connected")
        draining = asyncio.create_task(room.ward.drain(notice=0.05))
        assert (await frames(client, 1))[0]["type"] == "goaway"
        assert await close_code(client) == 1012
        await draining
        async with connect(f"ws://{here}/ws/user?token=kim") as late:
            assert await close_code(late) == 1012


async def test_a_socket_that_listens_may_not_speak_without_end(room: ChatRoom, session: Session) -> None:
    async with served(room, throttle=Hasty()) as here, connect(f"ws://{here}/ws/user?token=kim") as client:
        await frames(client, "connected")
        await client.send('{"type":"ping"}')
        assert (await frames(client, 1))[0] == {"type": "pong"}
        for kind in ('{"type":"ping"}', '{"type":"message","content":"x"}') * 10:
            await client.send(kind)
            (refused,) = await frames(client, 1)
            assert (refused["code"], refused["retry_after"]) == ("RATE_LIMIT", 5000)
