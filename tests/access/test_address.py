"""The address that nobody can choose freely."""

import pytest

from malgil.access.address import UNKNOWN, client_address, networks

TRUSTED = networks(["10.0.0.0/8", "2001:db8:ffff::/48"])


def found(peer: str | None, *forwarded: str, trusted: bool = True) -> str:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value.encode()) for value in forwarded)]
    return client_address(peer, headers, TRUSTED if trusted else ())


@pytest.mark.parametrize("forwarded", ["1.2.3.4", "1.2.3.4, 5.6.7.8", "", "rubbish"])
def test_a_stranger_s_word_does_not_count(forwarded: str) -> None:
    assert found("9.9.9.9", forwarded) == "9.9.9.9"
    assert found("10.0.0.1", forwarded, trusted=False) == "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["1.2.3.4"], "1.2.3.4"), (["6.6.6.6, 1.2.3.4"], "1.2.3.4"), (["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        (["1.2.3.4, 10.1.1.1 , 10.2.2.2"], "1.2.3.4"), (["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        (["1.2.3.4:5678"], "1.2.3.4"), (["[2001:db8::5]:443"], "2001:db8::/64"), (["::ffff:1.2.3.4"], "1.2.3.4"),
        (["10.9.9.9, 1.2.3.4, 2001:db8:ffff::1"], "1.2.3.4"), (["x" * 10_000 + ", 1.2.3.4"], "1.2.3.4"),
    ],
)
def test_behind_proxies_the_rightmost_stranger_is_the_client(forwarded: list[str], address: str) -> None:
    assert found("10.0.0.1", *forwarded) == address


@pytest.mark.parametrize(
    "forwarded", ["", "rubbish", "1.2.3.4, rubbish", ",,", "1.2.3.4;", "999.1.1.1", "1.2.3.4,", "[::", "[", "[]"]
)
def test_a_header_that_cannot_be_read_is_none(forwarded: str) -> None:
    assert found("10.0.0.1", forwarded) == "10.0.0.1"


def test_neighbours_in_ipv6_are_one_client() -> None:
    assert found("2001:db8:1:2::1") == found("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert found("2001:db8:1:3::1") != found("2001:db8:1:2::1")
    assert found("::ffff:1.2.3.4") == "1.2.3.4"


def test_what_has_no_address() -> None:
    assert found(None, "1.2.3.4") == UNKNOWN
    assert found("testclient", "1.2.3.4") == "testclient"


@pytest.mark.parametrize("text", ["10.0.0.0/99", "x", "10.0.0.1/8"])
def test_a_proxy_that_is_no_network(text: str) -> None:
    with pytest.raises(ValueError):
        networks([text])
