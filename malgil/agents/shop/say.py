"""How the shop's facts read to a person: each function gives {"ko": …, "en": …}, made from the text catalogues."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from malgil.agents.shop import text_en, text_ko
from malgil.agents.shop.model import Order, Rule, Verdict

SEOUL = timezone(timedelta(hours=9))
"""People are told dates as the shop's country counts them; the facts themselves are in UTC."""

Said = dict[str, str]


@dataclass(frozen=True, slots=True)
class Tongue:
    """One language: its catalogue and how it writes money, days and names."""

    code: str
    months: Sequence[str]
    say: Mapping[str, str]
    statuses: Mapping[str, str]
    places: Mapping[str, str]
    carriers: Mapping[str, str]
    rules: Mapping[str, str]
    topics: Mapping[str, str]
    reasons: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        return self.say[key].format(**values)

    def money(self, won: int) -> str:
        return f"₩{won:,}"

    def day(self, moment: datetime) -> str:
        local = moment.astimezone(SEOUL)
        return self("day", month=self.months[local.month - 1], day=local.day)

    def name(self, product: Mapping[str, Any]) -> str:
        return str(product[f"name_{self.code}"])

    def goods(self, order: Order) -> str:
        first = self.name(order.items[0])
        more = len(order.items) - 1
        return self("goods_more", first=first, more=more) if more else first

    def rule(self, rule: Rule) -> str:
        fee = None if rule.fee_krw is None else self.money(rule.fee_krw)
        return self.rules[rule.rule].format(days=rule.days, fee=fee)


def _tongue(code: str, text: Any) -> Tongue:
    return Tongue(
        code, text.MONTHS, text.SAY, text.STATUSES, text.PLACES, text.CARRIERS, text.RULES, text.TOPICS, text.REASONS
    )


TONGUES = (_tongue("ko", text_ko), _tongue("en", text_en))


def _both(lines: Callable[[Tongue], Sequence[str | None]]) -> Said:
    return {t.code: "\n".join(line for line in lines(t) if line) for t in TONGUES}


def no_order(number: int) -> Said:
    return _both(lambda t: [t("no_order", number=number)])


def order(one: Order, verdict: Verdict) -> Said:
    """The order, what is in it, and what can be done with it now."""

    def lines(t: Tongue) -> list[str | None]:
        return [
            t("order", number=one.order_number, status=t.statuses[one.status]),
            t("order_placed", day=t.day(one.ordered_at), total=t.money(one.total_krw)),
            *(t("item", name=t.name(i), quantity=i["quantity"], price=t.money(i["unit_price_krw"])) for i in one.items),
            _arrival(t, one),
            t("order_refundable", day=t.day(verdict.until)) if verdict.refundable and verdict.until else None,
            t("order_cancellable") if verdict.refundable and not verdict.until else None,
        ]

    return _both(lines)


def _arrival(t: Tongue, one: Order) -> str | None:
    if one.delivered_at:
        return t("order_delivered", day=t.day(one.delivered_at))
    if one.expected_at and one.status == "in_transit":
        return t("order_expected", day=t.day(one.expected_at))
    return None


def order_list(shown: Sequence[Order], total: int, only: str) -> Said:
    """The orders in a list, newest first; or that there are none."""

    def named(t: Tongue) -> str:
        return t.statuses.get(only) or t(f"only_{only}")

    def lines(t: Tongue) -> list[str | None]:
        if not shown:
            return [t("list_none") if only == "all" else t("list_none_of", only=named(t))]
        return [t("list", count=len(shown), total=total), *(
            t("list_line", number=o.order_number, goods=t.goods(o), total=t.money(o.total_krw), day=t.day(o.ordered_at),
              status=t.statuses[o.status]) for o in shown
        )]

    return _both(lines)


def products(query: str, rows: Sequence[Mapping[str, Any]]) -> Said:
    """What a search found, with prices and stock."""

    def lines(t: Tongue) -> list[str | None]:
        if not rows:
            return [t("products_none", query=query)]
        return [t("products", query=query, count=len(rows)), *(
            t("product_line", name=t.name(r), price=t.money(r["price_krw"]), id=r["product_id"],
              stock=t("in_stock", stock=r["stock"]) if r["stock"] else t("sold_out")) for r in rows
        )]

    return _both(lines)


def tracking(shown: Sequence[Order], *, asked: bool) -> Said:
    """Where the orders are: one that was asked for by its number, or all that are on their way."""

    def lines(t: Tongue) -> list[str | None]:
        if not shown:
            return [t("tracking_none")]
        head = None if asked else t("tracking_many", count=len(shown))
        return [head, *(line for one in shown for line in _whereabouts(t, one))]

    return _both(lines)


def _whereabouts(t: Tongue, one: Order) -> list[str | None]:
    head = t("tracking", number=one.order_number, goods=t.goods(one), status=t.statuses[one.status])
    if not one.events or not one.carrier:
        return [head, t("tracking_not_yet") if one.status == "preparing" else None]
    last = one.events[-1]
    day = t.day(datetime.fromisoformat(last["at"]))
    return [
        head,
        t("tracking_last", place=t.places[last["place"]], step=t.statuses[last["status"]], day=day),
        _arrival(t, one),
        t("tracking_carrier", carrier=t.carriers[one.carrier], tracking=one.tracking_number),
    ]


def policy(topic: str, rules: Sequence[Rule]) -> Said:
    """The rules of one topic, one a line."""
    return _both(lambda t: [t("policy", topic=t.topics[topic]), *(t("rule_line", rule=t.rule(r)) for r in rules)])


def judged(one: Order, verdict: Verdict) -> Said:
    """Whether the order can be refunded, and which rule says so."""

    def lines(t: Tongue) -> list[str | None]:
        if not verdict.refundable:
            return [t("judged_no", number=one.order_number, rule=t.rule(verdict.rule))]
        return [
            t("judged_yes", number=one.order_number, amount=t.money(verdict.amount_krw)), t.rule(verdict.rule),
            t("order_refundable", day=t.day(verdict.until)) if verdict.until else None,
            t("judged_how", number=one.order_number),
        ]

    return _both(lines)


def refunded(number: int, amount_krw: int, reason: str, rules: Mapping[str, Rule]) -> Said:
    """That the refund has been requested just now."""
    return _both(lambda t: [
        t("refunded", number=number), t("refunded_amount", amount=t.money(amount_krw), reason=t.reasons[reason]),
        t.rule(rules["payout"]),
    ])


def refund_exists(number: int, amount_krw: int, at: datetime, rules: Mapping[str, Rule]) -> Said:
    """That the refund was requested before, and that nothing has been done again."""
    return _both(lambda t: [
        t("refund_exists", number=number, day=t.day(at), amount=t.money(amount_krw)), t.rule(rules["payout"]),
    ])
