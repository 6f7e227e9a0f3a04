"""Both catalogues say the same things."""

import re
from typing import Any

import pytest

from malgil.agents.shop import text_en, text_ko

CATALOGUES = ("GOODS", "LINES", "CATEGORIES", "CARRIERS", "PLACES", "STATUSES", "REASONS", "RULES", "TOPICS", "SAY")


@pytest.mark.parametrize("name", CATALOGUES)
def test_same_keys_and_same_places_to_fill(name: str) -> None:
    korean: dict[str, str] = getattr(text_ko, name)
    english: dict[str, str] = getattr(text_en, name)

    assert {key: filled(text) for key, text in korean.items()} == {key: filled(text) for key, text in english.items()}


def test_twelve_months() -> None:
    assert len(text_ko.MONTHS) == len(text_en.MONTHS) == 12


def filled(text: str) -> set[Any]:
    return set(re.findall(r"{(\w+)}", text))
