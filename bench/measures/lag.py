"""Delivery lag, on one replica and across two.

Two replicas share a database and a Redis. Messages are posted at the first, 100 a second, into sessions without an
agent; each session has a WebSocket at both. Measured is from just before the post until the socket has the message,
the commit (fsync on) included: what the second socket waits more than the first is what the bus costs. A post's own
answer stands beside it. Bar: p99 < 50 ms at either (operations.md: commit → client).

Then 100 answers are written at once by the bundled model, 4 characters every 50 ms each, flushed every 40 ms, at one
replica alone: the p99 of its own histogram of the time from when a piece is appended to its hand-over to the sockets,
as the upper end of its bucket.
"""

import asyncio
import json
import time
import urllib.request

from bench.figures import Figure, below, note, percentile
from bench.sessions import make
from bench.stage import Stage
from bench.talk import Http

RATE = 100
LAGS = "malgil_delivery_lag_seconds_bucket"


def run(quick: bool) -> list[Figure]:
    sessions, seconds, answers = (20, 2.0, 30) if quick else (50, 10.0, 100)
    with Stage() as stage:
        url = stage.database()
        stage.redis()
        ports = [stage.server()[1] for _ in range(2)]
        names = asyncio.run(make(url, sessions))
        clients = stage.helper("bench.listeners")
        for group, port in zip(("here", "there"), ports, strict=True):
            clients.ask(
                "connect", group=group, kind="ws", port=port, token=stage.token(), first='"connected"', stamped=True,
                paths=[f"/ws/{name}" for name in names],
            )
        posts = asyncio.run(_post(ports[0], stage.token(), names, seconds))
        time.sleep(1.5)
        here, there = (clients.ask("heard", group=group)["lags"] for group in ("here", "there"))
        if min(len(here), len(there)) < len(posts):
            raise RuntimeError(f"of {len(posts)} messages {len(here)} and {len(there)} were heard")
    with Stage() as stage:
        stage.database()
        _, port = stage.server(STREAM_DELAY_MS="50", STREAM_CHUNK_SIZE="4")
        asyncio.run(_answers(port, stage.token(), answers))
        pieces = _p99(_buckets(port))
    return [
        note("a post, p50", "ms", 1000 * percentile(posts, 0.5)),
        note("a post, p99", "ms", 1000 * percentile(posts, 0.99)),
        note("posted until seen at the same replica, p50", "ms", 1000 * percentile(here, 0.5)),
        below("posted until seen at the same replica, p99", "ms", 1000 * percentile(here, 0.99), 50),
        note("posted until seen at the other replica, p50", "ms", 1000 * percentile(there, 0.5)),
        below("posted until seen at the other replica, p99", "ms", 1000 * percentile(there, 0.99), 50),
        below(f"pieces of {answers} answers at once, commit until handed over, p99 (bucket)", "ms", 1000 * pieces, 50),
    ]


async def _post(port: int, token: str, names: list[str], seconds: float) -> list[float]:
    """How long each post took, evenly spread, each session on a connection of its own."""
    took: list[float] = []

    async def keep_posting(place: int, name: str) -> None:
        http = await Http.open(port, token)
        every = len(names) / RATE
        begun = time.monotonic() + every * place / len(names)
        for number in range(int(seconds / every)):
            await asyncio.sleep(max(0.0, begun + number * every - time.monotonic()))
            sent = time.perf_counter()
            await http.ask("POST", f"/api/chat/sessions/{name}/messages", {"content": str(time.monotonic_ns())})
            took.append(time.perf_counter() - sent)
        http.close()

    await asyncio.gather(*(keep_posting(place, name) for place, name in enumerate(names)))
    return took


async def _answers(port: int, token: str, count: int) -> None:
    async def one() -> None:
        http = await Http.open(port, token)
        session = json.loads(await http.ask("POST", "/api/chat/sessions", {}))["session_id"]
        await http.ask("POST", "/agent/chat", {"task": "환불 규정 알려 주세요", "session_id": session})
        http.close()

    await asyncio.gather(*(one() for _ in range(count)))


def _buckets(port: int) -> dict[float, float]:
    """The histogram of delivery lags so far: upper end → count of all below it."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    found = {}
    for line in text.splitlines():
        if line.startswith(LAGS):
            found[float(line.split('le="')[1].split('"')[0])] = float(line.rsplit(" ", 1)[1])
    return found


def _p99(counts: dict[float, float]) -> float:
    most = max(counts.values())
    return min(end for end, count in counts.items() if count >= 0.99 * most)
