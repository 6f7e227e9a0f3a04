"""Words and what they stand for."""

import pytest

from malgil.agents.offline.words import bare, bigrams, likeness, spelled, stem, units, words


@pytest.mark.parametrize(
    ("korean", "english"),
    [
        ("주문을 취소하고", "cancelling an order"),
        ("환불 규정", "refund policies"),
        ("반품했어요", "returned"),
        ("배송 중", "on its way"),
        ("날씨", "forecasts"),
        ("교환은요", "exchanged"),
        ("불량이라서", "defective"),
    ],
)
def test_both_languages_mean_the_same(korean: str, english: str) -> None:
    assert units(korean) == units(english) != frozenset()


@pytest.mark.parametrize("word", ["exchange", "exchanges", "exchanged", "exchanging"])
def test_inflections_share_a_stem(word: str) -> None:
    assert stem(word) == "exchang"


def test_compounds_are_their_parts_and_nothing_by_chance() -> None:
    assert units("배송조회") == {"#delivery", "#track"}
    assert units("제품교환") == {"#product", "#exchange"}
    assert units("무료배송") == {"#delivery"}
    assert not any(unit.startswith("#") for unit in units("전주문화"))


@pytest.mark.parametrize(
    "text", ["", "   ", "🙂🙂", "오늘 알려 주세요", "문의입니다", "please tell me the", "1042", "'’'"]
)
def test_what_carries_no_meaning(text: str) -> None:
    assert units(text) == frozenset()


def test_order_is_kept_and_numbers_are_left_out() -> None:
    assert [word.text for word in words("10만원 이하 무선 이어폰을 서울에서") if word.units] == [
        "무선",
        "이어폰",
        "서울",
    ]


def test_names_are_spelled() -> None:
    assert spelled("requestRefund_now") == "request Refund now"


def test_one_particle_is_taken_off_a_value() -> None:
    assert (bare("서울은"), bare("제주에서"), bare("비가")) == ("서울", "제주", "비가")


def test_likeness_counts_shared_syllable_pairs() -> None:
    pairs = bigrams(["기계식키보드", "refund"])
    assert likeness("키보드", pairs) == 1
    assert likeness("키보스", pairs) == 0.5
    assert likeness("우", pairs) == 0
