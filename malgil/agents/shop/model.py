"""What an order is and when it is refunded: plain values and one rule, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Reason = Literal["change_of_mind", "defective", "wrong_item", "other"]
Only = Literal["all", "preparing", "in_transit", "delivered", "refundable", "cancelled"]
Topic = Literal["refund", "exchange", "cancel", "shipping"]

FAULTS: frozenset[Reason] = frozenset({"defective", "wrong_item"})
SHIPPING_KRW = 3_000
FREE_SHIPPING_FROM_KRW = 50_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the shop: within how many days, at what fee in won."""

    rule: str
    topic: str
    days: int | None
    fee_krw: int | None


@dataclass(frozen=True, slots=True)
class Order:
    """One order with its items, its delivery and its refund, as far as they exist. Money is whole won."""

    order_number: int
    status: str
    ordered_at: datetime
    total_krw: int
    items: list[dict[str, Any]]
    events: list[dict[str, Any]]
    carrier: str | None
    tracking_number: str | None
    expected_at: datetime | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an order is refunded, by which rule, how much of it, and until when one may ask."""

    refundable: bool
    rule: Rule
    amount_krw: int = 0
    until: datetime | None = None


def judge(order: Order, rules: Mapping[str, Rule], reason: Reason, now: datetime) -> Verdict:
    """The shop's answer to a refund of `order` for `reason` at `now`."""
    if order.status == "preparing":
        return Verdict(True, rules["before_shipping"], order.total_krw)
    if order.status == "in_transit":
        return Verdict(False, rules["in_transit"])
    if order.status != "delivered" or order.delivered_at is None:
        return Verdict(False, rules["already_cancelled"])
    if reason not in FAULTS and any(item["category"] == "food" for item in order.items):
        return Verdict(False, rules["food"])
    rule = rules["defective" if reason in FAULTS else "change_of_mind"]
    until = order.delivered_at + timedelta(days=rule.days or 0)
    if now > until:
        return Verdict(False, rule, until=until)
    return Verdict(True, rule, max(0, order.total_krw - (rule.fee_krw or 0)), until)
