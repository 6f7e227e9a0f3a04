"""Metrics: one object the application makes, in Prometheus' words, base units, under `malgil_`.

Labels are few and closed: route templates, never paths; nothing named after a tenant, a user or a session.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

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

        self.search_lag = Histogram(
            "malgil_search_lag_seconds", "From the commit of a message to its being in the search index",
            buckets=_LAG_SECONDS, registry=registry)
        self.appends = Counter("malgil_log_appends", "Durable entries appended to the log", registry=registry)
        self.pieces = Counter("malgil_log_pieces", "Pieces of answers appended to the log", registry=registry)

        self.turns = Counter("malgil_turns", "Turns that reached a state", ["state"], registry=registry)
        self.first_piece = Histogram(
            "malgil_turn_first_piece_seconds", "From the start of a turn to the first piece of its answer",
            buckets=_FIRST_PIECE_SECONDS, registry=registry)
        self.takeovers = Counter("malgil_takeovers", "Turns taken over from a dead or frozen owner", registry=registry)

        self.pool = Gauge(
            "malgil_db_pool_connections", "Connections of the database pool", ["state"], registry=registry)
        self.limit_fallback = Gauge(
            "malgil_rate_limit_fallback", "1 while limits are kept by this process alone for want of Redis",
            registry=registry)

        self.table_bytes = Gauge(
            "malgil_db_table_bytes", "Size of a table with its indexes", ["table"], registry=registry)
        self.table_rows = Gauge(
            "malgil_db_table_rows", "Rows of a table, as PostgreSQL estimates them", ["table"], registry=registry)
        build = Gauge("malgil_build_info", "The running version, always 1", ["version"], registry=registry)
        build.labels(version).set(1)

    def watch_pool(self, stats: Callable[[], Mapping[str, int]]) -> None:
        """Read `size`, `active`, `idle` and `limit` of the pool from `stats` whenever the metrics are read."""
        for state in ("size", "active", "idle", "limit"):
            self.pool.labels(state).set_function(_reader(stats, state))

    def watch_bus(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Read how many messages went to other processes, came from them and were lost whenever metrics are read."""
        self.registry.register(_Counts("malgil_bus_messages", "Messages between processes", "state", counts))

    def watch_cache(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Read which level of the cache answered how often whenever the metrics are read."""
        self.registry.register(_Counts("malgil_cache_reads", "Reads of the cache, by who answered", "level", counts))

    def tables_measured(self, sizes: Iterable[tuple[str, int, int]]) -> None:
        """(table, bytes, rows) of each table."""
        for table, size, rows in sizes:
            self.table_bytes.labels(table).set(size)
            self.table_rows.labels(table).set(rows)

    def watch_limits(self, counts: Callable[[], Mapping[str, int]], fallen_back: Callable[[], bool]) -> None:
        """Read how many requests and messages were allowed and refused, and whether Redis is out of reach."""
        name, text = "malgil_rate_limit_decisions", "Requests and messages that the limits allowed or refused"
        self.registry.register(_Counts(name, text, "decision", counts))
        self.limit_fallback.set_function(lambda: float(fallen_back()))

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

    def indexed(self, committed_at: datetime) -> None:
        """What was committed then can be found now."""
        self._metrics.search_lag.observe(max(0.0, (self._clock.now() - committed_at).total_seconds()))

    def gap_mended(self) -> None:
        self._metrics.gaps_mended.inc()

    def slow_closed(self) -> None:
        self._metrics.slow_consumers.inc()


class _Counts(Collector):
    """Counters that somebody else keeps as plain numbers."""

    def __init__(self, name: str, text: str, label: str, counts: Callable[[], Mapping[str, int]]) -> None:
        self._name, self._text, self._label, self._counts = name, text, label, counts

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._text, labels=[self._label])
        for value, count in self._counts().items():
            family.add_metric([value], count)
        yield family


def _reader(stats: Callable[[], Mapping[str, int]], state: str) -> Callable[[], float]:
    return lambda: float(stats()[state])
