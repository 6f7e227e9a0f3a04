"""Tools are chosen by meaning, also ones nobody thought of; below a threshold none is."""

from dataclasses import replace

import pytest
from pydantic_ai.tools import ToolDefinition

from malgil.agents.offline.choosing import choose
from malgil.agents.offline.profile import profile
from malgil.agents.offline.reading import read
from tests.agents.offline.toolset import UNSEEN
from tests.fixtures.shop import DEFINITIONS


def chosen(text: str, tools: list[ToolDefinition]) -> str | None:
    found = choose(read(text), [profile(tool) for tool in tools])
    return found.name if found else None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("주문 상태 확인", "order_status"),
        ("내 주문 어디쯤 왔어?", "delivery_tracking"),
        ("택배 언제 와요", "delivery_tracking"),
        ("Where is my order 1042?", "delivery_tracking"),
        ("When will my package arrive?", "delivery_tracking"),
        ("환불하고 싶어요", "request_refund"),
        ("I want my money back", "request_refund"),
        ("환불 규정을 알려 주세요", "refund_policy"),
        ("What is your return policy?", "refund_policy"),
        ("제품 교환 문의입니다", "refund_policy"),
        ("배송비 얼마예요", "refund_policy"),
        ("주문 내역", "list_orders"),
        ("My orders", "list_orders"),
        ("취소된 주문 보여줘", "list_orders"),
        ("우산 있어요?", "product_search"),
        ("Do you sell umbrellas?", "product_search"),
        ("이어폰 추천", "product_search"),
        ("텀블러", "product_search"),
    ],
)
def test_the_shops_tools(text: str, name: str) -> None:
    assert chosen(text, DEFINITIONS) == name
    assert chosen(text, [replace(tool, metadata=None) for tool in DEFINITIONS]) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("서울 날씨 알려줘", "get_weather"),
        ("What's the weather in Busan?", "get_weather"),
        ("100 USD를 KRW로 환전하면 얼마예요?", "convert_currency"),
        ("convert 5 euros, what exchange rate", "convert_currency"),
        ("티켓 만들어 주세요", "create_ticket"),
        ("please open a support ticket", "create_ticket"),
        ("a@b.kr로 메일 보내 주세요", "send_email"),
        ("청구서 목록 보여 주세요", "list_invoices"),
        ("invoice INV-12", "get_invoice"),
        ("보증기간이 얼마나 되나요", "search_documents"),
    ],
)
def test_tools_never_seen(text: str, name: str) -> None:
    assert chosen(text, UNSEEN) == name


@pytest.mark.parametrize(
    "text",
    [
        "오늘 주식 시세 알려줘",
        "What is the capital of France?",
        "노래 불러줘",
        "Tell me a joke",
        "",
        "🙂",
        "한 번만",
        "ما هو السعر",
        "1042",
        "전주문화 축제",
    ],
)
def test_none_fits(text: str) -> None:
    assert chosen(text, DEFINITIONS) is None


def test_without_tools() -> None:
    assert chosen("주문 상태 확인", []) is None


def test_an_action_needs_a_request() -> None:
    assert chosen("이 상품 환불 가능한가요?", DEFINITIONS) == "refund_policy"
    assert chosen("Refund order 1042", DEFINITIONS) == "request_refund"
    assert chosen("Do not refund order 1042", DEFINITIONS) == "refund_policy"
