"""Clients that stop reading: what the others notice, and how long we put up with it.

200 WebSockets in one session, the server on one core; a driver inside says 20 pieces of 4 KB a second, each the moment
at which it was due. Slices alternate between nobody else there, and one or ten more clients there that were let in and
read nothing: small receive buffer, packets as on the Internet (with those of loopback the system itself would take
megabytes for them), and so long ago that the server is left with what they do not take. Bar: p99 of the others'
latency ≤ 1.1 × of that without them.

Then ten come, do not read, and are left alone: how long until the server has closed them all (what they find when they
read at last must be 4001; who reads too late for that finds the end), and how much more memory it held by then.
"""

import asyncio
import re
import socket
import statistics
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from bench.figures import Figure, at_most, below, note, percentile
from bench.sessions import make
from bench.stage import Process, Stage

OTHERS = 200
RATE = 20
WIDTH = 4000
STOPPED = (1, 10)
FILLING = 5.0
PATIENCE = 60.0
SLOW_CLOSE = 4001
_CLOSED = re.compile(r"^malgil_slow_consumers_closed_total(?:\{.*\})? (\S+)$", re.MULTILINE)


def run(quick: bool) -> list[Figure]:
    rounds, seconds = (1, 3.0) if quick else (5, 6.0)
    with Stage() as stage:
        url = stage.database()
        server, port = stage.server("-m", "bench.product", "driven", core=0, talks=True)
        server.hear()
        # A session for each slice: what the driver says is in no log, so all must be there before it speaks.
        names = asyncio.run(make(url, 2 * len(STOPPED) * rounds + 3))
        server.ask("sessions", names=names, head=1)
        hall = _Hall(server, stage.helper("bench.listeners", core=1), port, stage.token(), names)
        hall.p99(0, seconds)
        pairs: dict[int, list[tuple[float, float]]] = {count: [] for count in STOPPED}
        for _ in range(rounds):
            for count in STOPPED:
                alone = hall.p99(0, seconds)
                pairs[count].append((hall.p99(count, seconds), alone))
        patience, held = hall.put_up_with(max(STOPPED))
    return [
        *(at_most(f"p99 of {OTHERS} with {count} stopped, and without", "ms", pairs[count], 1.1) for count in STOPPED),
        below(f"until {max(STOPPED)} stopped ones are closed {SLOW_CLOSE}", "s", patience, 30),
        note("memory more by then", "KiB", held / 1024),
    ]


class _Hall:
    """Sessions one after the other, each with its own crowd. The first of `names` is for whom nobody hears."""

    def __init__(self, server: Process, clients: Process, port: int, token: str, names: list[str]) -> None:
        self._server = server
        self._clients = clients
        self._port = port
        self._token = token
        self._names = names
        self._stream = 0

    def p99(self, stopped: int, seconds: float) -> float:
        """Milliseconds from when a piece was due until one of the others had it, `stopped` not reading."""
        path = self._next()
        self._clients.ask(
            "connect", group=path, kind="ws", port=self._port, token=self._token, paths=[path] * OTHERS,
            first='"connected"', window=100, stamped=True,
        )
        sockets = [self._ask(path) for _ in range(stopped)]
        time.sleep(1.0)
        self._say(FILLING)
        time.sleep(0.2)
        self._clients.ask("heard", group=path)
        self._say(seconds)
        time.sleep(0.2)
        lags = self._clients.ask("heard", group=path)["lags"]
        self._clients.ask("leave", group=path)
        for one in sockets:
            one.close()
        return 1000 * percentile(lags, 0.99)

    def put_up_with(self, count: int) -> tuple[float, float]:
        """Seconds from the first piece until all that stopped were closed, and bytes that the server then held more."""
        path = self._next()
        before, closed = self._server.rss(), _closed(self._port)
        sockets = [self._ask(path) for _ in range(count)]
        time.sleep(1.0)
        speech = threading.Thread(target=self._say, args=(PATIENCE / 2,))
        begun = time.monotonic()
        speech.start()
        held = []
        while _closed(self._port) < closed + count:
            held.append(self._server.rss() - before)
            if time.monotonic() > begun + PATIENCE:
                raise RuntimeError("the stopped are still there")
            time.sleep(0.1)
        took = time.monotonic() - begun
        with ThreadPoolExecutor(count) as pool:
            codes = set(pool.map(_close_code, sockets))
        speech.join()
        if SLOW_CLOSE not in codes or codes - {SLOW_CLOSE, 0}:
            raise RuntimeError(f"closed with {codes}")
        return took, statistics.fmean(held[-5:])

    def _next(self) -> str:
        self._stream += 1
        return f"/ws/{self._names[self._stream]}"

    def _say(self, seconds: float) -> None:
        """Stamps to the crowd; the driver's own pieces go where nobody listens."""
        self._server.ask(
            "both", stream=self._stream, stamp_rate=RATE, width=WIDTH, streams=1, rate=1, seconds=seconds
        )

    def _ask(self, path: str) -> socket.socket:
        return _ask(self._port, path, self._token)


def _ask(port: int, path: str, token: str) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
    sock.connect(("127.0.0.1", port))
    lines = (
        f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "\r\n",
    )
    sock.sendall("\r\n".join(lines).encode())
    return sock


def _closed(port: int) -> float:
    """How many slow clients the server has closed."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    return sum(float(found) for found in _CLOSED.findall(text))


def _close_code(sock: socket.socket) -> int:
    """The code of the close frame that ends what a client finds when it reads at last; 0: none."""
    sock.settimeout(20)
    end = b""
    with sock:
        while chunk := sock.recv(65536):
            end = (end + chunk)[-256:]
    at = end.rfind(b"\x88")
    return int.from_bytes(end[at + 2 : at + 4], "big") if at >= 0 else 0
