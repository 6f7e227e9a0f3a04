"""Tokens: only what was signed with our key, for our algorithm, and is not over, becomes a caller."""

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.access import tokens
from malgil.access.model import Caller
from malgil.access.tokens import SecretKey, TokenVerifier
from malgil.kit.errors import Unauthenticated
from tests.fixtures.time import FakeClock

SECRET = "a secret of more than thirty-two bytes"
Sign = Callable[..., str]


@pytest.fixture
def verifier(clock: FakeClock) -> TokenVerifier:
    return TokenVerifier(SecretKey(SECRET), clock)


@pytest.fixture
def sign(clock: FakeClock) -> Sign:
    """A token with good claims, but for those named (None: left out)."""

    def make(secret: str = SECRET, algorithm: str = "HS256", headers: Any = None, **changed: Any) -> str:
        claims = {"sub": "mina", "tenant": "acme", "roles": ["user"], "exp": clock.now().timestamp() + 60} | changed
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, secret, algorithm=algorithm, headers=headers)

    return make


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, ""])


async def test_a_good_token_is_its_caller(verifier: TokenVerifier, sign: Sign, clock: FakeClock) -> None:
    caller = await verifier.verify(sign(roles=["user", "admin"]))
    assert caller == Caller("mina", "acme", frozenset({"user", "admin"}), clock.now().timestamp() + 60)


@pytest.mark.parametrize("claim", ["sub", "tenant", "roles", "exp"])
async def test_every_required_claim_must_be_there(verifier: TokenVerifier, sign: Sign, claim: str) -> None:
    with pytest.raises(Unauthenticated, match=claim) as caught:
        await verifier.verify(sign(**{claim: None}))
    assert caught.value.code == "TOKEN_INVALID"


@pytest.mark.parametrize(
    "changed",
    [
        {"sub": ""}, {"sub": " mina"}, {"sub": "mi\nna"}, {"sub": "x" * 129}, {"sub": "mi\x00na"},
        {"tenant": 7}, {"tenant": ["acme"]}, {"tenant": ""},
        {"roles": "admin"}, {"roles": [1]}, {"roles": {"admin": True}}, {"roles": [["admin"]]},
        {"exp": "tomorrow"}, {"exp": True}, {"exp": float("inf")}, {"exp": float("nan")}, {"nbf": "later"},
    ],
)
async def test_claims_of_the_wrong_form_are_refused(
    verifier: TokenVerifier, sign: Sign, changed: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await verifier.verify(sign(**changed))
    assert caught.value.code == "TOKEN_INVALID"


async def test_an_expired_token_says_so_to_the_second(verifier: TokenVerifier, sign: Sign, clock: FakeClock) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await verifier.verify(sign(exp=clock.now().timestamp()))
    assert caught.value.code == "TOKEN_EXPIRED"


async def test_a_token_for_later_is_refused_but_for_a_small_difference_of_clocks(
    verifier: TokenVerifier, sign: Sign, clock: FakeClock
) -> None:
    now = clock.now().timestamp()
    assert (await verifier.verify(sign(nbf=now + 4))).user_id == "mina"
    with pytest.raises(Unauthenticated):
        await verifier.verify(sign(nbf=now + 6))


async def test_other_secrets_and_algorithms_are_refused(verifier: TokenVerifier, sign: Sign) -> None:
    for token in (sign(secret="another secret of thirty-two bytes.."), sign(algorithm="HS512", secret=SECRET * 2)):
        with pytest.raises(Unauthenticated):
            await verifier.verify(token)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, "HS256", 5, ["HS256"]])
async def test_an_unsigned_token_is_refused_whatever_it_calls_itself(
    verifier: TokenVerifier, clock: FakeClock, algorithm: Any
) -> None:
    claims = {"sub": "mina", "tenant": "acme", "roles": ["admin"], "exp": clock.now().timestamp() + 60}
    with pytest.raises(Unauthenticated):
        await verifier.verify(unsigned({"alg": algorithm, "typ": "JWT"}, claims))


async def test_one_changed_character_is_refused(verifier: TokenVerifier, sign: Sign) -> None:
    token = sign()
    head, body, signature = token.split(".")
    changed = base64.urlsafe_b64decode(body + "==").replace(b"mina", b"nami")
    forged = f"{head}.{base64.urlsafe_b64encode(changed).rstrip(b'=').decode()}.{signature}"
    with pytest.raises(Unauthenticated):
        await verifier.verify(forged)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "ab", "é.é.é", "\ud800", "x" * 9000, "null", "e30.e30.e30"])
async def test_garbage_is_refused_not_a_fault(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


@given(token=st.text(max_size=200))
async def test_no_text_at_all_makes_the_verifier_fail(token: str) -> None:
    with pytest.raises(Unauthenticated):
        await TokenVerifier(SecretKey(SECRET), FakeClock()).verify(token)


async def test_a_verified_token_is_not_verified_again_for_thirty_seconds(sign: Sign, clock: FakeClock) -> None:
    keys = CountedKeys()
    verifier = TokenVerifier(keys, clock)
    token = sign()
    await verifier.verify(token)
    clock.advance(29)
    await verifier.verify(token)
    assert keys.asked == 1
    clock.advance(2)
    await verifier.verify(token)
    assert keys.asked == 2


async def test_a_remembered_token_is_never_good_past_its_end(
    verifier: TokenVerifier, sign: Sign, clock: FakeClock
) -> None:
    token = sign(exp=clock.now().timestamp() + 10)
    await verifier.verify(token)
    clock.advance(10)
    with pytest.raises(Unauthenticated) as caught:
        await verifier.verify(token)
    assert caught.value.code == "TOKEN_EXPIRED"


async def test_what_is_remembered_is_bounded(sign: Sign, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CACHE_SIZE", 2)
    keys = CountedKeys()
    verifier = TokenVerifier(keys, clock)
    first, second, third = (sign(sub=name) for name in ("a", "b", "c"))
    for token in (first, second, third):
        await verifier.verify(token)
    await verifier.verify(third)
    assert keys.asked == 3
    await verifier.verify(first)
    assert keys.asked == 4


async def test_a_secret_key_refuses_algorithms_of_public_keys() -> None:
    with pytest.raises(ValueError, match="RS256"):
        SecretKey(SECRET, "RS256")


class CountedKeys:
    """A secret that counts how often it is needed."""

    def __init__(self) -> None:
        self.asked = 0
        self._key = SecretKey(SECRET)

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        self.asked += 1
        return await self._key.find(kid, algorithm)
