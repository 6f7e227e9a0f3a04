"""Keys of an identity provider, read over real HTTP from a local one."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from malgil.access.jwks import JwksKeys
from malgil.access.tokens import TokenVerifier
from malgil.kit.errors import Unauthenticated, Unavailable
from tests.fixtures.time import FakeClock

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def public(kid: str | None, text: str, **more: Any) -> dict[str, Any]:
    named = {} if kid is None else {"kid": kid}
    return {**json.loads(text), **named, **more}


RSA_JWK = public("rsa", RSAAlgorithm.to_jwk(RSA.public_key()), use="sig", alg="RS256")
EC_JWK = public("ec", ECAlgorithm.to_jwk(EC.public_key()))
ED_JWK = public("ed", OKPAlgorithm.to_jwk(ED.public_key()))


class Provider:
    """A JWKS endpoint on a local port: `keys` or a raw `body`, a `status`, and how often it was asked."""

    def __init__(self) -> None:
        self.keys: list[Any] = [RSA_JWK, EC_JWK, ED_JWK]
        self.body: bytes | None = None
        self.status = 200
        self.asked = 0
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    async with server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
        yield made


@pytest.fixture
async def verifier(provider: Provider, clock: FakeClock) -> AsyncIterator[TokenVerifier]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield TokenVerifier(JwksKeys(provider.url, client, clock), clock)


def sign(clock: FakeClock, key: Any, algorithm: str, kid: str | None, **claims: Any) -> str:
    good = {"sub": "mina", "tenant": "acme", "roles": ["user"], "exp": clock.now().timestamp() + 3600}
    return jwt.encode({**good, **claims}, key, algorithm, headers={} if kid is None else {"kid": kid})


async def test_each_accepted_algorithm(verifier: TokenVerifier, provider: Provider, clock: FakeClock) -> None:
    for key, algorithm, kid in ((RSA, "RS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed")):
        assert (await verifier.verify(sign(clock, key, algorithm, kid))).user_id == "mina"
    assert provider.asked == 1


async def test_a_public_key_is_never_taken_for_a_secret(verifier: TokenVerifier, clock: FakeClock) -> None:
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    # PyJWT itself refuses to sign with it, so the attacker's token is signed by hand.
    signed = sign(clock, "any secret of thirty-two bytes or more", "HS256", "rsa").rpartition(".")[0]
    signature = hmac.digest(pem, signed.encode(), "sha256")
    with pytest.raises(Unauthenticated):
        await verifier.verify(f"{signed}.{jwt.utils.base64url_encode(signature).decode()}")


_MISFITS = ((RSA, "RS256", "ec"), (EC, "ES256", "rsa"), (ED, "EdDSA", "ec"), (RSA, "RS512", "rsa"))


async def test_a_key_verifies_its_own_algorithm_only(verifier: TokenVerifier, clock: FakeClock) -> None:
    for key, algorithm, kid in _MISFITS:
        with pytest.raises(Unauthenticated):
            await verifier.verify(sign(clock, key, algorithm, kid))


async def test_a_narrowed_set_refuses_the_other_algorithms(provider: Provider, clock: FakeClock) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        narrow = TokenVerifier(JwksKeys(provider.url, client, clock, algorithms=frozenset({"EdDSA"})), clock)
        assert await narrow.verify(sign(clock, ED, "EdDSA", "ed"))
        with pytest.raises(Unauthenticated):
            await narrow.verify(sign(clock, RSA, "RS256", "rsa"))


async def test_algorithms_of_secrets_are_not_for_a_jwks_url(clock: FakeClock) -> None:
    async with httpx.AsyncClient() as client:
        for bad in (frozenset({"HS256"}), frozenset({"none"}), frozenset[str]()):
            with pytest.raises(ValueError, match="public keys"):
                JwksKeys("http://127.0.0.1:1/", client, clock, algorithms=bad)


async def test_a_token_without_kid_goes_with_the_only_key(
    verifier: TokenVerifier, provider: Provider, clock: FakeClock
) -> None:
    provider.keys = [public(None, ECAlgorithm.to_jwk(EC.public_key()))]
    assert await verifier.verify(sign(clock, EC, "ES256", None))


async def test_a_token_without_kid_is_refused_where_there_are_several(
    verifier: TokenVerifier, clock: FakeClock
) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(sign(clock, EC, "ES256", None))


async def test_an_unknown_kid_asks_again_at_most_every_thirty_seconds(
    verifier: TokenVerifier, provider: Provider, clock: FakeClock
) -> None:
    provider.keys = [RSA_JWK]
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await verifier.verify(sign(clock, EC, "ES256", "ec"))
    assert provider.asked == 1
    provider.keys = [RSA_JWK, EC_JWK]  # the provider rotates
    clock.advance(30)
    assert await verifier.verify(sign(clock, EC, "ES256", "ec"))
    assert provider.asked == 2


async def test_many_at_once_ask_once(verifier: TokenVerifier, provider: Provider, clock: FakeClock) -> None:
    tokens = [sign(clock, EC, "ES256", "ec", sub=f"user-{n}") for n in range(20)]
    await asyncio.gather(*(verifier.verify(token) for token in tokens))
    assert provider.asked == 1


async def test_a_withdrawn_key_stops_being_good(verifier: TokenVerifier, provider: Provider, clock: FakeClock) -> None:
    assert await verifier.verify(sign(clock, EC, "ES256", "ec"))
    provider.keys = [RSA_JWK]
    clock.advance(601)
    with pytest.raises(Unauthenticated):
        await verifier.verify(sign(clock, EC, "ES256", "ec"))


async def test_known_keys_outlive_a_provider_that_is_down(
    verifier: TokenVerifier, provider: Provider, clock: FakeClock
) -> None:
    assert await verifier.verify(sign(clock, EC, "ES256", "ec"))
    provider.status = 500
    clock.advance(601)
    assert await verifier.verify(sign(clock, EC, "ES256", "ec"))


@pytest.mark.parametrize(("status", "body"), [(500, b""), (200, b"<html>"), (200, b"[]"), (200, b'{"keys": 5}')])
async def test_a_provider_that_cannot_be_read_is_not_the_callers_fault(
    verifier: TokenVerifier, provider: Provider, clock: FakeClock, status: int, body: bytes
) -> None:
    provider.status, provider.body = status, body
    with pytest.raises(Unavailable) as caught:
        await verifier.verify(sign(clock, EC, "ES256", "ec"))
    assert caught.value.code == "JWKS_UNAVAILABLE"


async def test_nobody_listening_is_not_the_callers_fault(clock: FakeClock) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        verifier = TokenVerifier(JwksKeys("http://127.0.0.1:1/jwks", client, clock), clock)
        with pytest.raises(Unavailable):
            await verifier.verify(sign(clock, EC, "ES256", "ec"))


async def test_keys_that_are_not_for_us_are_passed_over(
    verifier: TokenVerifier, provider: Provider, clock: FakeClock
) -> None:
    strange = [
        "text", {}, {"kty": "RSA"}, {"kty": "XX", "kid": "x"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"},
        {**RSA_JWK, "use": "enc"},
    ]
    provider.keys = [*strange, EC_JWK]
    assert await verifier.verify(sign(clock, EC, "ES256", "ec"))
    for kid, algorithm, key in (("rsa", "RS256", RSA), ("oct", "HS256", "secret-of-thirty-two-bytes-or-so")):
        with pytest.raises(Unauthenticated):
            await verifier.verify(sign(clock, key, algorithm, kid))
