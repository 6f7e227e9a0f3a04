"""Metrics: what is counted, under which names, by route template."""

from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import ClientDisconnect

from malgil.observe.metrics import DeliveryMeter, Metrics
from malgil.observe.requests import UNMATCHED
from tests.fixtures.edge import edge_of
from tests.fixtures.time import FakeClock


class Route:
    path = "/api/chat/sessions/{session_id}"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def ask(app: Any, scope: dict[str, Any]) -> None:
    async def send(message: Any) -> None: ...

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    await app({"headers": [], **scope}, receive, send)


def layered(metrics: Metrics, clock: FakeClock, *, status: int = 200, route: Any = None, takes: float = 0.0) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.advance(takes)
        if route is not None:
            scope["route"] = route
        assert value(metrics, "malgil_http_requests_in_flight") == 1
        await send({"type": "http.response.start", "status": status, "headers": []})
        clock.advance(100)  # a stream goes on; only the time to its beginning counts
        await send({"type": "http.response.body", "body": b""})

    return edge_of(app, clock, metrics)


async def test_requests_are_counted_by_template_method_and_status(metrics: Metrics, clock: FakeClock) -> None:
    app = layered(metrics, clock, route=Route, takes=0.2)
    for number in range(3):
        await ask(app, {"type": "http", "method": "GET", "path": f"/api/chat/sessions/sess_{number}"})
    labels = {"route": Route.path, "method": "GET"}
    assert value(metrics, "malgil_http_requests_total", **labels, status="200") == 3
    assert value(metrics, "malgil_http_request_duration_seconds_count", **labels) == 3
    assert value(metrics, "malgil_http_request_duration_seconds_sum", **labels) == pytest.approx(0.6)
    assert value(metrics, "malgil_http_requests_in_flight") == 0
    assert b"sess_" not in metrics.text()


async def test_paths_and_methods_of_a_scanner_make_no_new_series(metrics: Metrics, clock: FakeClock) -> None:
    app = layered(metrics, clock, status=404)
    for number in range(5):
        await ask(app, {"type": "http", "method": f"X{number}", "path": f"/admin/{number}.php"})
    assert value(metrics, "malgil_http_requests_total", route=UNMATCHED, method="other", status="404") == 5


async def test_a_request_that_breaks_off_is_counted_and_no_longer_in_flight(
    metrics: Metrics, clock: FakeClock
) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ClientDisconnect

    await ask(edge_of(broken, clock, metrics), {"type": "http", "method": "GET", "path": "/"})
    assert value(metrics, "malgil_http_requests_total", route=UNMATCHED, method="GET", status="499") == 1
    assert value(metrics, "malgil_http_request_duration_seconds_count", route=UNMATCHED, method="GET") is None
    assert value(metrics, "malgil_http_requests_in_flight") == 0


async def test_sockets_pass_uncounted(metrics: Metrics, clock: FakeClock) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    await ask(edge_of(app, clock, metrics), {"type": "websocket", "path": "/ws/s"})
    assert value(metrics, "malgil_http_requests_in_flight") == 0


def test_the_delivery_meter(metrics: Metrics, clock: FakeClock) -> None:
    meter = DeliveryMeter(metrics, clock)
    meter.opened("websocket")
    meter.opened("websocket")
    meter.closed("websocket")
    meter.opened("sse")
    meter.gap_mended()
    meter.slow_closed()
    meter.delivered(clock.now() - timedelta(milliseconds=3))
    meter.delivered(clock.now() + timedelta(seconds=5))  # the other machine's clock runs ahead
    assert value(metrics, "malgil_websocket_connections") == 1
    assert value(metrics, "malgil_sse_streams") == 1
    assert value(metrics, "malgil_gaps_mended_total") == 1
    assert value(metrics, "malgil_slow_consumers_closed_total") == 1
    assert value(metrics, "malgil_delivery_lag_seconds_sum") == pytest.approx(0.003)
    assert value(metrics, "malgil_delivery_lag_seconds_bucket", le="0.001") == 1


def test_the_pool_is_read_when_the_metrics_are(metrics: Metrics) -> None:
    stats = {"size": 3, "active": 1, "idle": 2, "limit": 60}
    metrics.watch_pool(lambda: stats)
    assert value(metrics, "malgil_db_pool_connections", state="active") == 1
    stats["active"] = 2
    assert value(metrics, "malgil_db_pool_connections", state="active") == 2
    assert value(metrics, "malgil_db_pool_connections", state="limit") == 60


def test_turns_by_state(metrics: Metrics) -> None:
    metrics.turn_reached("completed")
    metrics.turn_reached("failed")
    metrics.turn_reached("completed")
    assert value(metrics, "malgil_turns_total", state="completed") == 2


def test_the_text_is_prometheus_and_every_name_is_ours(metrics: Metrics) -> None:
    families = list(text_string_to_metric_families(metrics.text().decode()))
    ours = {family.name for family in families if not family.name.startswith("process_")}
    assert all(name.startswith("malgil_") for name in ours)
    assert value(metrics, "malgil_build_info", version="1.2.3") == 1
    assert all(family.documentation for family in families)


def test_two_applications_in_one_process_do_not_mix(metrics: Metrics) -> None:
    metrics.takeovers.inc()
    assert value(Metrics("2"), "malgil_takeovers_total") == 0


def test_what_others_count_is_read_when_the_metrics_are(metrics: Metrics) -> None:
    bus, cache = {"published": 3, "received": 0}, {"first": 1}
    metrics.watch_bus(lambda: bus)
    metrics.watch_cache(lambda: cache)
    assert value(metrics, "malgil_bus_messages_total", state="published") == 3
    bus["received"] += 2
    assert value(metrics, "malgil_bus_messages_total", state="received") == 2
    assert 'malgil_cache_reads_total{level="first"} 1.0' in metrics.text().decode()
