"""The demo's rows: the same ones every time, with dates that lie before the given moment.

Every user has an order being prepared, two in transit, several delivered within the last week (refundable), cancelled
ones, and many from long ago. Order 1042 is guest's, delivered two days before the seed.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Any

from malgil.agents.shop import store, text_en, text_ko
from malgil.agents.shop.model import FREE_SHIPPING_FROM_KRW, SHIPPING_KRW
from malgil.kit.ids import TenantId
from malgil.storage.database import UnitOfWork

USERS = ("minji", "alex", "subin", "123", "jiho", "guest", "emma", "haneul")
ORDERS_A_USER = 40
FIRST_ORDER = 741

_SEED = 1042
_FIRST_PRODUCT = 501
_GOODS = {  # category → (kind, price in won of its plainest line)
    "electronics": (("earphones", 59_000), ("headphones", 89_000), ("keyboard", 99_000), ("mouse", 29_000),
                    ("charger", 25_000), ("speaker", 49_000)),
    "kitchen": (("tumbler", 19_000), ("mug", 9_000), ("frying_pan", 35_000), ("knife", 32_000)),
    "fashion": (("backpack", 69_000), ("wallet", 45_000), ("umbrella", 22_000), ("sneakers", 79_000),
                ("socks", 8_000), ("hoodie", 39_000)),
    "sports": (("yoga_mat", 27_000), ("dumbbell", 24_000)),
    "home": (("lamp", 42_000), ("pillow", 38_000)),
    "stationery": (("notebook", 5_000), ("pen", 55_000)),
    "food": (("coffee", 18_000), ("green_tea", 15_000)),
}
_MARKUP = {"mini": 0, "classic": 20, "air": 35, "pro": 70, "max": 100}  # per cent
_RULES: tuple[tuple[str, str, int | None, int | None], ...] = (
    ("change_of_mind", "refund", 7, 6_000),
    ("defective", "refund", 30, 0),
    ("before_shipping", "cancel", None, 0),
    ("in_transit", "cancel", None, None),
    ("food", "refund", None, None),
    ("already_cancelled", "cancel", None, None),
    ("payout", "refund", 3, None),
    ("exchange", "exchange", 7, 6_000),
    ("exchange_defective", "exchange", 30, 0),
    ("exchange_stock", "exchange", None, None),
    ("shipping_fee", "shipping", None, SHIPPING_KRW),
    ("shipping_time", "shipping", 3, None),
)
# A user's newest orders: (status, ordered days ago, delivered days ago). Order 1042 is the third of its user.
_RECENT: tuple[tuple[str, float, float | None], ...] = (
    ("preparing", 0.3, None), ("in_transit", 1.5, None), ("delivered", 4, 2), ("in_transit", 4.4, None),
    ("delivered", 5, 3), ("cancelled", 6, None), ("delivered", 6.5, 4), ("delivered", 7, 4.5),
    ("delivered", 7.5, 5), ("delivered", 8, 5.5),
)
_STEPS = (("picked_up", "warehouse", 0.6), ("at_hub", "hub", 1.0), ("out_for_delivery", "local", 1.4))


async def seed(uow: UnitOfWork, tenant: TenantId, now: datetime) -> bool:
    """Fill the tenant's shop once. Returns False, having changed nothing, when it was filled before."""
    rules = [
        {"tenant": tenant, "rule": rule, "topic": topic, "days": days, "fee_krw": fee, "position": position}
        for position, (rule, topic, days, fee) in enumerate(_RULES)
    ]
    if not await store.seed_rules(uow.conn, rules):
        return False
    goods = _products(tenant)
    draft = _Draft(tenant, goods, now)
    for place in range(ORDERS_A_USER * len(USERS)):
        draft.order(place)
    await store.seed_rows(uow.conn, goods, draft.orders, draft.items, draft.deliveries, draft.events)
    return True


