"""What happens in a round, drawn from one number: sessions, who listens, who asks what and how, and when it dies."""

import random
from dataclasses import dataclass
from typing import Literal

FAILPOINTS = (
    ("turn.claimed", 2),
    ("turn.before_append", 25),
    ("pieces.before_append", 25),
    ("log.before_publish", 40),
    ("tool.started", 2),
    ("tool.before_commit", 2),
    ("turn.before_end_commit", 2),
    ("ws.before_ack", 1),
)
"""Where the server kills itself, and at which passage at the latest."""

Way = Literal["socket", "post", "streamed", "named"]

# The demo shop's orders, dealt out to its users in turn; the newest of each that can be refunded.
_USERS = ("minji", "alex", "subin", "123", "jiho", "guest", "emma", "haneul")
_FIRST_ORDER, _ORDERS_A_USER, _REFUNDABLE = 741, 40, (0, 2, 4, 7, 8, 9)
_CALLER = "guest"

_QUESTIONS = (
    "주문 상태 확인", "{order}번 주문 상태 알려 주세요", "배송 어디쯤 왔나요?", "환불 규정 알려 주세요",
    "텀블러 추천해 주세요", "Where is order {order}?", "What is your refund policy?", "Show my recent orders",
    "안녕하세요", "hello there",
)
_REFUNDS = ("{order}번 환불해 주세요", "주문 {order}번 환불 신청할게요, 불량이에요", "Please refund order {order}")


def orders_of(user: str) -> list[int]:
    """The numbers of the user's orders that can be refunded on the day the shop is seeded."""
    place = _USERS.index(user)
    return [_FIRST_ORDER + place + len(_USERS) * (_ORDERS_A_USER - 1 - nth) for nth in _REFUNDABLE]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question: how it is sent, after how many seconds, how often again, and whom the caller plays (None: nobody)."""

    way: Way
    text: str
    user_id: str | None
    after: float
    repeats: int


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """`first` is asked before the first death, `then` after it. `stop_after`: pieces after which somebody says stop."""

    first: tuple[Ask, ...]
    then: tuple[Ask, ...]
    listeners: tuple[Literal["socket", "events"], ...]
    stop_after: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A round. `pieces` are told, then the server dies by our hand (`drained`: by SIGTERM, else by kill -9).

    Each of the next lives dies at a failpoint (name, passage); a last one stays. Mostly there is one of them: an
    answer has three attempts, and one that loses more than two lives may fail. `resets`: who takes over has a model
    that cannot go on from half a text, as most cannot.
    """

    seed: int
    number: int
    pieces: int
    drained: bool
    resets: bool
    failpoints: tuple[tuple[str, int], ...]
    sessions: tuple[SessionPlan, ...]


def plan(seed: int, number: int) -> Plan:
    """The round of that number. Failpoints come in turn, everything else by chance."""
    chance = random.Random(f"{seed}:{number}")
    points = [FAILPOINTS[number % len(FAILPOINTS)]]
    if chance.random() < 0.1:
        points.append(chance.choice(FAILPOINTS))
    return Plan(
        seed, number, pieces=chance.randrange(1, 60), drained=chance.random() < 0.15,
        resets=chance.random() < 0.4,
        failpoints=tuple((name, chance.randrange(1, most + 1)) for name, most in points),
        sessions=tuple(_session(chance, first=place == 0) for place in range(chance.randrange(3, 6))),
    )


def _session(chance: random.Random, *, first: bool) -> SessionPlan:
    # The first session asks on its socket and wants a refund each time, so that every failpoint is on the way.
    ways: tuple[Way, ...] = ("socket",) if first else ("socket", "post", "streamed", "named")
    refund = 1.0 if first else 0.35
    return SessionPlan(
        first=tuple(draw_ask(chance, ways=ways, refund=refund) for _ in range(chance.randrange(1, 3))),
        then=tuple(draw_ask(chance, ways=ways, refund=refund) for _ in range(2 if first else chance.randrange(3))),
        listeners=tuple(chance.choices(("socket", "events"), k=chance.randrange(3))),
        stop_after=chance.randrange(2, 30) if not first and chance.random() < 0.15 else None,
    )


def draw_ask(
    chance: random.Random, *, ways: tuple[Way, ...] = ("socket", "post", "streamed", "named"), refund: float = 0.35,
    later: float = 0.6,
) -> Ask:
    """A question that is asked within `later` seconds."""
    user = chance.choice(_USERS)
    form = chance.choice(_REFUNDS if chance.random() < refund else _QUESTIONS)
    return Ask(
        chance.choice(ways), form.format(order=chance.choice(orders_of(user))), None if user == _CALLER else user,
        after=chance.random() * later, repeats=chance.choice((0, 0, 1, 2)),
    )
