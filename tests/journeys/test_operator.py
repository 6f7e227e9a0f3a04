"""The operator: tokens, the doctor, the settings, the numbers, and the line in the log for a customer's trace id."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from malgil.access.mint import mint
from tests.journeys.node import Node
from tests.journeys.talk import hear, say

SECRET = "a-secret-of-at-least-thirty-two-bytes"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"AUTH_MODE": "jwt", "JWT_SECRET_KEY": SECRET}


@pytest.fixture(scope="module")
def mina(server: Node) -> str:
    return token(server, "mina")


def token(server: Node, user: str, *more: str) -> str:
    made = server.run("token", "--user", user, *more)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def close_code(url: str) -> int:
    async with connect(url) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await hear(socket, "never")
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_only_a_good_token_opens(server: Node, http: httpx.AsyncClient, mina: str) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = mint(SECRET, user="mina", tenant="default", roles=["user"], now=yesterday, lifetime=timedelta(hours=1),
                   algorithm="HS256")
    for headers in ({}, bearer("garbled"), bearer(expired), bearer(mina[:-9] + "AAAAAAAAA"),
                    {"Authorization": "Basic bWluYTpw"}):
        refused = await http.get("/api/chat/sessions", headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.headers["content-type"] == "application/problem+json"
    assert (await http.get("/api/chat/sessions", headers=bearer(mina))).status_code == 200
    assert await close_code(f"{server.sockets}/ws/hers") == 4401
    assert await close_code(f"{server.sockets}/ws/hers?token=garbled") == 4401
    assert await close_code(f"{server.sockets}/ws/hers?token={expired}") == 4401


async def test_what_is_hers_is_nobody_elses(server: Node, http: httpx.AsyncClient, mina: str) -> None:
    session = (await http.post("/api/chat/sessions", json={}, headers=bearer(mina))).json()["session_id"]
    juno = token(server, "juno")
    path = f"/api/chat/sessions/{session}"
    for verb, where in (("GET", path), ("DELETE", path), ("GET", f"{path}/messages"), ("POST", f"{path}/stop")):
        refused = await http.request(verb, where, headers=bearer(juno))
        assert (refused.status_code, refused.json()["code"]) == (404, "SESSION_NOT_FOUND")
    assert await close_code(f"{server.sockets}/ws/{session}?token={juno}") == 4404
    played = await http.post("/agent/chat", json={"task": "안녕", "user_id": "mina"}, headers=bearer(juno))
    assert (played.status_code, played.json()["code"]) == (403, "NOT_YOU")
    async with connect(f"{server.sockets}/ws/{session}?token={mina}") as socket:
        await say(socket, type="message", content="안녕하세요")
        await hear(socket, "stream_end")


def test_the_doctor_finds_all_well(server: Node) -> None:
    found = server.run("doctor")
    assert found.returncode == 0, found.stdout
    assert f"Malgil is running on 127.0.0.1:{server.port}" in found.stdout
    assert "All is well." in found.stdout


def test_the_settings_keep_their_secret(server: Node) -> None:
    shown = server.run("config", DATABASE_URL="postgresql://malgil:hunter2@db/chat")
    assert shown.returncode == 0
    assert "JWT_SECRET_KEY = ***   # environment: JWT_SECRET_KEY" in shown.stdout
    assert SECRET not in shown.stdout
    assert "hunter2" not in shown.stdout


async def numbers(http: httpx.AsyncClient) -> dict[str, float]:
    text = (await http.get("/metrics")).text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


async def test_the_numbers_move(http: httpx.AsyncClient, mina: str) -> None:
    before = await numbers(http)
    asked = await http.post("/agent/chat", json={"task": "환불 규정 알려줘"}, headers=bearer(mina))
    assert asked.status_code == 200
    after = await numbers(http)
    for name in ("malgil_http_requests_total", "malgil_http_request_duration_seconds_count", "malgil_turns_total",
                 "malgil_log_appends_total", "malgil_log_pieces_total", "malgil_turn_first_piece_seconds_count"):
        assert after[name] > before[name], name
    for name in ("malgil_http_requests_in_flight", "malgil_websocket_connections", "malgil_sse_streams",
                 "malgil_gaps_mended_total", "malgil_slow_consumers_closed_total", "malgil_takeovers_total",
                 "malgil_db_pool_connections", "malgil_build_info", "process_resident_memory_bytes"):
        assert name in after


async def test_a_trace_id_leads_to_its_log_line(server: Node, http: httpx.AsyncClient, mina: str) -> None:
    begun = {"traceparent": f"00-{'4b' * 16}-{'2f' * 8}-01"}
    answer = await http.get("/api/chat/sessions", headers=bearer(mina) | begun)
    assert answer.headers["x-trace-id"] == f"trace_{'4b' * 16}"
    refused = await http.get("/api/chat/sessions")
    assert refused.json()["trace_id"] == refused.headers["x-trace-id"]
    assert SECRET not in server.said()
    assert mina not in server.said()
