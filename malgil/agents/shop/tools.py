"""What the shop's support agent can do. Every tool reads the caller's own rows and nobody else's."""

import re
from typing import Any

from malgil.agents.shop import say, store
from malgil.agents.shop.arguments import (
    DeliveryTracking,
    ListOrders,
    OrderStatus,
    ProductSearch,
    RefundPolicy,
    RequestRefund,
)
from malgil.agents.shop.model import Order, Reason, Verdict, judge
from malgil.agents.tools import Tool, ToolContext
from malgil.kit.clock import rfc3339

_WORDS = 8


async def _own(ctx: ToolContext, number: int) -> Order | None:
    found = await store.orders(ctx.uow.conn, ctx.tenant, ctx.caller_user, number=number)
    return found[0] if found else None


def _unfound(number: int) -> dict[str, Any]:
    return {"found": False, "order_number": number, "say": say.no_order(number)}


async def _judge(ctx: ToolContext, order: Order, reason: Reason = "change_of_mind") -> Verdict:
    return judge(order, await store.rules(ctx.uow.conn, ctx.tenant), reason, ctx.now)


async def _order_status(ctx: ToolContext, asked: OrderStatus) -> dict[str, Any]:
    order = await _own(ctx, asked.order_number)
    if order is None:
        return _unfound(asked.order_number)
    verdict = await _judge(ctx, order)
    return {
        "found": True, **_facts(order), "items": order.items, "refundable": verdict.refundable,
        "say": say.order(order, verdict),
    }


async def _list_orders(ctx: ToolContext, asked: ListOrders) -> dict[str, Any]:
    wanted = {"all": None, "refundable": ["preparing", "delivered"]}.get(asked.only, [asked.only])
    orders = await store.orders(ctx.uow.conn, ctx.tenant, ctx.caller_user, statuses=wanted)
    if asked.only == "refundable":
        rules = await store.rules(ctx.uow.conn, ctx.tenant)
        orders = [o for o in orders if judge(o, rules, "change_of_mind", ctx.now).refundable]
    shown = orders[: asked.limit]
    return {
        "orders": [_facts(o) for o in shown], "total": len(orders), "only": asked.only,
        "say": say.order_list(shown, len(orders), asked.only),
    }


async def _product_search(ctx: ToolContext, asked: ProductSearch) -> dict[str, Any]:
    rows = await store.products(
        ctx.uow.conn, ctx.tenant, _search_words(asked.query), max_price=asked.max_price, min_price=asked.min_price,
        in_stock=asked.in_stock, most=asked.limit,
    )
    products = [{key: value for key, value in row.items() if key != "hits"} for row in rows]
    return {"query": asked.query, "products": products, "say": say.products(asked.query, products)}


async def _delivery_tracking(ctx: ToolContext, asked: DeliveryTracking) -> dict[str, Any]:
    if asked.order_number is None:
        orders = await store.orders(ctx.uow.conn, ctx.tenant, ctx.caller_user, statuses=["in_transit"], most=5)
    else:
        one = await _own(ctx, asked.order_number)
        if one is None:
            return _unfound(asked.order_number)
        orders = [one]
    return {
        "found": bool(orders), "deliveries": [{**_facts(o), "events": o.events} for o in orders],
        "say": say.tracking(orders, asked=asked.order_number is not None),
    }


async def _refund_policy(ctx: ToolContext, asked: RefundPolicy) -> dict[str, Any]:
    rules = await store.rules(ctx.uow.conn, ctx.tenant)
    if asked.order_number is not None:
        order = await _own(ctx, asked.order_number)
        if order is None:
            return _unfound(asked.order_number)
        verdict = judge(order, rules, "change_of_mind", ctx.now)
        return {
            "found": True, "order_number": order.order_number, **_verdict(verdict), "say": say.judged(order, verdict),
        }
    told = [r for r in rules.values() if r.topic == asked.topic]
    facts = [{"rule": r.rule, "days": r.days, "fee_krw": r.fee_krw} for r in told]
    return {"topic": asked.topic, "rules": facts, "say": say.policy(asked.topic, told)}


