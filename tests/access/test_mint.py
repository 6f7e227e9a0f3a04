"""Made tokens are accepted, and only sensible ones are made."""

from datetime import timedelta
from typing import Any

import pytest

from malgil.access.mint import mint
from malgil.access.tokens import SecretKey, TokenVerifier
from malgil.kit.errors import Invalid
from tests.fixtures.time import FakeClock

SECRET = "a secret of more than thirty-two bytes"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_a_made_token_is_accepted(clock: FakeClock, algorithm: str) -> None:
    made = mint(
        SECRET * 2, user="민아", tenant="acme", roles=["admin", "user", "user"], now=clock.now(),
        lifetime=timedelta(minutes=5), algorithm=algorithm,
    )
    caller = await TokenVerifier(SecretKey(SECRET * 2, algorithm), clock).verify(made)
    assert (caller.user_id, caller.tenant, caller.roles) == ("민아", "acme", {"admin", "user"})
    assert caller.expires_at == clock.now().timestamp() + 300


@pytest.mark.parametrize(
    "changed",
    [{"user": ""}, {"user": "a\nb"}, {"tenant": " "}, {"roles": [""]}, {"lifetime": timedelta(0)},
     {"lifetime": timedelta(seconds=-1)}],
)
def test_senseless_tokens_are_not_made(clock: FakeClock, changed: dict[str, Any]) -> None:
    good: dict[str, Any] = {"user": "mina", "tenant": "acme", "roles": ["user"], "lifetime": timedelta(hours=1)}
    with pytest.raises(Invalid):
        mint(SECRET, now=clock.now(), **{**good, **changed})
