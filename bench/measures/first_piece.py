"""First piece, stored durably: a message over a WebSocket until the first `stream_chunk` at the client.

One stream, the bundled offline model, no tool (a greeting): the message and its turn are committed, the turn is taken
by the worker, the model speaks, its first piece is committed, announced and sent. The next message follows when the
answer has ended. No bar: what the model adds is in it. (The bar of the specification is for hosted models.)
"""

import asyncio
import json
import time

from websockets.asyncio.client import connect

from bench.figures import Figure, note, percentile
from bench.stage import Stage
from bench.talk import Http


def run(quick: bool) -> list[Figure]:
    with Stage() as stage:
        stage.database()
        _, port = stage.server()
        chunks, ends = asyncio.run(_ask(port, stage.token(), 30 if quick else 300))
    return [
        note("message to first piece, p50", "ms", 1000 * percentile(chunks, 0.5)),
        note("message to first piece, p99", "ms", 1000 * percentile(chunks, 0.99)),
        note("message to the end of the answer, p50", "ms", 1000 * percentile(ends, 0.5)),
    ]


async def _ask(port: int, token: str, times: int) -> tuple[list[float], list[float]]:
    http = await Http.open(port, token)
    session = json.loads(await http.ask("POST", "/api/chat/sessions", {}))["session_id"]
    http.close()
    chunks, ends = [], []
    url = f"ws://127.0.0.1:{port}/ws/chat/{session}?token={token}"
    async with connect(url, proxy=None, compression=None) as socket:
        for number in range(times + 5):
            begun, first = time.perf_counter(), 0.0
            await socket.send(json.dumps({"type": "message", "content": "안녕하세요"}))
            while (kind := json.loads(await socket.recv())["type"]) != "stream_end":
                if kind == "stream_chunk":
                    first = first or time.perf_counter() - begun
            if number >= 5:
                chunks.append(first)
                ends.append(time.perf_counter() - begun)
    return chunks, ends
