"""The cross-site guard: what a foreign page may make a browser do here."""

from typing import Any

import pytest

from malgil.access.origin import OriginRules, guard, is_loopback
from malgil.kit.errors import Forbidden

STREAM = "/agent/chat/stream"
DEV = OriginRules(dev=True, allowed=frozenset({"https://app.example.com"}), changing_gets=frozenset({STREAM}))
JWT = OriginRules(dev=False, allowed=DEV.allowed, changing_gets=DEV.changing_gets)


def scope(kind: str = "http", method: str = "POST", path: str = "/api", **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": kind, "method": method, "path": path, "headers": raw}


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8003", "127.0.0.1:8003", "127.8.9.1", "[::1]:8003", "LOCALHOST", "a.localhost:1"]
)
def test_loopback_hosts_are_answered_in_development_mode(host: str) -> None:
    guard(scope(method="GET", host=host), DEV)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8003", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.0.5:8003",
     "0.0.0.0:8003", "", "[::2]:80", "localhost@evil.example", "["],
)
def test_a_rebound_name_is_refused_for_every_request(host: str) -> None:
    for asked in (scope(method="GET", host=host), scope("websocket", host=host), scope(method="OPTIONS", host=host)):
        with pytest.raises(Forbidden) as caught:
            guard(asked, DEV)
        assert caught.value.code == "HOST_REFUSED"


def test_a_request_without_host_is_refused_in_development_mode() -> None:
    with pytest.raises(Forbidden):
        guard(scope(), DEV)


def test_with_tokens_the_host_may_be_any() -> None:
    guard(scope(host="chat.example.com"), JWT)


@pytest.mark.parametrize("rules", [DEV, JWT])
@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "websocket", "path": "/ws/s"}, {"method": "POST"}, {"method": "DELETE"}, {"method": "PATCH"},
        {"method": "PUT"}, {"method": "BREW"}, {"method": "GET", "path": STREAM},
    ],
)
class TestWhatChangesSomething:
    @pytest.mark.parametrize(
        "origin",
        ["https://evil.example", "null", "http://localhost:9999", "http://localhost", "file://", "", "localhost:8003",
         "https://app.example.com.evil.example", "http://app.example.com", "http://localhost:8003.evil.example"],
    )
    def test_a_foreign_origin_is_refused(self, asked: dict[str, Any], rules: OriginRules, origin: str) -> None:
        with pytest.raises(Forbidden) as caught:
            guard(scope(**asked, host="localhost:8003", origin=origin), rules)
        assert caught.value.code == "ORIGIN_REFUSED"

    @pytest.mark.parametrize("origin", ["http://localhost:8003", "http://LOCALHOST:8003", "https://app.example.com"])
    def test_the_own_and_the_listed_origin_pass(self, asked: dict[str, Any], rules: OriginRules, origin: str) -> None:
        guard(scope(**asked, host="localhost:8003", origin=origin, sec_fetch_site="same-site"), rules)

    def test_a_program_that_is_no_browser_passes(self, asked: dict[str, Any], rules: OriginRules) -> None:
        guard(scope(**asked, host="localhost:8003"), rules)

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "rubbish"])
    def test_an_image_or_link_of_another_site_is_refused(
        self, asked: dict[str, Any], rules: OriginRules, site: str
    ) -> None:
        with pytest.raises(Forbidden):
            guard(scope(**asked, host="localhost:8003", sec_fetch_site=site), rules)

    @pytest.mark.parametrize("site", ["none", "same-origin"])
    def test_the_address_bar_passes(self, asked: dict[str, Any], rules: OriginRules, site: str) -> None:
        guard(scope(**asked, host="localhost:8003", sec_fetch_site=site), rules)


def test_behind_a_proxy_that_ends_tls_the_own_origin_is_known() -> None:
    guard(scope(host="chat.example.com", origin="https://chat.example.com"), JWT)
    guard(scope(host="chat.example.com:443", origin="https://chat.example.com"), JWT)


def test_a_foreign_page_may_read_what_it_cannot_see() -> None:
    guard(scope(method="GET", path="/health", host="localhost:8003", origin="https://evil.example"), DEV)


@pytest.mark.parametrize(("host", "loopback"), [
    ("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False),
    ("example.com", False), ("", False), ("localhost.example.com", False),
])
def test_loopback_names(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
