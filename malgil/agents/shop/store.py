"""All SQL of the shop. Every read of orders names the tenant and the user whose orders they are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from malgil.agents.shop.model import Order, Rule
from malgil.kit.ids import TenantId, UserId
from malgil.storage.database import Connection

_ORDERS = """
SELECT o.order_number, CASE WHEN r.order_number IS NULL THEN o.status ELSE 'refund_requested' END AS status,
       o.ordered_at, o.total_krw, d.carrier, d.tracking_number, d.expected_at, d.delivered_at, i.items, e.events
  FROM shop_orders o
  LEFT JOIN shop_deliveries d USING (tenant, order_number)
  LEFT JOIN shop_refunds r USING (tenant, order_number)
 CROSS JOIN LATERAL (
       SELECT coalesce(jsonb_agg(jsonb_build_object('product_id', p.product_id, 'category', p.category,
              'name_ko', p.name_ko, 'name_en', p.name_en, 'quantity', x.quantity,
              'unit_price_krw', x.unit_price_krw) ORDER BY x.line), '[]') AS items
         FROM shop_order_items x JOIN shop_products p USING (tenant, product_id)
        WHERE x.tenant = o.tenant AND x.order_number = o.order_number) i
 CROSS JOIN LATERAL (
       SELECT coalesce(jsonb_agg(jsonb_build_object('status', v.status, 'place', v.place,
              'at', v.at) ORDER BY v.step), '[]') AS events
         FROM shop_delivery_events v WHERE v.tenant = o.tenant AND v.order_number = o.order_number) e
 WHERE o.tenant = $1 AND o.user_id = $2 AND ($3::bigint IS NULL OR o.order_number = $3)
   AND ($4::text[] IS NULL OR CASE WHEN r.order_number IS NULL THEN o.status ELSE 'refund_requested' END = ANY ($4))
 ORDER BY o.ordered_at DESC, o.order_number DESC
 LIMIT $5
"""
_LOCK = "SELECT 1 FROM shop_orders WHERE tenant = $1 AND user_id = $2 AND order_number = $3 FOR UPDATE"
_RULES = "SELECT rule, topic, days, fee_krw FROM shop_refund_rules WHERE tenant = $1 ORDER BY position"
_PRODUCTS = """
SELECT product_id, category, name_ko, name_en, price_krw, stock, hits
  FROM shop_products,
       LATERAL (SELECT count(*) AS hits FROM unnest($2::text[]) word WHERE position(word IN search) > 0) h
 WHERE tenant = $1 AND hits > 0 AND ($3::bigint IS NULL OR price_krw <= $3) AND ($4::bigint IS NULL OR price_krw >= $4)
   AND (NOT $5 OR stock > 0)
 ORDER BY hits DESC, stock = 0, product_id
 LIMIT $6
"""
_REFUND = """
INSERT INTO shop_refunds (tenant, order_number, call_id, reason, amount_krw, status, requested_at)
VALUES ($1, $2, $3, $4, $5, 'requested', $6) ON CONFLICT DO NOTHING RETURNING order_number
"""
_REFUND_OF = """
SELECT order_number, reason, amount_krw, status, requested_at FROM shop_refunds WHERE tenant = $1 AND order_number = $2
"""


async def orders(
    conn: Connection, tenant: TenantId, user: UserId, *, number: int | None = None,
    statuses: Sequence[str] | None = None, most: int = 500,
) -> list[Order]:
    """The user's orders, newest first; none for a number that is not the user's."""
    rows = await conn.fetch(_ORDERS, tenant, user, number, statuses, most)
    return [Order(**dict(row)) for row in rows]


async def lock_order(conn: Connection, tenant: TenantId, user: UserId, number: int) -> None:
    """Hold the order's row until the transaction ends, so that two refunds of it go one after the other."""
    await conn.execute(_LOCK, tenant, user, number)


async def rules(conn: Connection, tenant: TenantId) -> dict[str, Rule]:
    """The shop's rules by code, in the order they are told."""
    return {row["rule"]: Rule(**dict(row)) for row in await conn.fetch(_RULES, tenant)}


async def products(
    conn: Connection, tenant: TenantId, words: Sequence[str], *, max_price: int | None, min_price: int | None,
    in_stock: bool, most: int,
) -> list[dict[str, Any]]:
    """Products that hold any of the words, those that hold more of them first, sold-out ones after others."""
    found = await conn.fetch(_PRODUCTS, tenant, words, max_price, min_price, in_stock, most)
    best = found[0]["hits"] if found else 0
    return [dict(row) for row in found if row["hits"] == best]


async def insert_refund(
    conn: Connection, tenant: TenantId, number: int, *, call_id: str, reason: str, amount_krw: int, at: datetime
) -> bool:
    """Whether this call made the order's refund; False when there was one."""
    return await conn.fetchval(_REFUND, tenant, number, call_id, reason, amount_krw, at) is not None


async def refund(conn: Connection, tenant: TenantId, number: int) -> dict[str, Any]:
    """The refund of an order that has one."""
    (row,) = await conn.fetch(_REFUND_OF, tenant, number)
    return dict(row)


_SEED_RULES = """
INSERT INTO shop_refund_rules SELECT * FROM jsonb_populate_recordset(null::shop_refund_rules, $1)
ON CONFLICT DO NOTHING RETURNING rule
"""
_SEED = (
    "INSERT INTO shop_products SELECT * FROM jsonb_populate_recordset(null::shop_products, $1)",
    "INSERT INTO shop_orders SELECT * FROM jsonb_populate_recordset(null::shop_orders, $1)",
    "INSERT INTO shop_order_items SELECT * FROM jsonb_populate_recordset(null::shop_order_items, $1)",
    "INSERT INTO shop_deliveries SELECT * FROM jsonb_populate_recordset(null::shop_deliveries, $1)",
    "INSERT INTO shop_delivery_events SELECT * FROM jsonb_populate_recordset(null::shop_delivery_events, $1)",
)


async def seed_rules(conn: Connection, rows: list[dict[str, Any]]) -> bool:
    """Whether this transaction is the one that seeds: a second one waits here for the first, then is told no."""
    return bool(await conn.fetch(_SEED_RULES, rows))


async def seed_rows(
    conn: Connection, goods: list[dict[str, Any]], placed: list[dict[str, Any]], items: list[dict[str, Any]],
    sent: list[dict[str, Any]], steps: list[dict[str, Any]],
) -> None:
    """The demo's products, orders, items, deliveries and delivery events."""
    for statement, rows in zip(_SEED, (goods, placed, items, sent, steps), strict=True):
        await conn.execute(statement, rows)
