"""The limit of writing: the product's append statement from the bare driver, in a process of its own."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg
import uvloop

from bench.commands import obey
from bench.figures import percentile
from malgil.log.store import _APPEND


async def run(
    *, url: str, streams: list[str], fact: str, connections: int, seconds: float, warm: float = 0.3
) -> dict[str, Any]:
    """As many connections, each appending one fact after the other to a stream of its own; each append commits."""
    opened = [await asyncpg.connect(url) for _ in range(connections)]
    begun, used = time.perf_counter(), time.process_time()
    opens, closes = begun + warm, begun + warm + seconds
    taken: list[float] = []

    async def append(conn: Any, stream: str) -> None:
        while (at := time.perf_counter()) < closes:
            rows = await conn.fetch(
                _APPEND, [stream], [1], [None], [None], [None], ["bench"], [1], [1], ["message.created"], [1], [fact],
                datetime.now(UTC),
            )
            if rows[0]["head"] is None:
                raise RuntimeError(f"refused: {rows[0]}")
            now = time.perf_counter()
            if at >= opens and now <= closes:
                taken.append(now - at)

    await asyncio.gather(*(append(conn, streams[i % len(streams)]) for i, conn in enumerate(opened)))
    own = (time.process_time() - used) / (time.perf_counter() - begun)
    for conn in opened:
        await conn.close()
    return {
        "rate": len(taken) / seconds, "p50": percentile(taken, 0.5), "p99": percentile(taken, 0.99), "own_cpu": own
    }


if __name__ == "__main__":
    uvloop.run(obey({"run": run}))