def _products(tenant: TenantId) -> list[dict[str, Any]]:
    chance = Random(_SEED)
    rows: list[dict[str, Any]] = []
    kinds = [(category, kind, price) for category, each in _GOODS.items() for kind, price in each]
    for category, kind, price in kinds:
        for line, markup in _MARKUP.items():
            ko = f"{text_ko.GOODS[kind]} {text_ko.LINES[line]}"
            en = f"{text_en.GOODS[kind]} {text_en.LINES[line]}"
            words = (ko, ko.replace(" ", ""), en, kind, text_ko.CATEGORIES[category], text_en.CATEGORIES[category])
            rows.append({
                "tenant": tenant, "product_id": _FIRST_PRODUCT + len(rows), "category": category, "name_ko": ko,
                "name_en": en, "price_krw": price * (100 + markup) // 100 // 100 * 100,
                "stock": chance.choice((0, 3, 8, 15, 40)), "search": " ".join(words).lower(),
            })
    return rows


class _Draft:
    """The rows of the orders as they are drawn, one order after the other."""

    def __init__(self, tenant: TenantId, goods: list[dict[str, Any]], now: datetime) -> None:
        self.orders: list[dict[str, Any]] = []
        self.items: list[dict[str, Any]] = []
        self.deliveries: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self._tenant, self._goods, self._now = tenant, goods, now
        self._durable = [one for one in goods if one["category"] != "food"]
        self._chance = Random(_SEED)

    def order(self, place: int) -> None:
        """Draw the order at this place, oldest first."""
        key = {"tenant": self._tenant, "order_number": FIRST_ORDER + place}
        nth = ORDERS_A_USER - 1 - place // len(USERS)
        status, ordered, delivered = _RECENT[nth] if nth < len(_RECENT) else self._old(nth)
        ordered_at = self._now - timedelta(days=ordered, minutes=self._chance.randrange(120))
        total = self._fill(key, self._goods if nth == 6 or nth >= len(_RECENT) else self._durable)
        self.orders.append({
            **key, "user_id": USERS[place % len(USERS)], "status": status, "ordered_at": ordered_at,
            "total_krw": total,
        })
        if status in ("in_transit", "delivered"):
            arrived = None if delivered is None else self._now - timedelta(days=delivered)
            self._deliver(key, ordered_at, arrived)

    def _old(self, nth: int) -> tuple[str, float, float | None]:
        days = 40.0 + 6 * (nth - len(_RECENT))
        return ("cancelled", days, None) if nth % 7 == 0 else ("delivered", days, days - 2)

    def _fill(self, key: dict[str, Any], goods: list[dict[str, Any]]) -> int:
        chosen = self._chance.sample(goods, self._chance.choice((1, 2, 2, 3)))
        total = 0
        for line, one in enumerate(chosen, 1):
            quantity = self._chance.choice((1, 1, 1, 2))
            total += quantity * one["price_krw"]
            self.items.append({
                **key, "line": line, "product_id": one["product_id"], "quantity": quantity,
                "unit_price_krw": one["price_krw"],
            })
        return total if total >= FREE_SHIPPING_FROM_KRW else total + SHIPPING_KRW

    def _deliver(self, key: dict[str, Any], ordered_at: datetime, arrived: datetime | None) -> None:
        self.deliveries.append({
            **key, "carrier": self._chance.choice(("hanbit", "gaon")),
            "tracking_number": str(self._chance.randrange(10**11, 10**12)),
            "expected_at": arrived or max(ordered_at + timedelta(days=3), self._now + timedelta(days=1)),
            "delivered_at": arrived,
        })
        seen = [(status, place, ordered_at + timedelta(days=after)) for status, place, after in _STEPS]
        past = [one for one in seen if one[2] <= self._now] + ([("delivered", "door", arrived)] if arrived else [])
        self.events.extend(
            {**key, "step": step, "status": status, "place": place, "at": at}
            for step, (status, place, at) in enumerate(past, 1)
        )
