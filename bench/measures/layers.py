"""The layer in front: trace, metrics, problems, guard, limits, body limit, and who is calling (a signed token).

`GET /bench`, a route of the product's own kind (`malgil.app.plain`) that answers 15 bytes, first in the table: through
everything, and on the same router without the layers and without authentication. CPU of the server process a request,
16 connections, each server on the same core, slices alternating. Bar: ≤ 1.6 ×. Beside it what a raw ASGI handler takes
that sends the same body.
"""

from bench.figures import Figure, at_most
from bench.stage import Process, Stage, free_port
from bench.talk import request

CONNECTIONS = 16


def run(quick: bool) -> list[Figure]:
    rounds, seconds = (2, 0.7) if quick else (6, 2.0)
    with Stage() as stage:
        stage.database()
        layered, port = stage.server("-m", "bench.product", "layered", core=0)
        router, router_port = stage.server("-m", "bench.product", "bare_route", core=0)
        raw_port = free_port()
        raw = stage.helper("bench.bare", "constant", str(raw_port), core=0)
        load = stage.helper("bench.load", core=1)
        servers = ((layered, port), (router, router_port), (raw, raw_port))
        asked = [request("GET", "/bench", stage.token())]
        costs = []
        for _ in range(rounds):
            costs.append([_cost(server, load, at, asked, seconds) for server, at in servers])
    return [
        at_most("CPU of a trivial GET with the layers, and without", "µs", [(a, b) for a, b, _ in costs], 1.6),
        at_most("CPU of the same without the layers, and raw ASGI", "µs", [(b, c) for _, b, c in costs], None),
    ]


def _cost(server: Process, load: Process, port: int, requests: list[str], seconds: float) -> float:
    """Microseconds of CPU a request."""
    before = server.cpu()
    found = load.ask("run", port=port, requests=requests, connections=CONNECTIONS, seconds=seconds)
    return (server.cpu() - before) / found["total"] * 1e6
