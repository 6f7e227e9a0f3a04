"""When the shop refunds an order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from malgil.agents.shop.model import Order, Reason, Rule, judge

NOW = datetime(2026, 1, 15, tzinfo=UTC)
RULES = {
    rule.rule: rule
    for rule in (
        Rule("change_of_mind", "refund", 7, 6_000),
        Rule("defective", "refund", 30, 0),
        Rule("before_shipping", "cancel", None, 0),
        Rule("in_transit", "cancel", None, None),
        Rule("food", "refund", None, None),
        Rule("already_cancelled", "cancel", None, None),
    )
}
ORDER = Order(
    order_number=1,
    status="delivered",
    ordered_at=NOW - timedelta(days=9),
    total_krw=50_000,
    items=[{"category": "home"}],
    events=[],
    carrier="gaon",
    tracking_number="1",
    expected_at=NOW,
    delivered_at=NOW - timedelta(days=7),
)
FOOD = [{"category": "food"}]


@pytest.mark.parametrize(
    ("change", "reason", "rule", "amount"),
    [
        ({}, "change_of_mind", "change_of_mind", 44_000),
        ({}, "defective", "defective", 50_000),
        ({"delivered_at": NOW - timedelta(days=30)}, "wrong_item", "defective", 50_000),
        ({"status": "preparing", "delivered_at": None}, "other", "before_shipping", 50_000),
        ({"items": FOOD}, "defective", "defective", 50_000),
        ({"total_krw": 4_000}, "other", "change_of_mind", 0),
    ],
)
def test_refunded(change: dict[str, object], reason: Reason, rule: str, amount: int) -> None:
    verdict = judge(replace(ORDER, **change), RULES, reason, NOW)

    assert (verdict.refundable, verdict.rule.rule, verdict.amount_krw) == (True, rule, amount)


@pytest.mark.parametrize(
    ("change", "reason", "rule"),
    [
        ({"delivered_at": NOW - timedelta(days=7, seconds=1)}, "change_of_mind", "change_of_mind"),
        ({"delivered_at": NOW - timedelta(days=31)}, "defective", "defective"),
        ({"status": "in_transit", "delivered_at": None}, "defective", "in_transit"),
        ({"status": "cancelled", "delivered_at": None}, "other", "already_cancelled"),
        ({"items": FOOD}, "change_of_mind", "food"),
    ],
)
def test_not_refunded(change: dict[str, object], reason: Reason, rule: str) -> None:
    verdict = judge(replace(ORDER, **change), RULES, reason, NOW)

    assert (verdict.refundable, verdict.rule.rule, verdict.amount_krw) == (False, rule, 0)
