"""The driver inside a server under test, the same for the product and for the bare one: says pieces at a steady rate.

What a piece is made of is prepared outside of the measured time: in the product it would come from the database, and
this measures delivery.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

PIECE = "주문을 확인하고 있어요, "
PARTS = 10

Prepare = Callable[[int, str], Any]
"""From (number of the stream, text) to whatever `tell` takes."""
Tell = Callable[[Any], Awaitable[None]]


async def pieces(prepare: Prepare, tell: Tell, *, streams: int, rate: int, seconds: float) -> dict[str, Any]:
    """`rate` pieces a second on each of the streams, spread evenly; {"events", "cpu" in seconds, "late" in seconds}.

    `cpu` is that of the whole process. `late`: how far the driver fell behind its own clock at worst.
    """
    parts = min(PARTS, streams)
    step = 1 / rate / parts
    begun, used, own, late, events = time.monotonic(), time.process_time(), 0.0, 0.0, 0
    for number in range(round(rate * seconds)):
        for part in range(parts):
            before = time.process_time()
            prepared = [prepare(stream, PIECE) for stream in range(part, streams, parts)]
            own += time.process_time() - before
            for one in prepared:
                await tell(one)
            events += len(prepared)
            due = begun + (number * parts + part + 1) * step
            late = max(late, time.monotonic() - due)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.sleep(0.2)
    return {"events": events, "cpu": time.process_time() - used - own, "late": late}


async def stamps(
    prepare: Prepare, tell: Tell, *, stream: int, rate: float, seconds: float, width: int = 0
) -> dict[str, Any]:
    """Pieces at random moments on one stream. Their text is the moment at which they were due, in nanoseconds.

    It is at least `width` digits long.

    Being late because the event loop was busy is therefore part of what the client measures.
    """
    chance = random.Random(1)
    begun = due = time.monotonic()
    sent = 0
    while due < begun + seconds:
        due += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await tell(prepare(stream, str(round(due * 1e9)).zfill(width)))
        sent += 1
    return {"events": sent}
