"""Making a token: for `malgil token` and for tests; people who sign in elsewhere bring their provider's."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import jwt

from malgil.access.model import valid_name
from malgil.kit.errors import Invalid


def mint(
    secret: str, *, user: str, tenant: str, roles: Iterable[str], now: datetime, lifetime: timedelta,
    algorithm: str = "HS256",
) -> str:
    """A signed token with sub, tenant, roles, iat and exp. Raises Invalid for what is no name or no lifetime."""
    named = sorted(set(roles))
    for what, value in (("user", user), ("tenant", tenant), *(("role", role) for role in named)):
        if not valid_name(value):
            raise Invalid(f"The {what} {value!r} is not a name: 1–128 printable characters without spaces around them.")
    if lifetime <= timedelta(0):
        raise Invalid("The token would be expired from the start: its lifetime must be above zero.")
    issued = int(now.timestamp())
    expires = issued + int(lifetime.total_seconds())
    claims = {"sub": user, "tenant": tenant, "roles": named, "iat": issued, "exp": max(expires, issued + 1)}
    return jwt.encode(claims, secret, algorithm=algorithm)
