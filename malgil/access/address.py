"""Where a request comes from, for whoever is not signed in: the address that nobody can choose freely."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address

UNKNOWN: Final = "unknown"
_LONGEST: Final = 4096


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The proxies whose word is taken. Raises ValueError for what is no network."""
    return tuple(ip_network(text) for text in texts)


def client_address(peer: str | None, headers: Sequence[tuple[bytes, bytes]], trusted: tuple[Network, ...]) -> str:
    """The caller's address; of IPv6 the /64, which is what one customer has. `peer` is who holds the connection.

    `X-Forwarded-For` counts only when `peer` is trusted. Each proxy adds on the right whom it spoke with, so from the
    right the first address that is not a trusted proxy's is the client; what stands left of it anybody may have
    written. A header that cannot be read is no header.
    """
    if peer is None:
        return UNKNOWN
    forwarded = b""
    if trusted:
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
    return _resolve(peer, forwarded[-_LONGEST:], trusted)


@lru_cache(maxsize=4096)
def _resolve(peer: str, forwarded: bytes, trusted: tuple[Network, ...]) -> str:
    nearest = _parse(peer)
    if nearest is None:
        return peer
    if not _is_in(nearest, trusted) or not forwarded:
        return _group(nearest)
    found = nearest
    for text in reversed(forwarded.decode("latin-1").split(",")):
        one = _parse(text.strip())
        if one is None:
            return _group(nearest)
        found = one
        if not _is_in(one, trusted):
            break
    return _group(found)


def _parse(text: str) -> _Address | None:
    """`1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]:80`."""
    if text.startswith("[") and "]" in text:
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_in(address: _Address, trusted: tuple[Network, ...]) -> bool:
    return any(address in network for network in trusted)


def _group(address: _Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))
