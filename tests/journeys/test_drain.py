"""The operator restarts the server in the middle of an answer; nobody loses a word."""

import asyncio

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from malgil.storage.embedded import EmbeddedPostgres
from tests.journeys.node import Node
from tests.journeys.talk import Frame, hear, hear_all, say, stored, text_of


async def test_a_restart_in_mid_answer(server: Node, http: httpx.AsyncClient) -> None:
    assert server.end() == 0
    server.environment["STREAM_DELAY_MS"] = "40"
    server.start()
    server.ready()
    where = f"{server.sockets}/ws/drained"
    async with connect(where) as socket:
        await say(socket, type="message", content="주문 상태 확인")
        frames = await hear_all(socket, "stream_chunk")
        leaving = asyncio.create_task(asyncio.to_thread(server.end))
        frames += await hear_all(socket, "goaway")
        assert 0 <= frames[-1]["reconnect_in_ms"] <= 10_000
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                frames.append(await hear(socket, "stream_chunk"))
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert await leaving == 0
    cursor = [frame["cursor"] for frame in frames if "seq" in frame][-1]
    server.start()
    server.ready()
    async with connect(f"{where}?after={cursor}") as socket:
        back: list[Frame] = await hear_all(socket, "stream_end")
    assert text_of(frames + back) == (await stored(http, "drained"))[1]["content"]
    url = EmbeddedPostgres(server.data).running_url()
    assert url
    conn = await asyncpg.connect(url)
    row = await conn.fetchrow("SELECT attempt, handovers, status FROM turns WHERE session_id = 'drained'")
    await conn.close()
    assert (row["status"], row["attempt"] - row["handovers"]) == ("completed", 1), "a restart is no crash"
    assert "Traceback" not in server.said()
