"""The limits as the edge keeps them: whom a request is counted for, and what the answer's headers say."""

import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from starlette.types import Scope

from malgil.access.address import Network, client_address, networks
from malgil.access.allowances import Allowance, Allowances, Rules
from malgil.access.limits import Ask, Decision, Limiter, MemoryLimiter, Rule
from malgil.access.model import Caller
from malgil.app.callers import CallerOf
from malgil.app.limit_types import Limit
from malgil.app.settings import Settings
from malgil.kit.clock import Clock
from malgil.kit.errors import MalgilError, RateLimited
from malgil.observe.metrics import Metrics

HEADERS: Final = (
    "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy", "Retry-After",
)
_FREE: Final = (
    "/health", "/health/live", "/health/ready", "/health/detailed", "/metrics", "/docs", "/redoc", "/openapi.json",
)
_SESSION: Final = "/api/chat/sessions/{session_id}"
_DOORS: Final = (
    f"POST {_SESSION}/messages", f"POST {_SESSION}/messages/stream", f"POST {_SESSION}/files",
    f"POST {_SESSION}/regenerate", f"POST {_SESSION}/branch", "POST /agent/chat", "GET /agent/chat/stream",
)
_MOST_LABELS: Final = 1024

_NOBODY: Final[frozenset[str]] = frozenset()


def allowances(settings: Settings) -> Allowances:
    """What the settings allow; a message's limit is the same at every door that has none of its own."""
    everybody = Allowance(
        _rules("default", settings.rate_limit_default), (Rule("messages", settings.rate_limit_messages_per_minute),),
        {name: _rules(name, limits) for name, limits in settings.rate_limit_endpoints.items()},
    )
    roles = {
        role: Allowance(
            _rules(f"{role}: default", own.default or ()), _rules(f"{role}: messages", own.messages or ()),
            {name: _rules(f"{role}: {name}", limits) for name, limits in own.endpoints.items()},
        )
        for role, own in settings.rate_limit_roles.items()
    }
    return Allowances(everybody, roles, doors=_DOORS, free=_FREE)


def _rules(name: str, limits: Sequence[Limit]) -> Rules:
    """The rules of one entry; their names must differ."""
    return tuple(
        Rule(f"{name} {number}" if number > 1 else name, one.limit, one.per, one.burst)
        for number, one in enumerate(limits, 1)
    )


def subject(caller: Caller) -> str:
    """What a signed-in caller is counted as, at every door."""
    # Either may hold a slash: the length tells where the tenant ends.
    return f"user:{len(caller.tenant)}:{caller.tenant}/{caller.user_id}"


class Tally:
    """How many decisions there were. Plain numbers, because every request adds to them."""

    def __init__(self) -> None:
        self._allowed = self._refused = 0

    def count(self, *, allowed: bool) -> None:
        if allowed:
            self._allowed += 1
        else:
            self._refused += 1

    def read(self) -> dict[str, int]:
        return {"allowed": self._allowed, "refused": self._refused}


@dataclass(frozen=True, slots=True)
class Limits:
    """What requests and messages are counted with; `trusted` are the proxies whose word about addresses is taken."""

    limiter: Limiter
    allowed: Allowances
    tally: Tally
    trusted: tuple[Network, ...] = ()


async def open_limits(
    settings: Settings, redis: Any, clock: Clock, metrics: Metrics, opening: AsyncExitStack
) -> Limits | None:
    """The limits of the settings, kept in `redis` if there is one; None when they are switched off."""
    if not settings.rate_limit_enabled:
        return None
    tally = Tally()
    if redis is None:
        metrics.watch_limits(tally.read, lambda: False)
        return Limits(MemoryLimiter(clock.monotonic), allowances(settings), tally, networks(settings.trusted_proxies))
    made = import_module("malgil.access.redis_limiter").RedisLimiter(redis, clock.monotonic)
    shared = await opening.enter_async_context(made)
    metrics.watch_limits(tally.read, lambda: shared.fallen_back)
    return Limits(shared, allowances(settings), tally, networks(settings.trusted_proxies))


class Turnstile:
    """Counts requests, and refuses those that are too many."""

    def __init__(self, limits: Limits, callers: CallerOf) -> None:
        self._limiter = limits.limiter
        self._allowed = limits.allowed
        self._tally = limits.tally
        self._trusted = limits.trusted
        self._callers = callers
        # By the name of the first rule, which no other rules have.
        self._labels: dict[str, _Labels] = {}

    async def admit(self, scope: Scope, headers: list[tuple[bytes, bytes]]) -> None:
        """Count the request and add to the `headers` of its answer. Raises RateLimited."""
        await self._count(scope, scope["method"], await self._callers(scope), headers)

    async def connect(self, scope: Scope, caller: Caller | MalgilError) -> None:
        """Count who opens a socket, or could not say who they are, as a GET of its path. Raises RateLimited."""
        await self._count(scope, "GET", caller, [])

    async def _count(
        self, scope: Scope, method: str, caller: Caller | MalgilError, headers: list[tuple[bytes, bytes]]
    ) -> None:
        if isinstance(caller, Caller):
            key, roles = subject(caller), caller.roles
        else:
            client = scope.get("client")
            address = client_address(client[0] if client else None, scope["headers"], self._trusted)
            key, roles = f"address:{address}", _NOBODY
        rules = self._allowed.of_request(method, scope["path"], roles)
        if not rules:
            return
        decisions = await self._limiter.take_all([Ask(key, rule) for rule in rules])
        tightest = max(range(len(rules)), key=lambda at: _tightness(decisions[at])) if len(rules) > 1 else 0
        decision = decisions[tightest]
        labels = self._labels.get(rules[0].name) or self._label(rules)
        headers += _headers(labels.names[tightest], decision, labels.policy)
        self._tally.count(allowed=decision.allowed)
        if not decision.allowed:
            raise RateLimited("Too many requests; try again later.", retry_after=decision.retry_after)

    def _label(self, rules: Rules) -> "_Labels":
        if len(self._labels) >= _MOST_LABELS:
            self._labels.clear()
        names = [_quoted(rule.name) for rule in rules]
        named = zip(names, rules, strict=True)
        policy = ", ".join(f"{name};q={rule.capacity};w={math.ceil(rule.span)}" for name, rule in named)
        found = self._labels[rules[0].name] = _Labels([name.encode() for name in names], policy.encode())
        return found


@dataclass(frozen=True, slots=True)
class _Labels:
    """Rules as headers write them."""

    names: list[bytes]
    policy: bytes


def _tightness(decision: Decision) -> tuple[float, float]:
    """The rule that refuses longest speaks, otherwise the one of which the smallest share is left."""
    return decision.retry_after, -decision.remaining / decision.limit


def _headers(name: bytes, decision: Decision, policy: bytes) -> list[tuple[bytes, bytes]]:
    limit, remaining, reset = b"%d" % decision.limit, b"%d" % decision.remaining, b"%d" % math.ceil(decision.reset)
    return [
        (b"x-ratelimit-limit", limit),
        (b"x-ratelimit-remaining", remaining),
        (b"x-ratelimit-reset", reset),
        (b"ratelimit", b"%b;r=%b;t=%b" % (name, remaining, reset)),
        (b"ratelimit-policy", policy),
    ]


def _quoted(name: str) -> str:
    """A structured field's string (RFC 9651): printable ASCII."""
    plain = "".join(sign if " " <= sign <= "~" else "?" for sign in name)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
