"""Idle WebSockets: what each costs in memory, 10,000 of them in one process.

Growth of the server's resident memory divided by their number, after 500 others have come and gone; once with all of
them in one session, once each in a session of its own, which is what people have. The limit is bare uvicorn with a
handler that accepts and waits. Bar: ≤ 25 KiB each. Where the limit of open files forbids 10,000 it is as many as it
allows (the row says how many).
"""

import asyncio
import resource
import time

from bench.figures import Figure, below, note
from bench.sessions import make
from bench.stage import Process, Stage, free_port

WANTED = 10_000
WARM = 500
WINDOW = 100


def run(quick: bool) -> list[Figure]:
    count = min(1000 if quick else WANTED, _files() - 1000)
    with Stage() as stage:
        url = stage.database()
        token = stage.token()
        sessions = asyncio.run(make(url, count))
        raw_port = free_port()
        raw = stage.helper("bench.bare", "sockets", str(raw_port))
        limit, _, bare_opening = _grown(stage, raw, raw_port, token, ["/all"] * count, "101 Switching")
        raw.stop()
        found = {}
        for name, paths in (("one session", sessions[:1] * count), ("a session each", sessions)):
            server, port = stage.server()
            found[name] = _grown(stage, server, port, token, [f"/ws/chat/{one}" for one in paths], '"connected"')
            server.stop()
    figures: list[Figure] = []
    for name, (grown, cpu, opening) in found.items():
        figures.append(below(f"memory of an idle WebSocket, {count:,} in {name}", "KiB", grown, 25, limit))
        figures.append(note(f"CPU of all {count:,} at rest, in {name}", "% of a core", cpu))
        figures.append(note(f"CPU of opening one, in {name}", "µs", opening, bare_opening))
    return figures


def _grown(
    stage: Stage, server: Process, port: int, token: str, paths: list[str], first: str
) -> tuple[float, float, float]:
    """(KiB a connection, % of a core while nothing happens, µs of CPU to open one)."""
    clients = stage.helper("bench.listeners")
    told = {"kind": "ws", "port": port, "token": token, "first": first}
    clients.ask("connect", group="warm", paths=paths[:WARM], window=WINDOW, **told)
    clients.ask("leave", group="warm")
    time.sleep(1.0)
    before, used = server.rss(), server.cpu()
    clients.ask("connect", group="idle", paths=paths, window=WINDOW, **told)
    opening = (server.cpu() - used) / len(paths) * 1e6
    time.sleep(2.0)
    grown = (server.rss() - before) / len(paths) / 1024
    used = server.cpu()
    time.sleep(4.0)
    cpu = 100 * (server.cpu() - used) / 4.0
    clients.ask("heard", group="idle")  # raises if any was lost
    clients.stop()
    return grown, cpu, opening


def _files() -> int:
    """How many files a process may have open, raised as far as we may; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * WANTED if hard == resource.RLIM_INFINITY else min(hard, 2 * WANTED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
