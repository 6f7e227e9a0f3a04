"""Metrics: one object the application makes, in Prometheus' words, base units, under `malgil_`.

Labels are few and closed: route templates, never paths; nothing named after a tenant, a user or a session.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from malgil.kit.clock import Clock

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

TurnState = Literal["queued", "running", "completed", "failed", "stopped"]

_REQUEST_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LAG_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_FIRST_PIECE_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 30.0)


class Metrics:
    """Everything that is counted, on a registry of its own, so that two applications in one process do not mix."""

    def __init__(self, version: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        self.requests = Counter(
            "malgil_http_requests", "HTTP requests answered", ["route", "method", "status"], registry=registry)
        self.request_seconds = Histogram(
            "malgil_http_request_duration_seconds", "From the request to the beginning of its answer",
            ["route", "method"], buckets=_REQUEST_SECONDS, registry=registry)
        self.requests_in_flight = Gauge(
            "malgil_http_requests_in_flight", "HTTP requests being answered, streams too", registry=registry)

        self.websockets = Gauge("malgil_websocket_connections", "Open WebSocket connections", registry=registry)
        self.sse_streams = Gauge("malgil_sse_streams", "Open event streams", registry=registry)
        self.delivery_lag = Histogram(
            "malgil_delivery_lag_seconds", "From the commit of a log entry to its hand-over to the sockets",
            buckets=_LAG_SECONDS, registry=registry)
        self.gaps_mended = Counter(
            "malgil_gaps_mended", "Gaps in what the bus brought, filled from the log", registry=registry)
        self.slow_consumers = Counter(
            "malgil_slow_consumers_closed", "Connections closed because they did not keep up", registry=registry)

        self.appends = Counter("malgil_log_appends", "Durable entries appended to the log", registry=registry)
        self.pieces = Counter("malgil_log_pieces", "Pieces of answers appended to the log", registry=registry)

        self.turns = Counter("malgil_turns", "Turns that reached a state", ["state"], registry=registry)
        self.first_piece = Histogram(
            "malgil_turn_first_piece_seconds", "From the start of a turn to the first piece of its answer",
            buckets=_FIRST_PIECE_SECONDS, registry=registry)
        self.takeovers = Counter("malgil_takeovers", "Turns taken over from a dead or frozen owner", registry=registry)

        self.pool = Gauge(
            "malgil_db_pool_connections", "Connections of the database pool", ["state"], registry=registry)
        build = Gauge("malgil_build_info", "The running version, always 1", ["version"], registry=registry)
        build.labels(version).set(1)

    def watch_pool(self, stats: Callable[[], Mapping[str, int]]) -> None:
        """Read `size`, `active`, `idle` and `limit` of the pool from `stats` whenever the metrics are read."""
        for state in ("size", "active", "idle", "limit"):
            self.pool.labels(state).set_function(_reader(stats, state))

    def turn_reached(self, state: TurnState) -> None:
        """A turn entered `state`."""
        self.turns.labels(state).inc()

    def text(self) -> bytes:
        """All of it in Prometheus' text format (CONTENT_TYPE)."""
        return generate_latest(self.registry)


class DeliveryMeter:
    """What the realtime room would have measured (its `Meter`), in these metrics."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._open: dict[str, Gauge] = {"websocket": metrics.websockets, "sse": metrics.sse_streams}

    def opened(self, transport: Literal["websocket", "sse"]) -> None:
        self._open[transport].inc()

    def closed(self, transport: Literal["websocket", "sse"]) -> None:
        self._open[transport].dec()

    def delivered(self, committed_at: datetime) -> None:
        """Another machine's clock may have stamped the commit: a lag below zero counts as none."""
        self._metrics.delivery_lag.observe(max(0.0, (self._clock.now() - committed_at).total_seconds()))

    def gap_mended(self) -> None:
        self._metrics.gaps_mended.inc()

    def slow_closed(self) -> None:
        self._metrics.slow_consumers.inc()


def _reader(stats: Callable[[], Mapping[str, int]], state: str) -> Callable[[], float]:
    return lambda: float(stats()[state])
