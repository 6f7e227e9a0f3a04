"""Socket.IO clients that mean harm, or do not read: they get errors, and cost the others nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from websockets.asyncio.client import connect

from malgil.kit import json
from malgil.realtime.settings import KIB, MIB
from malgil.realtime.socketio_wire import MOST_QUEUED
from tests.realtime.fakes import QUICK, World, eventually
from tests.realtime.socketio_fakes import entered, heard, opened, person, raw


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with opened() as served:
        yield served


GARBAGE = [
    "", "x", "2", "2probe", "5", "6", "7", "9", "4", "4x", "40", "41x", "42", "42{", "42[]", "42[7]", "42null",
    '42["message"', '42["message",1]', '42["message",{},{}]', "43", "431[]", "44", "451-[]",
    '451-["message",{"_placeholder":true,"num":0}]',
    "4" + "[" * 60_000, "42" + "[" * 60_000, "42" + "9" * 60_000, "b4AAAA", b"", b"\x04binary", "4٣", "²",
    '42["connect",{"asgi.scope":{}}]', '42["disconnect","x"]', '42["nothing such",{}]', '42["heard",{},true]',
    '42["message",{"content":"\\ud800"}]', '42["message",{"content":NaN}]',
]


@pytest.mark.parametrize("packet", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_is_an_error_and_harms_nobody(world: World, packet: str | bytes) -> None:
    client = await entered(world)
    await client.send(packet)
    await client.send('42["message",{"content":"still there"}]')
    async with asyncio.timeout(5):
        while '"still there"' not in (text := await heard(client)):
            assert text.startswith(('42["error"', '44"', "44{")), text
    await client.close()
    await eventually(lambda: world.ward.sockets == 0 and not world.socketio._wires)


async def test_ten_malformed_events_in_a_row_end_it(world: World) -> None:
    async with person(world, {"session_id": "s"}) as kim:
        await kim.until("connected")
        for _ in range(10):
            await kim.client.emit("message", b"binary")
        found = await kim.until("disconnect")
        assert [frame["code"] for name, frame in found if name == "error"][-1] == "CLOSED"
        assert [frame.get("close_code") for name, frame in found if name == "error"][-1] == 1008


@pytest.mark.parametrize("packet", ["41", "1"])
async def test_leaving_with_a_word_leaves_nothing_behind(world: World, packet: str) -> None:
    client = await entered(world)
    await client.send(packet)
    await eventually(lambda: world.ward.sockets == 0 and not world.socketio._visits)
    await client.close()
    await eventually(lambda: not world.socketio._wires)


async def test_leaving_without_one_too(world: World) -> None:
    client = await entered(world)
    client.transport.abort()
    await eventually(lambda: world.ward.sockets == 0 and not world.socketio._wires and world.hub.sessions == 0)


async def test_another_namespace_and_a_second_connect_change_nothing(world: World) -> None:
    client = await entered(world)
    await client.send('40/admin,{"session_id":"s"}')
    assert (await heard(client)).startswith("44/admin,")
    await client.send('40{"session_id":"other"}')
    assert (await heard(client)).startswith("44")
    await client.send('42/admin,["message",{"content":"no"}]')
    await client.send('421["message",{"content":"yes","client_message_id":"a"}]')
    assert '"yes"' in await heard(client)
    assert (await heard(client)).startswith('431[{"')
    assert world.ward.sockets == 1
    await client.close()


async def test_who_never_says_what_they_want_is_cut(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("malgil.realtime.socketio_wire.ENTER_SECONDS", 0.2)
    client = await raw(world)
    async with httpx.AsyncClient(base_url=f"http{world.url}", trust_env=False) as http:
        assert (await http.get("/socket.io/?EIO=4&transport=polling")).status_code == 200
        await eventually(lambda: not world.socketio._wires)
    await client.wait_closed()
    assert not world.socketio._server.eio.sockets


async def test_too_big_a_packet_ends_the_connection(world: World) -> None:
    client = await entered(world)
    await client.send('42["message",{"content":"' + "x" * 65_000 + '"}]')
    assert "x" * 65_000 in await heard(client)
    await client.send('42["message",{"content":"' + "x" * 66_000 + '"}]')
    async with asyncio.timeout(5):
        await client.wait_closed()
    assert client.close_code == 1009
    await eventually(lambda: not world.socketio._wires)


async def test_a_client_that_does_not_read_is_closed_and_holds_little() -> None:
    async with opened(replace(QUICK, lag_bytes=1000 * MIB, stall_seconds=1)) as world:
        slow = await entered(world)
        slow.transport.pause_reading()
        async with person(world, {"session_id": "s"}) as kim:
            await kim.until("connected")
            (wire, _) = world.socketio._wires.values()
            for n in range(1, 301):
                await world.say("s", "x" * 40 * KIB)
                assert (await kim.next())["seq"] == n
                assert wire.outbox.size < MOST_QUEUED + 50 * KIB
            await eventually(lambda: len(world.socketio._wires) == 1)
            await eventually(lambda: world.ward.sockets == 1)
        slow.transport.abort()


async def test_nor_is_it_listened_to(world: World) -> None:
    async with opened(replace(QUICK, lag_bytes=1000 * MIB, stall_seconds=60)) as world:
        slow = await entered(world)
        slow.transport.pause_reading()
        (wire,) = world.socketio._wires.values()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                while True:
                    await slow.send("40/" + "x" * 60_000)
                    assert wire.outbox.size < 3 * MOST_QUEUED
        slow.transport.abort()


class Polling:
    """The polling transport by hand."""

    def __init__(self, http: httpx.AsyncClient, sid: str) -> None:
        self._http = http
        self._where = f"/socket.io/?EIO=4&transport=polling&sid={sid}"

    async def get(self, more: str = "") -> httpx.Response:
        return await self._http.get(self._where + more, timeout=10)

    async def post(self, body: str | bytes) -> httpx.Response:
        return await self._http.post(self._where, content=body, timeout=10)


@asynccontextmanager
async def polling(world: World) -> AsyncIterator[Polling]:
    async with httpx.AsyncClient(base_url=f"http{world.url}", trust_env=False) as http:
        opening = await http.get("/socket.io/?EIO=4&transport=polling")
        assert "access-control-allow-origin" not in opening.headers
        made = Polling(http, json.loads(opening.text[1:])["sid"])
        assert (await made.post('40{"session_id":"s"}')).status_code == 200
        told = (await made.get()).text
        assert told.startswith("40{")
        while '"connected"' not in told:
            told = (await made.get()).text
        yield made


async def test_polling_holds_to_the_limits(world: World) -> None:
    async with polling(world) as client:
        for body in (b"x" * 70_000, b"\xff", b"4\x1e" * 300):
            assert (await client.post(body)).status_code != 200
        assert (await client.post('42["message",{"content":"here"}]')).status_code == 200
        assert '"here"' in (await client.get()).text
        assert (await client.get("&j=0")).status_code != 200
        assert (await Polling(client._http, "guessed").get()).status_code == 400
        waiting = asyncio.create_task(client.get())
        await eventually(lambda: next(iter(world.socketio._wires.values())).polls == 1)
        assert (await client.get()).status_code != 200, "two at once would share the packets out"
        await world.say("s", "last")
        assert '"last"' in (await waiting).text
        await client.post("1")
        await eventually(lambda: world.ward.sockets == 0 and not world.socketio._wires)
        assert not world.socketio._server.eio.sockets


@pytest.mark.parametrize("packet", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_in_a_body_harms_nobody(world: World, packet: str | bytes) -> None:
    async with polling(world) as client:
        if packet != "41x":
            assert (await client.post(packet)).status_code == 200
        assert (await client.post('42["message",{"content":"still there"}]')).status_code == 200
        async with asyncio.timeout(5):
            while '"still there"' not in (await client.get()).text:
                pass


async def test_who_polls_no_more_is_forgotten() -> None:
    async with opened(replace(QUICK, heartbeat=0.2)) as world, polling(world):
        assert len(world.socketio._wires) == 1
        await eventually(lambda: not world.socketio._wires and world.ward.sockets == 0)


async def test_a_move_to_websocket_that_fails_leaves_polling_alive(world: World) -> None:
    async with polling(world) as client:
        sid = next(iter(world.socketio._wires))
        for say in ([], ["42[]"], ["2probe"], ["2probe", "42[]"]):
            where = f"ws{world.url}/socket.io/?EIO=4&transport=websocket&sid={sid}"
            async with connect(where, proxy=None) as probe:
                for packet in say:
                    await probe.send(packet)
        await eventually(lambda: not world.socketio._server.eio.sockets[sid].upgrading)
        await world.say("s", "here")
        async with asyncio.timeout(5):
            while '"here"' not in (await client.get()).text:
                pass
