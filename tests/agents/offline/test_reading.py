"""What a clause asks for."""

import pytest

from malgil.agents.offline.reading import assents, clauses, only_names, read, shorten


@pytest.mark.parametrize(
    "text",
    [
        "환불하고 싶어요",
        "1042번 환불해 주세요",
        "환불해줘",
        "환불 신청",
        "반품 신청합니다",
        "취소할게요",
        "환불 부탁드립니다",
        "환불해 주실 수 있나요",
        "I want a refund",
        "Please refund order 1042",
        "could you refund 1042",
        "I'd like to return this",
    ],
)
def test_plain_requests(text: str) -> None:
    assert read(text).wish


@pytest.mark.parametrize(
    "text",
    [
        "환불 규정을 알려 주세요",
        "환불 가능한가요",
        "언제 환불해 주시나요",
        "환불 신청 방법",
        "환불은 어떻게 하나요",
        "환불하지 마세요",
        "환불 안 할래요",
        "친구가 '환불해 주세요'라고 했어요",
        "환불해 주세요라고 했는데",
        "Can I get a refund?",
        "How do I return it?",
        "please tell me the refund policy",
        "don't refund it please",
        'My friend wrote "please refund order 1042"',
        "환불",
        "refunds",
    ],
)
def test_no_requests(text: str) -> None:
    assert not read(text).wish


@pytest.mark.parametrize("text", ["네", "네 부탁드려요", "응", "yes", "Yes, please.", "ok", "해 주세요", "go ahead"])
def test_assent(text: str) -> None:
    assert assents(text)


@pytest.mark.parametrize("text", ["네 알겠습니다 됐어요", "no", "yes but not 1042", "환불해 주세요", "", "아니요"])
def test_no_assent(text: str) -> None:
    assert not assents(text)


def test_only_a_name() -> None:
    assert only_names(read("1042번이요"))
    assert only_names(read("order number 1042"))
    assert not only_names(read("1042번 환불"))
    assert not only_names(read("네"))


def test_bare_numbers_like_a_named_one_are_names_too() -> None:
    assert read("주문 1042, 1043 환불해 주세요. 2명이요").ids == (1042, 1043)


def test_clauses() -> None:
    assert clauses("주문 1050 상태 알려 주고 환불 규정도 알려 주세요!") == [
        "주문 1050 상태 알려 주고",
        "환불 규정도 알려 주세요",
    ]
    assert clauses("refund 1042 and 1043 and show my orders") == ["refund 1042 and 1043", "show my orders"]
    assert clauses("?!…\n") == []
    assert len(clauses("가. " * 10_000)) == 8


def test_long_texts_are_read_at_both_ends() -> None:
    text = "머리 " + "가" * 70_000 + " 꼬리"
    assert shorten(text).startswith("머리")
    assert shorten(text).endswith("꼬리")
    assert len(shorten(text)) < 5_000
