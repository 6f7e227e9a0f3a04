"""Public keys of an identity provider, read from its JWKS URL (RFC 7517) and kept by `kid`."""

import asyncio
import logging
from typing import Any, Final

import httpx
import jwt

from malgil.access.tokens import PUBLIC_KEY
from malgil.kit.clock import Clock
from malgil.kit.errors import Unauthenticated, Unavailable

# An unknown kid asks again at most this often, so that made-up kids cannot make us hammer the provider.
REFRESH_SECONDS: Final = 30.0
# A key the provider has withdrawn is good for at most this long here (longer while the provider is down).
KEEP_SECONDS: Final = 600.0
TIMEOUT_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class JwksKeys:
    """The keys behind one URL. The client is the caller's to close; `algorithms` narrows what is accepted."""

    def __init__(
        self, url: str, client: httpx.AsyncClient, clock: Clock, *, algorithms: frozenset[str] = PUBLIC_KEY
    ) -> None:
        if not algorithms or not algorithms <= PUBLIC_KEY:
            raise ValueError(f"a JWKS URL gives public keys; want algorithms out of {', '.join(sorted(PUBLIC_KEY))}")
        self._url = url
        self._client = client
        self._clock = clock
        self._algorithms = algorithms
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._tried_at: float | None = None
        self._read_at: float | None = None
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """The key named `kid` (or the only key, when the token names none), bound to its own algorithm."""
        if algorithm not in self._algorithms:
            raise Unauthenticated("The token's algorithm is not accepted.", code="TOKEN_INVALID")
        if self._known(kid) is None or self._stale():
            async with self._lock:
                if (self._known(kid) is None or self._stale()) and self._may_ask():
                    await self._refresh()
        key = self._known(kid)
        if key is not None and key.algorithm_name == algorithm:
            return key
        if self._read_at != self._tried_at:  # the last try failed: not the token's fault
            raise Unavailable("The keys that verify tokens cannot be read now.", code="JWKS_UNAVAILABLE")
        raise Unauthenticated("The token's key is not known.", code="TOKEN_INVALID")

    def _known(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    def _stale(self) -> bool:
        return self._read_at is None or self._clock.monotonic() - self._read_at > KEEP_SECONDS

    def _may_ask(self) -> bool:
        return self._tried_at is None or self._clock.monotonic() - self._tried_at >= REFRESH_SECONDS

    async def _refresh(self) -> None:
        self._tried_at = self._clock.monotonic()
        try:
            answer = await self._client.get(self._url, timeout=TIMEOUT_SECONDS)
            answer.raise_for_status()
            self._keys = _usable(answer.json())
            self._read_at = self._tried_at
        except (httpx.HTTPError, ValueError) as e:
            _log.warning("the JWKS at %s cannot be read: %s", self._url, e)


def _usable(document: Any) -> dict[str | None, jwt.PyJWK]:
    """The signing keys of a JWKS document by kid; kinds that we do not accept are passed over."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it holds no list of keys")
    keys: dict[str | None, jwt.PyJWK] = {}
    for one in listed:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(one)
        except jwt.PyJWTError as e:
            _log.info("a key of the JWKS is passed over: %s", type(e).__name__)
            continue
        if key.algorithm_name in PUBLIC_KEY:
            keys[key.key_id] = key
    return keys
