"""The shop's tools: the caller's rows and nobody else's, and one refund an order."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from malgil.agents.shop.tools import SHOP_TOOLS
from malgil.kit.errors import Invalid
from malgil.kit.ids import TenantId
from tests.fixtures.shop import Shop

OTHERS_ORDER = 1043
"""An order of the user emma."""
WITH_NUMBER = ("order_status", "delivery_tracking", "refund_policy", "request_refund")


async def refunds(shop: Shop) -> list[dict[str, Any]]:
    async with shop.database.read() as conn:
        return [dict(row) for row in await conn.fetch("SELECT * FROM shop_refunds ORDER BY order_number")]


@pytest.mark.parametrize("name", WITH_NUMBER)
async def test_somebody_elses_order_is_answered_like_none(shop: Shop, name: str) -> None:
    others = await shop.call(name, {"order_number": OTHERS_ORDER})
    none = await shop.call(name, {"order_number": 999_999})

    said = {language: text.replace("999999", str(OTHERS_ORDER)) for language, text in none["say"].items()}
    assert others == {**none, "order_number": OTHERS_ORDER, "say": said}
    assert others["found"] is False
    assert await refunds(shop) == []
    assert (await shop.call(name, {"order_number": OTHERS_ORDER}, user="emma")).get("found") is not False


@pytest.mark.parametrize("name", WITH_NUMBER)
async def test_another_tenants_order_is_answered_like_none(shop: Shop, name: str) -> None:
    stranger = Shop(shop.database, tenant=TenantId("nobody"))

    assert (await stranger.call("list_orders", {}))["orders"] == []
    if name != "refund_policy":
        assert (await stranger.call(name, {"order_number": 1042}))["found"] is False


async def test_order_status_tells_items_in_both_languages(shop: Shop) -> None:
    result = await shop.call("order_status", {"order_number": 1042})

    assert result["ordered_at"].endswith("Z")
    assert all(isinstance(i["unit_price_krw"], int) and i["name_ko"] and i["name_en"] for i in result["items"])
    assert "주문 1042번은 배송 완료 상태입니다." in result["say"]["ko"]
    assert "Order 1042 is delivered." in result["say"]["en"]
    assert f"₩{result['total_krw']:,}" in result["say"]["ko"]


async def test_orders_are_listed_newest_first(shop: Shop) -> None:
    result = await shop.call("list_orders", {})

    assert (len(result["orders"]), result["total"]) == (5, 40)
    placed = [order["ordered_at"] for order in result["orders"]]
    assert placed == sorted(placed, reverse=True)
    assert len(result["say"]["ko"].splitlines()) == 6


@pytest.mark.parametrize("only", ["preparing", "in_transit", "delivered", "cancelled"])
async def test_orders_of_one_status(shop: Shop, only: str) -> None:
    result = await shop.call("list_orders", {"only": only, "limit": 20})

    assert {order["status"] for order in result["orders"]} == {only}


async def test_every_order_listed_as_refundable_is(shop: Shop) -> None:
    listed = await shop.call("list_orders", {"only": "refundable", "limit": 20})

    for order in listed["orders"]:
        assert (await shop.call("order_status", {"order_number": order["order_number"]}))["refundable"]
    assert listed["total"] == len(listed["orders"]) >= 4


async def test_a_user_without_orders(shop: Shop) -> None:
    result = await shop.call("list_orders", {}, user="newcomer")

    assert result["say"] == {"ko": "고객님의 주문 내역이 없습니다.", "en": "You have no orders."}
    assert (await shop.call("delivery_tracking", {}, user="newcomer"))["deliveries"] == []


@pytest.mark.parametrize("query", ["무선 이어폰", "무선이어폰", "wireless earphones", "EARPHONES", "earphone"])
async def test_products_are_found_in_both_languages(shop: Shop, query: str) -> None:
    result = await shop.call("product_search", {"query": query, "max_price": 100_000})

    assert result["products"]
    assert all("이어폰" in p["name_ko"] and p["price_krw"] <= 100_000 for p in result["products"])


async def test_product_limits(shop: Shop) -> None:
    asked = {"query": "키보드", "min_price": 120_000, "in_stock": True, "limit": 20}
    result = await shop.call("product_search", asked)

    assert all(p["price_krw"] >= 120_000 and p["stock"] > 0 for p in result["products"])
    assert (await shop.call("product_search", {"query": "%"}))["products"] == []
    assert (await shop.call("product_search", {"query": "🙂"}))["products"] == []


async def test_tracking_without_a_number_tells_what_is_on_its_way(shop: Shop) -> None:
    result = await shop.call("delivery_tracking", {})

    assert {d["status"] for d in result["deliveries"]} == {"in_transit"}
    assert all(d["tracking_number"] in result["say"]["en"] for d in result["deliveries"])


async def test_tracking_an_order_that_has_not_shipped(shop: Shop) -> None:
    waiting = (await shop.call("list_orders", {"only": "preparing"}))["orders"][0]["order_number"]

    assert "출고" in (await shop.call("delivery_tracking", {"order_number": waiting}))["say"]["ko"]


@pytest.mark.parametrize("topic", ["refund", "exchange", "cancel", "shipping"])
async def test_rules_of_a_topic(shop: Shop, topic: str) -> None:
    result = await shop.call("refund_policy", {"topic": topic})

    assert len(result["rules"]) + 1 == len(result["say"]["ko"].splitlines()) == len(result["say"]["en"].splitlines())
    assert len(result["rules"]) >= 2
    assert "None" not in str(result["say"])


async def test_a_refund_is_requested_once(shop: Shop) -> None:
    first = await shop.call("request_refund", {"order_number": 1042}, call_id="call_1")
    second = await shop.call("request_refund", {"order_number": 1042, "reason": "defective"}, call_id="call_2")

    (row,) = await refunds(shop)
    assert first["requested"] is True
    assert (second["requested"], second["already_requested"]) == (False, True)
    assert second["amount_krw"] == first["amount_krw"] == row["amount_krw"]
    assert (row["call_id"], row["reason"]) == ("call_1", "change_of_mind")
    assert (await shop.call("order_status", {"order_number": 1042}))["status"] == "refund_requested"


async def test_many_at_once_refund_once(shop: Shop) -> None:
    calls = [shop.call("request_refund", {"order_number": 1042}, call_id=f"call_{n}") for n in range(8)]
    results = await asyncio.gather(*calls)

    assert sum(result["requested"] for result in results) == 1
    assert len(await refunds(shop)) == 1


async def test_the_rule_that_forbids_a_refund_is_told(shop: Shop) -> None:
    moving = (await shop.call("list_orders", {"only": "in_transit"}))["orders"][0]["order_number"]
    later = Shop(shop.database, now=shop.now + timedelta(days=60))

    on_its_way = await shop.call("request_refund", {"order_number": moving})
    too_late = await later.call("request_refund", {"order_number": 1042})

    assert (on_its_way["requested"], on_its_way["rule"]) == (False, "in_transit")
    assert (too_late["requested"], too_late["rule"]) == (False, "change_of_mind")
    assert "7일" in too_late["say"]["ko"]
    assert await refunds(shop) == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("order_status", {}),
        ("order_status", {"order_number": 0}),
        ("order_status", {"order_number": "x"}),
        ("order_status", {"order_number": 10**30}),
        ("list_orders", {"limit": 0}),
        ("list_orders", {"only": "mine"}),
        ("product_search", {"query": ""}),
        ("product_search", {"query": "x" * 201}),
        ("request_refund", {"order_number": 1042, "reason": "because"}),
        ("refund_policy", {"topic": "weather"}),
    ],
)
def test_bad_arguments_are_named(name: str, arguments: dict[str, Any]) -> None:
    tool = next(tool for tool in SHOP_TOOLS if tool.name == name)

    with pytest.raises(Invalid) as e:
        tool.parse(arguments)

    assert e.value.code == "INVALID_ARGUMENTS"
    assert e.value.errors


def test_only_the_refund_is_not_repeatable() -> None:
    assert [tool.name for tool in SHOP_TOOLS if not tool.idempotent] == ["request_refund"]
    assert all(tool.title and tool.schema["type"] == "object" for tool in SHOP_TOOLS)
