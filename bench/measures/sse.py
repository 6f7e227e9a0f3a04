"""Event streams: 1000 of them, 20 pieces a second on each, the server on one core.

The product: `GET …/events` as a stream, each of a session of its own; a driver inside the process tells the bus of
pieces (prepared outside of the measured time, not written to the database: this measures delivery). Everything from
the bus to the socket is the product's, its reconciliation with the database once a second included. The limit is a raw
ASGI handler that takes the finished bytes of such an event from a queue and sends them. CPU of the process an event,
slices alternating on the same core. Bar: ≤ 1.3 ×.

Before that the 1000 arrive over 2 s: from when a client was due to connect until it has the first entry of its
session's log (`after=start`, so it is read from the database). Bar: p99 < 50 ms. The limit sends its first bytes at
once.
"""

import asyncio
from typing import Any

from bench.drive import PIECE
from bench.figures import Figure, at_most, below, note
from bench.sessions import make
from bench.stage import Process, Stage, free_port
from malgil.agents.frames import FRAMES
from malgil.log.model import DELTA, Entry
from malgil.realtime.framed import Framed
from malgil.realtime.frames import Frames

RATE = 20


def run(quick: bool) -> list[Figure]:
    streams, rounds, seconds = (300, 2, 1.0) if quick else (1000, 5, 3.0)
    with Stage() as stage:
        url = stage.database()
        ours, port = stage.server("-m", "bench.product", "driven", core=0, talks=True)
        ours.hear()
        raw_port = free_port()
        raw = stage.helper("bench.bare", "streams", str(raw_port), core=0)
        sessions = asyncio.run(make(url, streams))
        ours.ask("sessions", names=sessions, head=1)
        raw.ask("event", event=_event(sessions[0]))
        clients = stage.helper("bench.listeners", core=1)
        arrived = clients.ask(
            "connect", group="ours", kind="sse", port=port, token=stage.token(), over=2.0 * streams / 1000,
            first="data: ", paths=[f"/api/chat/sessions/{one}/events?after=start" for one in sessions],
        )
        met = clients.ask(
            "connect", group="raw", kind="sse", port=raw_port, token="", over=2.0 * streams / 1000, first="data: ",
            paths=[f"/{number}" for number in range(streams)],
        )
        how = {"streams": streams, "rate": RATE, "seconds": seconds}
        pairs, late = [], []
        for _ in range(rounds):
            found = [_slice(one, clients, group, how) for one, group in ((ours, "ours"), (raw, "raw"))]
            pairs.append((found[0]["cost"], found[1]["cost"]))
            late.append(found[0]["late"])
    return [
        at_most(f"CPU an event, {streams} streams × {RATE}/s", "µs", pairs, 1.3),
        below("first event, p99", "ms", 1000 * arrived["p99"], 50, 1000 * met["p99"]),
        note("first event, p50", "ms", 1000 * arrived["p50"], 1000 * met["p50"]),
        note("how far the driver inside the server fell behind at worst", "ms", 1000 * max(late)),
    ]


def _slice(server: Process, clients: Process, group: str, how: dict[str, Any]) -> dict[str, float]:
    clients.ask("heard", group=group)
    found = server.ask("pieces", **how)
    heard = clients.ask("heard", group=group)["marks"]
    if heard < 0.99 * found["events"]:
        raise RuntimeError(f"{heard} of {found['events']} events arrived")
    return {"cost": found["cpu"] / found["events"] * 1e6, "late": found["late"]}


def _event(session: str) -> str:
    """What the product sends for one piece."""
    data = {"message_id": "msg_01m7x7jjz6y0x9p0vvadvxa2bh", "attempt": 1, "index": 100, "offset": 1400,
            "content": PIECE}
    entry = Entry(session, 100, 100, DELTA, data, at=None)
    return Framed(entry, "dce6e354", Frames(FRAMES)).event.decode()
