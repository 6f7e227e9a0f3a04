"""Arguments are filled from what was said, within what the schema allows."""

from typing import Any

import pytest

from malgil.agents.offline.arguments import fill, things
from malgil.agents.offline.profile import profile
from malgil.agents.offline.reading import read
from tests.agents.offline.toolset import CONVERT, DOCS, INVOICE, INVOICES, MAIL, TICKET, WEATHER, tool
from tests.fixtures.shop import DEFINITIONS

SHOP = {definition.name: definition for definition in DEFINITIONS}


def filled(definition: Any, text: str) -> dict[str, Any]:
    own, reading = profile(definition), read(text)
    named = things(own, reading)
    return fill(own, reading, reading, thing=named[0] if named else None).values


@pytest.mark.parametrize(
    ("definition", "text", "values"),
    [
        (WEATHER, "서울의 날씨 알려줘", {"city": "서울"}),
        (WEATHER, "What's the weather in Busan?", {"city": "busan"}),
        (CONVERT, "100 USD를 KRW로", {"amount": 100, "source": "USD", "target": "KRW"}),
        (CONVERT, "12.5 EUR to USD", {"amount": 12.5, "source": "EUR", "target": "USD"}),
        (TICKET, '"프린터 고장" 티켓 만들어 주세요', {"title": "프린터 고장"}),
        (TICKET, '"Printer" "It smokes" urgent ticket', {"title": "Printer", "body": "It smokes", "urgent": True}),
        (MAIL, 'kim@example.kr로 "회의" 메일 보내 주세요', {"to": "kim@example.kr", "subject": "회의"}),
        (INVOICES, "청구서 3개", {"limit": 3}),
        (INVOICES, "청구서 30개", {}),
        (INVOICE, "INV-0012 청구서", {"invoice_id": "INV-0012"}),
        (INVOICE, "청구서 12", {}),
        (DOCS, "문서에서 보증 기간을 찾아 주세요", {"query": "기간"}),
        (
            SHOP["product_search"],
            "10만원 이하 무선 이어폰 3개만 추천해 주세요",
            {"query": "무선 이어폰", "max_price": 100_000, "limit": 3},
        ),
        (SHOP["product_search"], "재고 있는 텀블러", {"query": "텀블러", "in_stock": True}),
        (SHOP["list_orders"], "배송 중인 주문 10건", {"only": "in_transit", "limit": 10}),
        (SHOP["request_refund"], "1042번이 불량이라 환불해 주세요", {"order_number": 1042, "reason": "defective"}),
        (SHOP["request_refund"], "I changed my mind, refund #1042", {"order_number": 1042, "reason": "change_of_mind"}),
        (SHOP["request_refund"], "주문 0 환불", {}),
        (SHOP["request_refund"], "주문 999999999999999 환불", {}),
        (SHOP["refund_policy"], "교환 규정", {"topic": "exchange"}),
    ],
)
def test_values(definition: Any, text: str, values: dict[str, Any]) -> None:
    assert filled(definition, text) == values


def test_more_shapes() -> None:
    definition = tool(
        "plan",
        "",
        day={"type": "string", "format": "date"},
        link={"type": "string", "format": "uri"},
        tags={"type": "array", "items": {"type": "string"}},
        numbers={"type": "array", "items": {"type": "integer"}},
        deep={"type": "object"},
        odd={"type": "string", "format": "email", "pattern": "(?<"},
    )
    text = "2026-03-01 https://example.kr/a?b=1 여행 준비물 7 8 a@b.kr"

    assert filled(definition, text) == {
        "day": "2026-03-01",
        "link": "https://example.kr/a?b=1",
        "numbers": [7, 8],
        "odd": "a@b.kr",
        "tags": filled(definition, text)["tags"],
    }
    assert {"여행", "준비물"} <= set(filled(definition, text)["tags"])


def test_what_is_missing_is_named() -> None:
    reading = read("티켓")
    missing = fill(profile(TICKET), reading, reading, thing=None).missing

    assert [parameter.name for parameter in missing] == ["title"]
