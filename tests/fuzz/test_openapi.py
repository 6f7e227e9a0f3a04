"""A real fuzzer over what a real server says of itself: no 5xx, nothing undocumented, nothing refused that fits."""

import re

import httpx

from tests.fuzz.run import Plan, fuzz
from tests.journeys.node import Node, node

UNLIMITED = {"RATE_LIMIT_ENABLED": "false", "STREAM_DELAY_MS": "0"}


def check(server: Node, plan: Plan) -> None:
    found = fuzz(server.url, plan)
    assert found.returncode == 0, found.stdout
    tested = re.search(r"Tested: (\d+)", found.stdout)
    assert tested is not None
    assert int(tested[1]) >= 20, found.stdout
    assert not [line for line in server.logged() if line["level"] == "error"], server.said()


def test_in_development_mode() -> None:
    """Every phase: the examples, the borders of every schema, random data, and what the links lead to."""
    with node(**UNLIMITED, AUTH_MODE="dev") as server:
        server.start()
        server.ready()
        check(server, Plan())


def test_with_and_without_a_token() -> None:
    """Whoever has none is told 401 everywhere, in the way the description says; a token in it is enough."""
    with node(**UNLIMITED, AUTH_MODE="jwt", JWT_SECRET_KEY="s" * 32) as server:
        server.start()
        server.ready()
        token = server.run("token", "--user", "minji").stdout.split()[-1]
        check(server, Plan(phases="examples,coverage", examples=3, token=token))
        check(server, Plan(phases="examples", examples=3))
        described = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()
        for path, verbs in described["paths"].items():
            for verb, operation in verbs.items():
                if operation["security"]:
                    answer = httpx.request(verb, server.url + path, trust_env=False)
                    assert answer.status_code == 401, (verb, path)
                    assert answer.headers["www-authenticate"] == "Bearer"
