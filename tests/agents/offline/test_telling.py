"""Any result reads as text, in both languages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.agents.offline import text_en, text_ko
from malgil.agents.offline.telling import VOICES, lists_nothing, tell

KO, EN = VOICES["ko"], VOICES["en"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


def test_a_result_that_says_itself() -> None:
    assert tell({"say": {"ko": "네.", "en": "Yes."}, "x": 1}, "", EN) == "Yes."
    assert tell({"say": {"ko": "네."}}, "", EN) == "네."
    assert tell({"say": "Plain."}, "", KO) == "Plain."


def test_fields_are_told_in_the_language() -> None:
    result = {
        "city": "Seoul",
        "temperature": 21.5,
        "raining": False,
        "price_krw": 12000,
        "name_ko": "우산",
        "name_en": "umbrella",
        "date": "2026-01-03",
        "seen_at": "2026-01-03T04:05:06Z",
        "nothing": None,
        "tags": [],
    }

    assert tell(result, "", KO).splitlines() == [
        "도시: Seoul",
        "기온: 21.5",
        "raining: 아니요",
        "가격: ₩12,000",
        "이름: 우산",
        "날짜: 2026년 1월 3일",
        "seen at: 2026년 1월 3일 04:05 (UTC)",
        "tags: 없음",
    ]
    assert tell(result, "", EN).splitlines() == [
        "city: Seoul",
        "temperature: 21.5",
        "raining: no",
        "price: ₩12,000",
        "name: umbrella",
        "date: 2026-01-03",
        "seen at: 2026-01-03 04:05 (UTC)",
        "tags: none",
    ]


def test_lists_are_cut_and_say_so() -> None:
    told = tell({"items": [{"id": n, "name": f"n{n}"} for n in range(14)]}, "", KO).splitlines()

    assert told[:2] == ["항목:", "- 번호: 0, 이름: n0"]
    assert told[-1] == "…외 4건"
    assert len(told) == 12


@pytest.mark.parametrize("result", [{}, None, [], {"ok": True}, {"say": ""}])
def test_nothing_to_tell(result: Any) -> None:
    assert tell(result, "", EN) == text_en.SAY["nothing"]


@pytest.mark.parametrize("text", ["2026-99-99", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_what_is_no_date_is_told_as_it_is(text: str) -> None:
    assert text[:4] in tell({"x": text}, "", EN)


def test_lists_nothing() -> None:
    assert lists_nothing({"orders": [], "total": 0})
    assert not lists_nothing({"total": 0})
    assert not lists_nothing({"orders": [1], "more": []})
    assert not lists_nothing("x")


@given(JSON, st.sampled_from([KO, EN]))
def test_every_json_value_is_told(value: Any, voice: Any) -> None:
    assert tell(value, "question", voice)


def test_both_catalogues_say_the_same() -> None:
    assert text_ko.SAY.keys() == text_en.SAY.keys()
