"""Growth: a session with 100,000 messages against sessions with 10.

One client, one request at a time, the two kinds in turn (and in turn first); medians. Append: `POST …/messages`.
Open: `GET` of the session, `GET` of its last 10 messages (so that both send the same bytes), and a WebSocket that
comes back with the cursor of the log's end, from connecting until `live`. The limit is the small session; small ones
are changed after every 10 appends, so that they stay small. Bar: ≤ 1.1 ×.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import connect

from bench.figures import Figure
from bench.sessions import TEXT, make
from bench.stage import Stage
from bench.talk import Http

FEW = 10
APPENDS_EACH = 10

Timed = Callable[[str], Awaitable[float]]


def run(quick: bool) -> list[Figure]:
    many, pairs = (5_000, 60) if quick else (100_000, 400)
    with Stage() as stage:
        url = stage.database()
        (large,) = asyncio.run(make(url, 1, messages=many))
        small = asyncio.run(make(url, pairs // APPENDS_EACH, messages=FEW))
        _, port = stage.server()
        return asyncio.run(_measure(port, stage.token(), large, small, many))


async def _measure(port: int, token: str, large: str, small: list[str], many: int) -> list[Figure]:
    person = _Person(await Http.open(port, token), port, token)
    figures = []
    for what, timed in (("append", person.append), ("open", person.open)):
        await _taken(timed, large, small[:2])  # warm
        ours, theirs = await _taken(timed, large, small)
        measured, limit = 1000 * statistics.median(ours), 1000 * statistics.median(theirs)
        ratio = measured / limit
        figures.append(Figure(
            f"{what}, {many:,} messages against {FEW}", "ms", measured, "≤ 1.1 ×", limit, ratio, ratio <= 1.1
        ))
    person.http.close()
    return figures


async def _taken(timed: Timed, large: str, small: list[str]) -> tuple[list[float], list[float]]:
    ours, theirs = [], []
    for one in small:
        for number in range(APPENDS_EACH):
            if number % 2:
                ours.append(await timed(large))
                theirs.append(await timed(one))
            else:
                theirs.append(await timed(one))
                ours.append(await timed(large))
    return ours, theirs


class _Person:
    def __init__(self, http: Http, port: int, token: str) -> None:
        self.http = http
        self._url = f"ws://127.0.0.1:{port}/ws/chat/"
        self._token = token
        self._cursors: dict[str, str] = {}

    async def append(self, session: str) -> float:
        begun = time.perf_counter()
        await self.http.ask("POST", f"/api/chat/sessions/{session}/messages", {"content": TEXT})
        return time.perf_counter() - begun

    async def open(self, session: str) -> float:
        if session not in self._cursors:
            async with self._socket(session, "") as socket:
                self._cursors[session] = json.loads(await socket.recv())["cursor"]
        begun = time.perf_counter()
        await self.http.ask("GET", f"/api/chat/sessions/{session}")
        await self.http.ask("GET", f"/api/chat/sessions/{session}/messages?limit={FEW}")
        async with self._socket(session, f"&after={self._cursors[session]}") as socket:
            while json.loads(await socket.recv())["type"] != "live":
                pass
            return time.perf_counter() - begun

    def _socket(self, session: str, query: str) -> connect:
        return connect(f"{self._url}{session}?token={self._token}{query}", proxy=None, compression=None)
