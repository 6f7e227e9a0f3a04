"""`malgil token`."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import typer

from malgil.access.mint import mint
from malgil.access.model import ROLES
from malgil.app.keys import jwt_secret
from malgil.app.settings import load
from malgil.kit.clock import SystemClock
from malgil.kit.errors import Invalid

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MOST: Final = timedelta(days=3650)


def run(flags: Mapping[str, Any], *, user: str, tenant: str, roles: Sequence[str], expires: str) -> None:
    """Print a token, and nothing else, on standard output."""
    strangers = [role for role in roles if role not in ROLES]
    if strangers:
        raise Invalid(f"There is no role {strangers[0]!r}; there are {', '.join(sorted(ROLES))}.")
    lifetime = duration(expires)
    settings = load(flags).settings
    typer.echo(
        mint(
            jwt_secret(settings), user=user, tenant=tenant, roles=roles, now=SystemClock().now(), lifetime=lifetime,
            algorithm=settings.jwt_algorithm,
        )
    )


def duration(text: str) -> timedelta:
    """The time that `90s`, `30m`, `24h` or `7d` means, at most ten years. Raises Invalid."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text, re.ASCII)
    if not found:
        raise Invalid(f"{text!r} is not a time; write 90s, 30m, 24h or 7d.")
    lifetime = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if not timedelta(0) < lifetime <= _MOST:
        raise Invalid("A token is good for more than nothing and at most 3650d.")
    return lifetime
