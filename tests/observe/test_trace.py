"""Trace ids: from the caller or made here, on every answer, in everything a request causes."""

import asyncio
from typing import Any

import pytest

from malgil.observe.trace import current_trace_id, new_trace_id, tracing
from tests.fixtures.edge import edge_of
from tests.fixtures.time import FakeClock

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def ask(app: Any, headers: dict[str, str] | None = None, kind: str = "http") -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.disconnect"}

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    await app({"type": kind, "headers": raw, "method": "GET", "path": "/"}, receive, send)
    return sent


class Echo:
    """Answers with the trace id it sees, from a task of its own."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        seen = await asyncio.create_task(self.look())
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
            await send({"type": "http.response.body", "body": str(seen).encode()})
        else:
            await send({"type": "websocket.accept", "seen": seen})

    async def look(self) -> str | None:
        return current_trace_id()


async def test_an_answer_carries_the_id_that_its_work_saw(clock: FakeClock) -> None:
    start, body = await ask(edge_of(Echo(), clock))
    headers = dict(start["headers"])
    assert headers[b"x-own"] == b"1"
    assert headers[b"x-trace-id"] == body["body"]
    assert len(body["body"]) == len("trace_") + 32
    assert current_trace_id() is None


async def test_a_w3c_parent_gives_the_id(clock: FakeClock) -> None:
    start, _ = await ask(edge_of(Echo(), clock), {"traceparent": PARENT})
    assert dict(start["headers"])[b"x-trace-id"] == b"trace_4bf92f3577b34da6a3ce929d0e0e4736"


async def test_a_later_version_of_the_parent_may_carry_more(clock: FakeClock) -> None:
    start, _ = await ask(edge_of(Echo(), clock), {"traceparent": "cc" + PARENT[2:] + "-what-comes"})
    assert dict(start["headers"])[b"x-trace-id"] == b"trace_4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "parent",
    ["", "rubbish", PARENT.upper(), PARENT[:-1], PARENT + "-more", "ff" + PARENT[2:], PARENT.replace("4bf9", "4bg9"),
     "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
     PARENT + "\n", "x" * 100_000],
)
async def test_a_malformed_parent_is_ignored(clock: FakeClock, parent: str) -> None:
    start, _ = await ask(edge_of(Echo(), clock), {"traceparent": parent})
    assert b"4bf92f35" not in dict(start["headers"])[b"x-trace-id"]


async def test_a_socket_has_its_id_too(clock: FakeClock) -> None:
    (accept,) = await ask(edge_of(Echo(), clock), {"traceparent": PARENT}, kind="websocket")
    assert accept["seen"] == "trace_4bf92f3577b34da6a3ce929d0e0e4736"
    assert "headers" not in accept


async def test_lifespan_passes_untouched(clock: FakeClock) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert current_trace_id() is None
        await send({"type": "lifespan.startup.complete"})

    async def send(message: Any) -> None:
        assert message == {"type": "lifespan.startup.complete"}

    async def receive() -> Any:
        return {}

    await edge_of(app, clock)({"type": "lifespan"}, receive, send)


async def test_the_id_is_forgotten_when_the_work_fails(clock: FakeClock) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError

    start, _ = await ask(edge_of(broken, clock))
    assert start["status"] == 500
    assert current_trace_id() is None


def test_ids_sort_by_time_and_differ(clock: FakeClock) -> None:
    first, twin = new_trace_id(clock), new_trace_id(clock)
    clock.advance(0.001)
    assert first != twin
    assert max(first, twin) < new_trace_id(clock)


def test_tracing_nests(clock: FakeClock) -> None:
    with tracing("trace_outer"):
        with tracing("trace_inner"):
            assert current_trace_id() == "trace_inner"
        assert current_trace_id() == "trace_outer"
