"""The answer's language follows the question."""

import pytest

from malgil.agents.offline.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("환불하고 싶어요", "ko"),
        ("주문 status 확인", "ko"),
        ("iPhone 15 Pro Max 있어요?", "ko"),
        ("Where is my order?", "en"),
        ("What does 안녕 mean in English, please?", "en"),
        ("مرحبا", "en"),
        ("日本語", "en"),
    ],
)
def test_by_the_share_of_hangul(text: str, language: str) -> None:
    assert language_of([text], "en" if language == "ko" else "ko") == language


def test_a_text_without_letters_takes_the_language_before_it() -> None:
    assert language_of(["1042", "🙂", "Where is it?"], "ko") == "en"
    assert language_of(["1042", ""], "ko") == "ko"
    assert language_of([], "en") == "en"
