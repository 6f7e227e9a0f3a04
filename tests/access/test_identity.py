"""Who is calling, from headers and query; and as whom."""

from datetime import timedelta

import pytest

from malgil.access.identity import Identity, acting_as, query_token
from malgil.access.mint import mint
from malgil.access.model import ROLES, Caller, guest
from malgil.access.tokens import SecretKey, TokenVerifier
from malgil.kit.errors import Forbidden, Invalid, Unauthenticated
from tests.fixtures.time import FakeClock

SECRET = "a secret of more than thirty-two bytes"
MINA = Caller("mina", "acme", frozenset({"user"}))


def identity(clock: FakeClock, *, dev: bool = False) -> Identity:
    return Identity(TokenVerifier(SecretKey(SECRET), clock, dev=dev), dev=dev)


def token(clock: FakeClock, user: str = "mina") -> str:
    return mint(SECRET, user=user, tenant="acme", roles=["user"], now=clock.now(), lifetime=timedelta(hours=1))


def bearer(text: str) -> list[tuple[bytes, bytes]]:
    return [(b"accept", b"*/*"), (b"authorization", text.encode())]


async def test_a_token_in_the_header(clock: FakeClock) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        caller = await identity(clock).resolve(bearer(f"{scheme} {token(clock)}"))
        assert (caller.user_id, caller.tenant, caller.dev) == ("mina", "acme", False)


async def test_a_token_in_the_query_where_it_is_handed_over(clock: FakeClock) -> None:
    assert (await identity(clock).resolve([], token(clock))).user_id == "mina"
    with pytest.raises(Unauthenticated):
        await identity(clock).resolve([])


async def test_the_header_goes_before_the_query(clock: FakeClock) -> None:
    caller = await identity(clock).resolve(bearer(f"Bearer {token(clock, 'header')}"), token(clock, "query"))
    assert caller.user_id == "header"


async def test_without_a_token_development_mode_has_a_guest(clock: FakeClock) -> None:
    assert await identity(clock, dev=True).resolve([]) == guest()
    assert guest().roles == ROLES
    with pytest.raises(Unauthenticated) as caught:
        await identity(clock).resolve([])
    assert caught.value.code == "UNAUTHENTICATED"


@pytest.mark.parametrize("dev", [True, False])
@pytest.mark.parametrize("header", ["Bearer rubbish", "Bearer", "Bearer ", "", "Basic bWluYTpwdw==", "rubbish"])
async def test_a_bad_token_is_refused_in_development_mode_too(clock: FakeClock, header: str, dev: bool) -> None:
    with pytest.raises(Unauthenticated):
        await identity(clock, dev=dev).resolve(bearer(header))


@pytest.mark.parametrize("dev", [True, False])
async def test_a_bad_query_token_is_refused_in_development_mode_too(clock: FakeClock, dev: bool) -> None:
    with pytest.raises(Unauthenticated):
        await identity(clock, dev=dev).resolve([], "rubbish")


async def test_two_authorization_headers_are_refused(clock: FakeClock) -> None:
    good = bearer(f"Bearer {token(clock)}")
    with pytest.raises(Unauthenticated):
        await identity(clock).resolve([*good, *good])


async def test_an_api_key_is_refused_clearly(clock: FakeClock) -> None:
    with pytest.raises(Unauthenticated, match="API keys"):
        await identity(clock, dev=True).resolve([(b"x-api-key", b"mk_something")])


@pytest.mark.parametrize(
    ("query", "found"),
    [(b"", None), (b"token=", None), (b"after=start", None), (b"token=a.b.c&after=1", "a.b.c"), (b"\xff\xfe=%zz", None),
     (b"token=a%2Bb", "a+b"), (b"token=first&token=second", "first")],
)
def test_the_token_of_a_query(query: bytes, found: str | None) -> None:
    assert query_token(query) == found


def test_acting_as_oneself_or_nobody_named() -> None:
    assert acting_as(MINA, None) is MINA
    assert acting_as(MINA, "mina") is MINA


def test_acting_as_somebody_else_is_for_development_mode() -> None:
    with pytest.raises(Forbidden):
        acting_as(MINA, "jun")
    played = acting_as(guest(), 123)
    assert (played.user_id, played.tenant, played.dev) == ("123", "default", True)


@pytest.mark.parametrize("user_id", ["", " x", "a\x00b", "\ud800", "x" * 129, True, "a\nb"])
def test_what_is_no_user_id_cannot_be_played(user_id: str | int) -> None:
    with pytest.raises(Invalid) as caught:
        acting_as(guest(), user_id)
    assert caught.value.errors[0]["field"] == "user_id"