async def _request_refund(ctx: ToolContext, asked: RequestRefund) -> dict[str, Any]:
    conn, number = ctx.uow.conn, asked.order_number
    await store.lock_order(conn, ctx.tenant, ctx.caller_user, number)
    order = await _own(ctx, number)
    if order is None:
        return _unfound(number)
    rules = await store.rules(conn, ctx.tenant)
    if order.status != "refund_requested":
        verdict = judge(order, rules, asked.reason, ctx.now)
        if not verdict.refundable:
            return {
                "requested": False, "order_number": number, **_verdict(verdict), "say": say.judged(order, verdict),
            }
        if await store.insert_refund(
            conn, ctx.tenant, number, call_id=ctx.call_id, reason=asked.reason, amount_krw=verdict.amount_krw,
            at=ctx.now,
        ):
            return {
                "requested": True, "order_number": number, "amount_krw": verdict.amount_krw, "reason": asked.reason,
                "requested_at": rfc3339(ctx.now),
                "say": say.refunded(number, verdict.amount_krw, asked.reason, rules),
            }
    row = await store.refund(conn, ctx.tenant, number)
    return {
        "requested": False, "already_requested": True, "order_number": number, "amount_krw": row["amount_krw"],
        "requested_at": rfc3339(row["requested_at"]),
        "say": say.refund_exists(number, row["amount_krw"], row["requested_at"], rules),
    }


def _facts(order: Order) -> dict[str, Any]:
    moments = {"ordered_at": order.ordered_at, "expected_at": order.expected_at, "delivered_at": order.delivered_at}
    return {
        "order_number": order.order_number, "status": order.status, "total_krw": order.total_krw,
        "goods": [{"name_ko": i["name_ko"], "name_en": i["name_en"]} for i in order.items],
        **{name: rfc3339(at) if at else None for name, at in moments.items()},
        "carrier": order.carrier, "tracking_number": order.tracking_number,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "refundable": verdict.refundable, "rule": verdict.rule.rule, "amount_krw": verdict.amount_krw,
        "until": rfc3339(verdict.until) if verdict.until else None,
    }


def _search_words(query: str) -> list[str]:
    """The words to look for: as written, plurals without their s, and a Korean compound also written together."""
    words = re.findall(r"[^\W_]+", query.lower())[:_WORDS]
    found = [w[:-1] if w.isascii() and w.endswith("s") and len(w) > 3 else w for w in words]
    return list(dict.fromkeys(found)) or [query.lower()]


SHOP_TOOLS: tuple[Tool, ...] = (
    Tool(
        "order_status", "주문 한 건의 상태를 주문 번호로 조회합니다: 상품, 금액, 배송 상태. "
        "Status of one order by its order number: items, total, state.",
        OrderStatus, _order_status, title="주문 상태 조회 / Order status",
    ),
    Tool(
        "list_orders", "고객의 최근 주문 목록과 주문 내역을 보여 줍니다. "
        "List of the customer's recent orders, the order history.",
        ListOrders, _list_orders, title="주문 목록 / Order list",
    ),
    Tool(
        "product_search",
        "상품을 찾습니다: 추천, 가격, 재고, 판매 여부. Search products: recommend, price, stock, buy. "
        "전자제품, 이어폰, 헤드폰, 키보드, 마우스, 충전기, 스피커, 주방용품, 텀블러, 머그컵, 가방, 백팩, "
        "지갑, 우산, 운동화, 양말, 매트, 아령, 스탠드, 베개, 노트, 만년필, 커피, 녹차, "
        "electronics, earphones, headphones, keyboard, mouse, charger, speaker, tumbler, mug, pan, knife, backpack, "
        "wallet, umbrella, sneakers, socks, hoodie, mat, dumbbell, lamp, pillow, notebook, pen, coffee, tea.",
        ProductSearch, _product_search, title="상품 검색 / Product search",
    ),
    Tool(
        "delivery_tracking", "배송 조회: 주문이 어디쯤 왔는지, 언제 도착하는지, 운송장 번호를 알려 줍니다. "
        "Track a delivery: where a parcel is, when it arrives, its tracking number.",
        DeliveryTracking, _delivery_tracking, title="배송 조회 / Delivery tracking",
    ),
    Tool(
        "refund_policy", "환불, 반품, 교환, 불량, 주문 취소, 배송비 규정을 안내합니다. "
        "Rules (policy) for refunds, returns, exchanges, defective items, cancelling and shipping fees.",
        RefundPolicy, _refund_policy, title="환불·교환 규정 / Refund and exchange rules",
    ),
    Tool(
        "request_refund", "주문의 환불을 신청합니다. 출고 전 주문은 취소됩니다. "
        "Request a refund of an order, return it, or cancel it before it ships.",
        RequestRefund, _request_refund, idempotent=False, title="환불 신청 / Refund request",
    ),
)
"""Every tool of the demo shop, in the order agents are offered them."""
