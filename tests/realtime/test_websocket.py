"""The WebSocket contract, with a real server and real clients (realtime.md)."""

import asyncio
from dataclasses import replace

import pytest
from websockets.asyncio.client import connect

from malgil.kit import json
from malgil.kit.errors import Conflict, Forbidden, MalgilError, RateLimited, Unavailable
from malgil.realtime.errors import Gone
from tests.realtime.fakes import QUICK, World, close_code, eventually, frame, frames, serving


def seqs(found: list[dict]) -> list[int]:
    return [f["seq"] for f in found if "cursor" in f and "seq" in f]


async def test_a_new_connection_is_live_from_now(world: World) -> None:
    world.log.append("s", "old")
    async with world.connect("s") as client:
        connected = await frame(client)
        assert connected.pop("connection_id").startswith("conn_")
        assert connected == {
            "type": "connected", "session_id": "s", "cursor": "e1.1", "heartbeat_interval": 30,
        }
        await world.say("s", "new")
        assert (await frame(client))["seq"] == 2


async def test_both_paths_lead_to_the_same_session(world: World) -> None:
    async with world.connect("s") as one, world.connect("chat/s") as two:
        assert (await frame(one))["session_id"] == (await frame(two))["session_id"] == "s"


@pytest.mark.parametrize("cursor", ["start", *(f"e1.{n}" for n in range(6))])
async def test_resuming_at_every_cursor_gives_exactly_the_rest(world: World, cursor: str) -> None:
    world.log.append("s", *"abcde")
    begin = 0 if cursor == "start" else int(cursor[3:])
    async with world.connect("s", f"?after={cursor}") as client:
        found = await frames(client, "live")
        assert found[0]["cursor"] == f"e1.{begin}"
        assert found[-1] == {"type": "live", "cursor": "e1.5"}
        assert seqs(found[1:-1]) == list(range(begin + 1, 6))
        await world.say("s", "next")
        assert (await frame(client))["seq"] == 6


async def test_what_commits_during_the_replay_comes_once(world: World) -> None:
    world.log.append("s", *["x"] * 1200)
    async with world.connect("s", "?after=start") as client:
        saying = asyncio.gather(*(world.say("s", "y") for _ in range(50)))
        found = await frames(client, "live")
        await saying
        seen = seqs(found[1:-1])
        while len(seen) < 1250:
            seen.append((await frame(client))["seq"])
        assert seen == list(range(1, 1251))


async def test_what_is_no_cursor_is_an_error_and_the_connection_lives(world: World) -> None:
    async with world.connect("s", "?after=nonsense") as client:
        connected, error = await frames(client, 2)
        assert (connected["type"], error["code"]) == ("connected", "INVALID_MESSAGE")
        await client.send('{"type":"ping"}')
        assert await frame(client) == {"type": "pong"}


@pytest.mark.parametrize("cursor", ["old.1", "e1.99"])
async def test_a_stale_cursor_means_starting_again(world: World, cursor: str) -> None:
    world.log.append("s", "a")
    async with world.connect("s", f"?after={cursor}") as client:
        assert await close_code(client) == 4002


async def test_too_long_a_replay_is_a_snapshot() -> None:
    async with serving(replace(QUICK, replay_entries=10)) as world:
        world.log.append("s", *["x"] * 11)
        async with world.connect("s", "?after=start") as client:
            connected, snapshot, live = await frames(client, "live")
            assert connected["cursor"] == "e1.0"
            assert snapshot == {"type": "snapshot", "cursor": "e1.11", "messages": [{"seq": n} for n in range(1, 12)]}
            assert live == {"type": "live", "cursor": "e1.11"}
            await world.say("s", "next")
            assert (await frame(client))["seq"] == 12
        async with world.connect("s", "?after=e1.2") as client:
            assert seqs((await frames(client, "live"))[1:-1]) == list(range(3, 13))


