"""Ids: prefixed, unique, and in the order they were made, whatever the clock does."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from malgil.kit.clock import SystemClock
from malgil.kit.ids import MESSAGE, UlidIds
from tests.fixtures.time import FakeClock

FORM = re.compile(r"[a-z]+_[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}")


def test_the_form() -> None:
    assert FORM.fullmatch(UlidIds(SystemClock()).new(MESSAGE))
    assert UlidIds(SystemClock()).new(MESSAGE).startswith("msg_")


def test_many_ids_of_one_moment_differ_and_sort_in_order(clock: FakeClock) -> None:
    ids = UlidIds(clock)
    made = [ids.new(MESSAGE) for _ in range(10_000)]
    assert made == sorted(set(made))


@given(st.lists(st.integers(-3600, 3600), max_size=50))
def test_they_sort_in_order_while_the_clock_jumps(steps: list[int]) -> None:
    clock = FakeClock()
    ids = UlidIds(clock)
    made = [ids.new(MESSAGE)]
    for step in steps:
        clock.time += timedelta(seconds=step)
        made.append(ids.new(MESSAGE))
    assert made == sorted(set(made))


def test_a_later_process_makes_later_ids(clock: FakeClock) -> None:
    first = UlidIds(clock).new(MESSAGE)
    clock.advance(0.001)
    assert UlidIds(clock).new(MESSAGE) > first


def test_the_time_is_in_the_id() -> None:
    zero = UlidIds(FakeClock(datetime(1970, 1, 1, tzinfo=UTC))).new(MESSAGE)
    assert zero.startswith("msg_0000000000")
