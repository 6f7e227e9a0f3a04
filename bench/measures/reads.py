"""REST reads: `GET …/messages`, the 20 messages of a session, 32 connections on 32 sessions.

CPU of the server process a request; slices of both alternate. The limit is a raw ASGI handler that runs the same
SELECT on bare asyncpg (32 connections, rows left as the driver made them) and sends the same bytes, prepared
beforehand: it turns nothing into JSON. Bar: ≤ 3 ×. The database's own CPU is the same on both sides and not counted;
the row that counts it in is told for those who pay for the whole machine.
"""

import asyncio

from bench.figures import Figure, at_least, at_most, note
from bench.sessions import make
from bench.stage import USER, Process, Stage, free_port
from bench.talk import Http, request
from malgil.chat.model import SEQ_MOST
from malgil.chat.store import _PAGE_DOWN

CONNECTIONS = 32
MESSAGES = 20


def run(quick: bool) -> list[Figure]:
    rounds, seconds = (2, 0.7) if quick else (6, 2.0)
    with Stage() as stage:
        url = stage.database()
        server, port = stage.server()
        sessions = asyncio.run(make(url, CONNECTIONS, messages=MESSAGES))
        paths = [f"/api/chat/sessions/{one}/messages?limit={MESSAGES}" for one in sessions]
        raw_port = free_port()
        raw = stage.helper("bench.bare", "select", str(raw_port))
        raw.ask("body", body=asyncio.run(_get(port, stage.token(), paths[0])))
        raw.ask("prepare", url=url, sql=_PAGE_DOWN, size=CONNECTIONS,
                arguments=[sessions[0], "default", USER, -1, SEQ_MOST, MESSAGES + 1])
        load = stage.helper("bench.load")
        requests = [request("GET", path, stage.token()) for path in paths]
        costs = [
            [_cost(stage, one, load, at, requests, seconds) for one, at in ((server, port), (raw, raw_port))]
            for _ in range(rounds)
        ]
    pairs = {key: [(a[key], b[key]) for a, b in costs] for key in ("cpu", "whole", "rate", "load")}
    return [
        at_most("CPU of the server a request", "µs", pairs["cpu"], 3),
        at_most("the same with the database's CPU", "µs", pairs["whole"], None),
        at_least("requests a second", "/s", pairs["rate"], None),
        note("CPU of the load generator (must stay well under 100)", "% of a core",
             100 * max(max(pair) for pair in pairs["load"])),
    ]


def _cost(
    stage: Stage, server: Process, load: Process, port: int, requests: list[str], seconds: float
) -> dict[str, float]:
    before, database = server.cpu(), stage.database_cpu()
    found = load.ask("run", port=port, requests=requests, connections=CONNECTIONS, seconds=seconds)
    own, database = server.cpu() - before, stage.database_cpu() - database
    cpu = own / found["total"] * 1e6
    return {
        "cpu": cpu, "whole": cpu + database / found["total"] * 1e6, "rate": found["rate"], "load": found["own_cpu"]
    }


async def _get(port: int, token: str, path: str) -> str:
    http = await Http.open(port, token)
    body = await http.ask("GET", path)
    http.close()
    return body.decode()