async def test_too_heavy_a_replay_is_a_snapshot() -> None:
    async with serving(replace(QUICK, replay_bytes=5000)) as world:
        world.log.append("s", "x" * 3000, "y" * 3000)
        async with world.connect("s", "?after=start") as client:
            assert [f["type"] for f in await frames(client, "live")] == ["connected", "snapshot", "live"]
        async with world.connect("s", "?after=e1.1") as client:
            assert [f["type"] for f in await frames(client, "live")] == ["connected", "system", "live"]


async def test_resuming_in_the_middle_of_a_connection(world: World) -> None:
    world.log.append("s", *"abc")
    async with world.connect("s") as client:
        await frame(client)
        await client.send('{"type":"resume","after":"e1.1"}')
        found = await frames(client, "live")
        assert seqs(found[:-1]) == [2, 3]
        await client.send('{"type":"resume","after":"?"}')
        assert (await frame(client))["code"] == "INVALID_MESSAGE"
        await client.send('{"type":"resume","after":"old.1"}')
        assert await close_code(client) == 4002


async def test_the_sender_gets_its_ack_and_everybody_the_message(world: World) -> None:
    async with world.connect("s") as one, world.connect("s") as two:
        await frame(one), await frame(two)
        await one.send(json.dumps({"type": "message", "content": "안녕", "client_message_id": "c1"}))
        own = {f["type"]: f for f in await frames(one, 2)}
        assert own["ack"] == {
            "type": "ack", "client_message_id": "c1", "message_id": "msg_1", "seq": 1, "duplicate": False,
        }
        assert own["system"]["seq"] == (await frame(two))["seq"] == 1
        await one.send('{"type":"message","content":"no id, no ack"}')
        assert (await frame(one))["seq"] == 2


@pytest.mark.parametrize(("error", "code"), [
    (Forbidden("no"), "FORBIDDEN"), (Conflict("busy"), "BUSY"),
    (Conflict("archived", code="SESSION_ARCHIVED"), "SESSION_ARCHIVED"), (RateLimited("slow down"), "RATE_LIMIT"),
    (Unavailable("down"), "INTERNAL"), (ZeroDivisionError("secret"), "INTERNAL"),
])
async def test_what_the_gate_refuses_is_an_error_frame(world: World, error: Exception, code: str) -> None:
    world.gate.refusals["x"] = error
    async with world.connect("s") as client:
        await frame(client)
        await client.send('{"type":"message","content":"x"}')
        refused = await frame(client)
        assert (refused["type"], refused["code"]) == ("error", code)
        assert "secret" not in refused["message"]
        await client.send('{"type":"ping"}')
        assert await frame(client) == {"type": "pong"}


async def test_malformed_frames_are_answered_and_ten_in_a_row_close(world: World) -> None:
    async with world.connect("s") as client:
        await frame(client)
        for bad in ("{", "[]", '{"type":"x"}', b"\x00\x01", '{"type":"message","content":"\\u0000"}',
                    '{"type":"ping","extra":1}', "", "null", '{"type":"read"}'):
            await client.send(bad)
            assert (await frame(client))["code"] == "INVALID_MESSAGE"
        await client.send('{"type":"ping"}')
        assert await frame(client) == {"type": "pong"}
        for _ in range(10):
            await client.send("garbage")
        assert await close_code(client) == 1008


async def test_garbage_for_ever_is_cut_short(world: World) -> None:
    async with world.connect("s", max_queue=None) as client:
        with pytest.raises(Exception, match=r"1008|closed|reset|pipe"):
            async with asyncio.timeout(5):
                while True:
                    await client.send("garbage")
                    await asyncio.sleep(0)
        await eventually(lambda: world.ward.sockets == 0)


