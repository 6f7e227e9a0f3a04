"""WebSocket fan-out, 1 → 1000 in one process, the server on one core.

1000 WebSockets in one session; a driver inside the process tells the bus of pieces (not written to the database),
20 a second, as one answer has. Everything from the bus to the socket is the product's. The limit is `for send in
sockets: await send(frame)` on bare uvicorn (websockets-sansio) with the finished frame. CPU of the process a delivery,
slices alternating on the same core. Bar: ≤ 1.3 ×.

Unicast: while that fan-out goes on, pieces come at random moments (100 a second) in another session, which one client
watches; from when a piece was due until that client has it. Bar: p99 < 10 ms.
"""

import asyncio
from typing import Any

from bench.drive import PIECE
from bench.figures import Figure, at_most, below, note, percentile
from bench.sessions import make
from bench.stage import Process, Stage, free_port
from malgil.log.model import DELTA, Entry
from malgil.realtime.framed import Framed
from malgil.realtime.frames import Frames

RATE = 20
STAMP_RATE = 100


def run(quick: bool) -> list[Figure]:
    sockets, rounds, seconds = (300, 2, 1.0) if quick else (1000, 5, 3.0)
    with Stage() as stage:
        url = stage.database()
        ours, port = stage.server("-m", "bench.product", "driven", core=0, talks=True)
        ours.hear()
        raw_port = free_port()
        raw = stage.helper("bench.bare", "sockets", str(raw_port), core=0)
        crowd, single = asyncio.run(make(url, 2))
        ours.ask("sessions", names=[crowd, single], head=1)
        before, after = _frame(crowd).split(PIECE)
        raw.ask("frame", before=before, after=after)
        clients, one = stage.helper("bench.listeners", core=1), stage.helper("bench.listeners", core=1)
        for group, at, all_path, one_path, first in (
            ("ours", port, f"/ws/chat/{crowd}", f"/ws/chat/{single}", '"connected"'),
            ("raw", raw_port, "/all", "/one", "101 Switching"),
        ):
            told = {"group": group, "kind": "ws", "port": at, "token": stage.token(), "first": first}
            clients.ask("connect", paths=[all_path] * sockets, window=100, **told)
            one.ask("connect", paths=[one_path], stamped=True, **told)
        sides = ((ours, "ours"), (raw, "raw"))
        costs = [[_cost(server, clients, group, sockets, seconds) for server, group in sides] for _ in range(rounds)]
        lags: dict[str, list[float]] = {"ours": [], "raw": []}
        for _ in range(rounds):
            for server, group in sides:
                server.ask("both", stream=1, stamp_rate=STAMP_RATE, streams=1, rate=RATE, seconds=seconds)
                lags[group] += one.ask("heard", group=group)["lags"]
    p99, raw_p99 = (1000 * percentile(lags[group], 0.99) for _, group in sides)
    p50, raw_p50 = (1000 * percentile(lags[group], 0.5) for _, group in sides)
    return [
        at_most(f"CPU a delivery, 1 → {sockets}", "µs", [(a, b) for a, b in costs], 1.3),
        below("unicast during the fan-out, p99", "ms", p99, 10, raw_p99),
        note("unicast during the fan-out, p50", "ms", p50, raw_p50),
    ]


def _cost(server: Process, clients: Process, group: str, sockets: int, seconds: float) -> float:
    """Microseconds of CPU a delivery."""
    clients.ask("heard", group=group)
    found = server.ask("pieces", streams=1, rate=RATE, seconds=seconds)
    heard = clients.ask("heard", group=group)["marks"]
    if heard < 0.99 * found["events"] * sockets:
        raise RuntimeError(f"{heard} of {found['events'] * sockets} deliveries arrived")
    return float(found["cpu"] / found["events"] / sockets * 1e6)


def _frame(session: str) -> str:
    """What the product sends for one piece."""
    data: dict[str, Any] = {"message_id": "msg_01m7x7jjz6y0x9p0vvadvxa2bh", "attempt": 1, "index": 100,
                            "offset": 1400, "content": PIECE}
    return Framed(Entry(session, 100, 100, DELTA, data, at=None), "dce6e354", Frames()).text
