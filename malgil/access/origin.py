"""The cross-site guard: which requests a foreign web page may make through its visitor's browser.

In development mode a call needs no token, so any page that the person opens could talk to the server on their own
machine. Two ways lead there, and both are shut:

- DNS rebinding: the page's own host name is made to resolve to 127.0.0.1. The Host header then still holds the
  foreign name, so in development mode Host must be a loopback name.
- Cross-site requests: the browser names the page in `Origin`, or says `Sec-Fetch-Site: cross-site` where it sends no
  Origin (an image, a link). Such a request is refused when it could change something: every WebSocket (browsers do
  not hold those to the same-origin policy), every method but GET, HEAD and OPTIONS, and the GET streams that start a
  turn. A cross-site read is harmless: without CORS headers the page cannot see the answer.

The second rule holds in every mode, as a second line behind tokens. Programs that are not browsers send neither
header and are not concerned.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from malgil.kit.errors import Forbidden

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS: Final = (":80", ":443")


@dataclass(frozen=True, slots=True)
class OriginRules:
    """`allowed` are full origins (`https://app.example.com`); `changing_gets` the paths whose GET changes something."""

    dev: bool
    allowed: frozenset[str] = frozenset()
    changing_gets: frozenset[str] = frozenset()


def guard(scope: Mapping[str, Any], rules: OriginRules) -> None:
    """Pass an ASGI `http` or `websocket` scope, or raise Forbidden (`HOST_REFUSED`, `ORIGIN_REFUSED`)."""
    may_change = _may_change(scope, rules)
    if not (rules.dev or may_change):
        return
    headers: dict[bytes, str] = {name: value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get(b"host", "")
    if rules.dev and not is_loopback(_host_name(host)):
        raise Forbidden("In development mode only loopback host names are answered.", code="HOST_REFUSED")
    if not may_change:
        return
    origin = headers.get(b"origin")
    if origin is not None:
        if origin not in rules.allowed and not _same(origin, host):
            detail = "This origin is not allowed; the operator may list it in CORS_ORIGINS."
            raise Forbidden(detail, code="ORIGIN_REFUSED")
    elif headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Forbidden("Cross-site requests may not change anything here.", code="ORIGIN_REFUSED")


def is_loopback(host: str) -> bool:
    """Whether a host name or address (no port, no brackets) can only mean this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _may_change(scope: Mapping[str, Any], rules: OriginRules) -> bool:
    return scope["type"] == "websocket" or scope["method"] not in _SAFE or scope["path"] in rules.changing_gets


def _same(origin: str, host: str) -> bool:
    # Schemes are not compared: behind a proxy that ends TLS we see http where the browser sees https.
    _, separator, authority = origin.lower().partition("://")
    return bool(separator and authority) and _bare(authority) == _bare(host.lower())


def _bare(authority: str) -> str:
    return next((authority.removesuffix(port) for port in _DEFAULT_PORTS if authority.endswith(port)), authority)


def _host_name(host: str) -> str:
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