@pytest.mark.parametrize(("error", "code"), [
    (None, 4404), (Forbidden("no"), 4403), (Gone("erased"), 4410), (RateLimited("many"), 4429),
    (Unavailable("down"), 1013), (MalgilError("odd"), 1011), (ZeroDivisionError("bug"), 1011),
])
async def test_whom_the_gate_refuses_hears_why(world: World, error: Exception | None, code: int) -> None:
    world.gate.entering = error
    async with world.connect("sess_unknown") as client:
        assert await close_code(client) == code
    await eventually(lambda: world.ward.sockets == 0)


@pytest.mark.parametrize(("path", "code"), [("s?token=bad", 4401), ("%00", 4404), ("x" * 200, 4404)])
async def test_bad_tokens_and_impossible_ids(world: World, path: str, code: int) -> None:
    async with world.connect(path) as client:
        assert await close_code(client) == code


async def test_an_id_of_the_clients_own_choosing_makes_a_session(world: World) -> None:
    async with world.connect("test-session-1") as client:
        assert (await frame(client))["cursor"] == "e1.0"


async def test_one_connection_too_many_is_told_that_the_server_is_full() -> None:
    async with serving(replace(QUICK, max_connections=2)) as world:
        async with world.connect("s") as one, world.connect("s") as two:
            await frame(one), await frame(two)
            async with world.connect("s") as three:
                assert await close_code(three) == 1013
        await eventually(lambda: world.ward.sockets == 0)
        async with world.connect("s") as client:
            assert (await frame(client))["type"] == "connected"


async def test_an_expired_token_ends_the_connection(world: World) -> None:
    async with world.connect("s", "?token=kim:0.2") as client, world.connect("s", "?token=kim:60") as other:
        await frame(client), await frame(other)
        assert await close_code(client) == 4006
        await other.send('{"type":"ping"}')
        assert await frame(other) == {"type": "pong"}


async def test_every_third_heartbeat_says_where_the_log_stands() -> None:
    async with serving(replace(QUICK, heartbeat=0.05)) as world, world.connect("s") as client:
        assert (await frame(client))["heartbeat_interval"] == 0.05
        await world.say("s", "a")
        assert (await frames(client, "sync"))[-1] == {"type": "sync", "head": 1}
        assert await frame(client) == {"type": "sync", "head": 1}


async def test_who_answers_pings_may_say_nothing_else() -> None:
    patience = replace(QUICK, heartbeat=0.05, connection_timeout=0.2)
    async with serving(patience) as world, world.connect("s") as client:
        await frame(client)
        deadline = asyncio.get_running_loop().time() + 0.6
        while asyncio.get_running_loop().time() < deadline:
            assert (await frame(client))["type"] == "sync"


async def test_who_answers_nothing_is_closed() -> None:
    patience = replace(QUICK, heartbeat=5, connection_timeout=0.2)
    async with serving(patience) as world, world.connect("s", ping_interval=None) as client:
        assert await close_code(client) == 4003


async def test_a_new_epoch_closes_every_connection(world: World) -> None:
    async with world.connect("s") as one, world.connect("s") as two:
        await frame(one), await frame(two)
        world.log.epoch = "e2"
        assert await close_code(one) == await close_code(two) == 4002


async def test_an_erased_session_closes_its_connections(world: World) -> None:
    async with world.connect("s") as client:
        await frame(client)
        del world.log.streams["s"]
        assert await close_code(client) == 4410


async def test_a_drain_warns_then_says_goodbye_and_lets_nobody_in(world: World) -> None:
    async with world.connect("s") as client:
        await frame(client)
        draining = asyncio.create_task(world.ward.drain(notice=0.05))
        assert await frame(client) == {"type": "goaway", "reconnect_in_ms": 0}
        assert await close_code(client) == 1012
        await draining
    async with world.connect("s") as client:
        assert await close_code(client) == 1012


