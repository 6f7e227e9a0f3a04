"""Signed tokens: from the text of a JWT to the caller it stands for.

Which algorithms are good is decided here from the configured keys, never from the token (RFC 8725 §2.1), and every key
answers to its own algorithm only, so that a public key can never be taken for an HMAC secret.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final, Protocol

import jwt

from malgil.access.model import Caller, valid_name
from malgil.kit.clock import Clock
from malgil.kit.errors import Unauthenticated
from malgil.kit.ids import TenantId, UserId

CACHE_SECONDS: Final = 30.0
CACHE_SIZE: Final = 4096
# Another machine's clock may run ahead: a token is accepted a little before its nbf, never after its exp.
NOT_BEFORE_LEEWAY: Final = 5.0
TOKEN_LENGTH: Final = 8192

HMAC: Final = frozenset({"HS256", "HS384", "HS512"})
PUBLIC_KEY: Final = frozenset({"RS256", "ES256", "EdDSA"})

_CLAIMS: Final = ("sub", "tenant", "roles", "exp")


class Keys(Protocol):
    """Where verification keys come from."""

    async def find(self, kid: str | None, algorithm: str) -> "jwt.PyJWK":
        """The key for a token's `kid`, bound to the one algorithm it may verify.

        Raises Unauthenticated when no key of ours fits, Unavailable when the keys cannot be had now.
        """
        ...


class SecretKey:
    """One shared secret and one HMAC algorithm; `kid` does not matter."""

    def __init__(self, secret: str, algorithm: str = "HS256") -> None:
        if algorithm not in HMAC:
            raise ValueError(f"{algorithm} is not an HMAC algorithm; want one of {', '.join(sorted(HMAC))}")
        encoded = jwt.utils.base64url_encode(secret.encode()).decode()
        self._key = jwt.PyJWK({"kty": "oct", "k": encoded}, algorithm)

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        return self._key


class TokenVerifier:
    """Verifies tokens and remembers the good ones for 30 s, never past their `exp`; at most 4,096 of them."""

    def __init__(self, keys: Keys, clock: Clock, *, dev: bool = False) -> None:
        self._keys = keys
        self._clock = clock
        self._dev = dev
        self._good: dict[bytes, tuple[float, Caller]] = {}

    async def verify(self, token: str) -> Caller:
        """The caller a token stands for. Raises Unauthenticated (`TOKEN_INVALID`, `TOKEN_EXPIRED`) or Unavailable."""
        if len(token) > TOKEN_LENGTH or not token.isascii():
            raise _bad("The token cannot be read.")
        # Remembered by digest: the cache holds no secret and its entries are small.
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock.now().timestamp()
        known = self._good.get(digest)
        if known and now < known[0]:
            return known[1]
        caller = self._caller(await self._claims(token), now)
        self._remember(digest, caller, now)
        return caller

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            kid, algorithm = header.get("kid"), str(header.get("alg"))
            key = await self._keys.find(kid if isinstance(kid, str) else None, algorithm)
            # Times are checked in _caller, on our own clock.
            options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
            return jwt.decode(token, key, algorithms=[key.algorithm_name], options=options)
        except jwt.PyJWTError as e:
            raise _bad("The token cannot be verified.") from e

    def _caller(self, claims: Mapping[str, Any], now: float) -> Caller:
        missing = [name for name in _CLAIMS if name not in claims]
        if missing:
            raise _bad(f"The token lacks the claim {missing[0]!r}.")
        subject, tenant, roles, expires = (claims[name] for name in _CLAIMS)
        for name, value in (("sub", subject), ("tenant", tenant)):
            if not valid_name(value):
                raise _bad(f"The token's claim {name!r} is not a name.")
        if not isinstance(roles, list) or not all(valid_name(role) for role in roles):
            raise _bad("The token's claim 'roles' is not a list of names.")
        if not _is_time(expires) or not _is_time(claims.get("nbf", 0)):
            raise _bad("The token's times are not numbers.")
        if now >= expires:
            raise Unauthenticated("The token has expired.", code="TOKEN_EXPIRED")
        if now + NOT_BEFORE_LEEWAY < claims.get("nbf", 0):
            raise _bad("The token is not valid yet.")
        return Caller(UserId(subject), TenantId(tenant), frozenset(roles), float(expires), self._dev)

    def _remember(self, digest: bytes, caller: Caller, now: float) -> None:
        self._good.pop(digest, None)
        if len(self._good) >= CACHE_SIZE:
            del self._good[next(iter(self._good))]
        self._good[digest] = (min(now + CACHE_SECONDS, caller.expires_at or now), caller)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _bad(detail: str) -> Unauthenticated:
    return Unauthenticated(detail, code="TOKEN_INVALID")
