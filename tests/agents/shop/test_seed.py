"""The demo's rows: there once, the same every time, enough of each kind for every user."""

import asyncio

import pytest

from malgil.agents.shop import store
from malgil.agents.shop.model import judge
from malgil.agents.shop.seed import ORDERS_A_USER, USERS
from malgil.kit.ids import TenantId, UserId
from tests.fixtures.shop import TENANT, Shop

TABLES = (
    "shop_products",
    "shop_orders",
    "shop_order_items",
    "shop_deliveries",
    "shop_delivery_events",
    "shop_refund_rules",
    "shop_refunds",
)


async def content(shop: Shop, tenant: str) -> dict[str, list[str]]:
    """Every row of the tenant, as text without the tenant."""
    async with shop.database.read() as conn:
        return {
            table: [
                row[0]
                for row in await conn.fetch(
                    f"SELECT (to_jsonb(t) - 'tenant')::text FROM {table} t WHERE tenant = $1 ORDER BY 1", tenant
                )
            ]
            for table in TABLES
        }


async def test_seeding_again_changes_nothing(shop: Shop) -> None:
    before = await content(shop, TENANT)

    assert not await shop.seed()

    assert await content(shop, TENANT) == before


async def test_two_at_once_seed_one_shop(shop: Shop) -> None:
    other = Shop(shop.database, tenant=TenantId("beta"))

    assert sorted(await asyncio.gather(other.seed(), other.seed(), other.seed())) == [False, False, True]

    assert await content(shop, "beta") == await content(shop, TENANT)


async def test_sizes(shop: Shop) -> None:
    rows = {table: len(found) for table, found in (await content(shop, TENANT)).items()}

    assert rows["shop_products"] == 120
    assert rows["shop_orders"] == len(USERS) * ORDERS_A_USER == 320
    assert rows["shop_refunds"] == 0
    assert rows["shop_delivery_events"] > rows["shop_deliveries"] > 200


@pytest.mark.parametrize("user", USERS)
async def test_every_user_has_orders_of_every_kind(shop: Shop, user: str) -> None:
    async with shop.database.read() as conn:
        orders = await store.orders(conn, TENANT, UserId(user))
        rules = await store.rules(conn, TENANT)

    by_status = {status: [o for o in orders if o.status == status] for status in ("in_transit", "cancelled")}
    delivered = [o for o in orders if o.status == "delivered"]
    refundable = [o for o in delivered if judge(o, rules, "change_of_mind", shop.now).refundable]
    assert len(by_status["in_transit"]) >= 2
    assert by_status["cancelled"]
    assert 3 <= len(refundable) < len(delivered)
    assert all(o.items and o.ordered_at < shop.now for o in orders)
    assert [o.ordered_at for o in orders] == sorted((o.ordered_at for o in orders), reverse=True)


async def test_order_1042_is_a_refundable_one_of_guest(shop: Shop) -> None:
    result = await shop.call("order_status", {"order_number": 1042})

    assert result["status"] == "delivered"
    assert result["refundable"] is True