async def test_typing_is_heard_by_the_others_until_they_leave(world: World) -> None:
    async with world.connect("s", "?token=kim") as kim, world.connect("s", "?token=lee") as lee:
        await frame(kim), await frame(lee)
        await kim.send('{"type":"typing","is_typing":true}')
        assert await frame(lee) == {"type": "typing", "user_id": "kim", "is_typing": True}
        await kim.send('{"type":"ping"}')
        assert await frame(kim) == {"type": "pong"}, "nobody is told of their own typing"
        await kim.close()
        assert await frame(lee) == {"type": "typing", "user_id": "kim", "is_typing": False}
    assert world.gate.received == []


async def test_who_is_present_is_told_to_whoever_comes_and_to_all_when_it_changes(world: World) -> None:
    async with world.connect("s", "?token=kim") as kim:
        connected, alone = await frames(kim, "presence")
        assert (connected["type"], alone) == ("connected", {"type": "presence", "users": ["kim"]})
        world.gate.read_only = True
        async with world.connect("s", "?token=lee&after=start") as lee:
            assert [f["type"] for f in await frames(lee, "presence")] == ["connected", "live", "presence"]
            assert (await frames(kim, "presence"))[-1]["users"] == ["kim", "lee"], "who may only watch is present too"
            async with world.connect("s", "?token=lee") as tab:
                assert (await frames(tab, "presence"))[-1]["users"] == ["kim", "lee"]
            lee.transport.abort()
        assert await frames(kim, "presence") == [{"type": "presence", "users": ["kim"]}]


async def test_who_may_only_watch_does_not_type(world: World) -> None:
    world.gate.read_only = True
    async with world.connect("s") as client:
        await frame(client)
        await client.send('{"type":"typing","is_typing":true}')
        assert (await frame(client))["code"] == "FORBIDDEN"


async def test_too_big_a_message_is_1009(world: World) -> None:
    async with world.connect("s") as client:
        await frame(client)
        await client.send(json.dumps({"type": "message", "content": "x" * 65_000}))
        assert (await frame(client))["seq"] == 1
        await client.send("x" * 65_537)
        assert await close_code(client) == 1009


async def test_text_that_is_not_utf8_is_1007(world: World) -> None:
    async with world.connect("s") as client:
        await frame(client)
        await client.send(b"\xff\xfe", text=True)
        assert await close_code(client) == 1007


async def test_five_hundred_at_once(world: World) -> None:
    async def one(number: int) -> list[int]:
        async with world.connect("s", "?after=start", open_timeout=20) as client:
            async with asyncio.timeout(30):
                seen: list[int] = []
                while not seen or seen[-1] < 20:
                    got = json.loads(await client.recv())
                    if "seq" in got:
                        seen.append(got["seq"])
                return seen

    clients = [asyncio.create_task(one(n)) for n in range(500)]
    for _ in range(20):
        await world.say("s", "x")
        await asyncio.sleep(0.02)
    assert await asyncio.gather(*clients) == [list(range(1, 21))] * 500
    await eventually(lambda: world.ward.sockets == 0)
    assert world.hub.sessions == 0


async def test_leaving_without_goodbye_leaves_nothing_behind(world: World) -> None:
    async with connect(f"ws{world.url}/ws/s", proxy=None) as client:
        await frame(client)
        client.transport.abort()
    await eventually(lambda: world.ward.sockets == 0 and world.hub.sessions == 0)


async def test_a_page_that_cannot_be_read_is_read_later(world: World) -> None:
    world.log.append("s", *["x"] * 5)
    async with world.connect("s") as client:
        await frame(client)
        read, world.log.read = world.log.read, world.log.__class__.read.__get__(_Down())
        await client.send('{"type":"resume","after":"e1.0"}')
        await client.send('{"type":"ping"}')
        assert await frame(client) == {"type": "pong"}
        world.log.read = read
        assert seqs((await frames(client, "live"))[:-1]) == [1, 2, 3, 4, 5]


class _Down:
    """As much of a log as it takes to fail."""

    reads = 0

    async def _wait(self) -> None:
        raise Unavailable("down")
