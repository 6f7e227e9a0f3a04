"""Which rules a request answers to."""

import pytest

from malgil.access.allowances import Allowance, Allowances
from malgil.access.limits import Rule

DEFAULT = (Rule("default", 600),)
MESSAGES = (Rule("messages", 60),)
ASKING = (Rule("asking", 100), Rule("asking 2", 5, per=1))
ANY = (Rule("any", 7),)
DOORS = ("POST /sessions/{id}/messages", "POST /agent/chat")
NOBODY: frozenset[str] = frozenset()


def allowances(**roles: Allowance) -> Allowances:
    everybody = Allowance(DEFAULT, MESSAGES, {"POST /agent/chat": ASKING, "* /files/{rest:path}": ANY})
    return Allowances(everybody, roles, doors=DOORS, free=("/health",))


@pytest.mark.parametrize(
    ("method", "path", "rules"),
    [
        ("GET", "/agent/chat", DEFAULT), ("POST", "/agent/chat", ASKING), ("POST", "/agent/chat/", DEFAULT),
        ("POST", "/sessions/a/messages", MESSAGES), ("POST", "/sessions/a/b/messages", DEFAULT),
        ("POST", "/sessions//messages", DEFAULT), ("GET", "/sessions/a/messages", DEFAULT),
        ("PUT", "/files/a/b", ANY), ("POST", "/files/a", ANY), ("STRANGE", "/files/a", ANY), ("STRANGE", "/", DEFAULT),
        ("GET", "/health", ()), ("GET", "/health/x", DEFAULT), ("OPTIONS", "/agent/chat", ()),
        ("POST", "/agentXchat", DEFAULT), ("POST", "", DEFAULT), ("POST", "/agent/chat\n", DEFAULT),
    ],
)
def test_the_most_particular_decides(method: str, path: str, rules: tuple[Rule, ...]) -> None:
    assert allowances().of_request(method, path, NOBODY) == rules


def test_without_endpoints_the_default_decides() -> None:
    assert Allowances(Allowance(DEFAULT, MESSAGES)).of_request("GET", "/", NOBODY) == DEFAULT


def test_a_role_has_what_it_names_and_otherwise_what_everybody_has() -> None:
    more = (Rule("admin: messages", 600),)
    mine = (Rule("admin: search", 9),)
    found = allowances(admin=Allowance(messages=more, endpoints={"GET /search": mine}))
    admin = frozenset({"user", "admin"})
    assert found.of_message(admin) == more
    assert found.of_message(frozenset({"user"})) == MESSAGES
    assert found.of_request("POST", "/sessions/a/messages", admin) == more
    assert found.of_request("POST", "/agent/chat", admin) == ASKING
    assert found.of_request("GET", "/search", admin) == mine
    assert found.of_request("GET", "/search", NOBODY) == DEFAULT


def test_of_several_roles_the_most_generous_counts_even_when_one_has_less() -> None:
    less, more = (Rule("guest: messages", 1),), (Rule("tester: messages", 60, per=10),)
    found = allowances(guest=Allowance(messages=less), tester=Allowance(messages=more))
    assert found.of_message(frozenset({"guest", "tester"})) == more
    assert found.of_message(frozenset({"guest"})) == MESSAGES


def test_any_number_of_sets_of_roles_is_remembered_within_bounds() -> None:
    found = allowances()
    for number in range(1000):
        assert found.of_message(frozenset({f"r{number}"})) == MESSAGES
    assert len(found._tables) <= 256
