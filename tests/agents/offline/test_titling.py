"""Titles by extraction: nothing made up, nothing polite, never too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.agents.offline.titling import TITLE_MOST, title_of


@pytest.mark.parametrize(("question", "title"), [
    ("주문 상태 확인", "주문 상태 확인"),
    ("안녕하세요, 환불 규정을 알려 주세요.", "환불 규정"),
    ("안녕하세요!\n노트북 추천 좀 해 주세요", "노트북 추천"),
    ("주문 12345번 환불 부탁드립니다", "주문 12345번 환불"),
    ("배송이 언제 오나요?", "배송이 언제 오나요"),
    ("도와주세요", "도와주세요"),
    ("안녕하세요", "안녕하세요"),
    ("Hello! Could you please tell me where my order 1234 is?", "Where my order 1234 is"),
    ("What is the return policy?\nthanks", "What is the return policy"),
    ("hi", "hi"),
    ("Please cancel order 7, thank you", "Cancel order 7"),
    ("history of my orders", "History of my orders"),
    ("I'd like to know about the refund policy for damaged goods", "About the refund policy for damaged…"),
    ("지난주에 산 노트북이 아직 오지 않아서 걱정이 됩니다", "지난주에 산 노트북이 아직 오지 않아서 걱정이 됩니다"),
    ("🙂", "🙂"), ("???", ""), (" \n ", ""), ("", ""),
    ("가" * 100, "가" * 39 + "…"),
])
def test_titles(question: str, title: str) -> None:
    assert title_of(question) == title


@given(st.text(max_size=300))
def test_a_title_is_short_and_on_one_line(question: str) -> None:
    title = title_of(question)
    assert len(title) <= TITLE_MOST
    assert title == " ".join(title.split())
    assert title.strip("…").casefold() in " ".join(question.split()).casefold() or title.endswith("…") or not title


@pytest.mark.parametrize("question", [
    "a " * 20_000, "please " * 5_000, "주세요 " * 5_000, "(" * 40_000, "안녕하세요 " * 9_000,
])
def test_long_and_odd_questions_are_quick(question: str) -> None:
    assert len(title_of(question)) <= TITLE_MOST
