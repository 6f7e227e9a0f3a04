"""Start: `malgil serve` with the embedded database, from the start of the process until /health/ready answers 200.

First start: an empty DATA_DIR, so the database is made and migrated, and no byte code on the disk, as after a fresh
installation. Second start: the same again after a clean stop. Memory: the server's resident set 5 s after it was
ready, second start; beside it the proportional share of the database's processes. Bars: second start < 3 s, < 200 MiB.
The medians of three installations.
"""

import statistics
import time

import psutil

from bench.figures import Figure, below, note
from bench.stage import SERVE, Stage, free_port, wait_ready


def run(quick: bool) -> list[Figure]:
    installations, rest = (1, 1.0) if quick else (3, 5.0)
    first, second, memory, database = [], [], [], []
    for _ in range(installations):
        with Stage() as stage:
            for seconds in (first, second):
                port = free_port()
                begun = time.monotonic()
                server = stage.python(
                    *SERVE, DATA_DIR=str(stage.folder / "data"), SERVICE_PORT=str(port),
                    PYTHONPYCACHEPREFIX=str(stage.folder / "cache"),
                )
                seconds.append(wait_ready(port, server) - begun)
                if seconds is second:
                    time.sleep(rest)
                    memory.append(server.rss() / 2**20)
                    database.append(_shared_fairly(server.child.pid) / 2**20)
                server.stop()
    middle = statistics.median
    return [
        below("second start to ready", "s", middle(second), 3),
        below("memory at rest", "MiB", middle(memory), 200),
        note("first start to ready, nothing there yet", "s", middle(first)),
        note("memory of the database's processes, shared pages counted once", "MiB", middle(database)),
    ]


def _shared_fairly(pid: int) -> float:
    """Bytes of all children, each page divided among those that share it; 0 where the system does not tell."""
    total = 0.0
    for child in psutil.Process(pid).children(recursive=True):
        try:
            total += getattr(child.memory_full_info(), "pss", 0)
        except psutil.Error:
            continue
    return total
