"""Numbers and what they count."""

import pytest

from malgil.agents.offline.numbers import Number, numbers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("주문 1042", [Number(1042, "id")]),
        ("1042번이요", [Number(1042, "id")]),
        ("#7", [Number(7, "id")]),
        ("order no. 1042", [Number(1042, "id")]),
        ("주문번호: 1042", [Number(1042, "id")]),
        ("1042", [Number(1042, "plain")]),
        ("10만원 이하", [Number(100_000, "money", "max")]),
        ("₩50,000 이상", [Number(50_000, "money", "min")]),
        ("under 50,000 won", [Number(50_000, "money", "max")]),
        ("$12.50", [Number(12.5, "money")]),
        ("3개", [Number(3, "count")]),
        ("최근 3건", [Number(3, "count")]),
        ("top 5", [Number(5, "count")]),
        ("1042, 1043 환불", [Number(1042, "plain"), Number(1043, "plain")]),
        ("2026-01-03 12:30", []),
        ("010-1234-5678", []),
        ("3일 안에 5시", []),
        ("없음", []),
        ("٣٤", []),
        ("9" * 400, []),
    ],
)
def test_kinds(text: str, found: list[Number]) -> None:
    assert numbers(text) == found


def test_very_many_are_cut_off() -> None:
    assert len(numbers(" ".join(map(str, range(10_000))))) == 50
