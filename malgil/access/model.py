"""The caller: who asks, on behalf of which tenant, with which roles."""

from dataclasses import dataclass
from typing import Final

from malgil.kit.ids import TenantId, UserId

USER: Final = "user"
AGENT_BUILDER: Final = "agent_builder"
ADMIN: Final = "admin"
ROLES: Final = frozenset({USER, AGENT_BUILDER, ADMIN})

GUEST: Final = UserId("guest")
DEFAULT_TENANT: Final = TenantId("default")

NAME_LENGTH: Final = 128


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. `expires_at` is in epoch seconds (None: does not expire); `dev` is true in development mode."""

    user_id: UserId
    tenant: TenantId
    roles: frozenset[str]
    expires_at: float | None = None
    dev: bool = False


def guest() -> Caller:
    """Who calls without a token in development mode: one person at their own machine, so every role."""
    return Caller(GUEST, DEFAULT_TENANT, ROLES, dev=True)


def valid_name(name: object) -> bool:
    """Whether `name` may name a user, a tenant or a role: 1–128 printable characters, no space around them."""
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LENGTH or name != name.strip():
        return False
    return name.isprintable()  # neither NUL nor a lone surrogate is
