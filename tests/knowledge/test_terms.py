"""Terms of Korean, English and mixed texts."""

import asyncio
import subprocess
import sys
import time
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from malgil.knowledge.terms import TERMS_MOST, Sought, Stem, Unready, Vocabulary, Words, key_of, keys_of, level

ROOT = Path(__file__).parents[2]


async def terms(words: Vocabulary, text: str) -> Mapping[str, int]:
    (found,) = await words.terms([text])
    return found


async def finds(words: Vocabulary, q: str, text: str) -> bool:
    """Whether the text holds all that the question requires."""
    required = (await words.sought(q)).required
    return bool(required) and set(required) <= set(await terms(words, text))


@pytest.mark.parametrize(("q", "text"), [
    ("배송", "무료배송조회 부탁드립니다"), ("조회", "무료배송조회"), ("송조", "무료배송조회"),
    ("환불규정", "환불 규정을 알려 주세요"), ("환불 규정", "환불규정이 궁금해요"), ("먹었어요", "어제 먹었습니다"),
    ("주문", "주문하신"), ("고객센터", "고객센터로 전화했어요"), ("말길", "말길이라는 이름"), ("물", "물을 마셨다"),
    ("아이폰", "아이폰15프로를 샀다"), ("예쁘다", "참 예뻤어요"),
    (unicodedata.normalize("NFD", "배송"), "배송이 늦네요"), ("배송", unicodedata.normalize("NFD", "배송이 늦네요")),
    ("order", "Where are my ORDERS?"), ("running dogs", "the dog runs"), ("delivered", "delivers"),
    ("ORD-1001", "ord-1001번 주문"), ("1001", "ORD-1001"), ("1,000", "1000원"), ("1000", "1,000원"),
    ("example", "https://shop.example.com/p/77?x=2"), ("ｏｒｄｅｒ", "order"), ("iphone15", "iPhone15 case"),
    ("東京", "東京都"), ("café", "Café au lait"), ("don't ship", "shipping"),
])
async def test_what_is_found(words: Vocabulary, q: str, text: str) -> None:
    assert await finds(words, q, text), (await words.sought(q), await terms(words, text))


@pytest.mark.parametrize(("q", "text"), [
    ("배송", "배가 송이를 실었다"), ("ORD-1001", "ORD-1002"), ("ORD-1001", "ORD-10011"), ("order", "border"),
    ("환불", "환율 불안"), ("order refund", "order"),
])
async def test_what_is_not(words: Vocabulary, q: str, text: str) -> None:
    assert not await finds(words, q, text), (await words.sought(q), await terms(words, text))


@pytest.mark.parametrize("text", ["the", "a", "?!", "  ", "💥", "'", "_-_", "don't"])
async def test_texts_without_terms(words: Vocabulary, text: str) -> None:
    assert await terms(words, text) == {}
    assert (await words.sought(text)).terms == ()


async def test_how_often(words: Vocabulary) -> None:
    found = await terms(words, "order orders ORDER 배송 배송 배송")
    assert (found["order"], found["배송"]) == (3, 3)


async def test_an_order_number_is_that_one_and_no_part_of_it(words: Vocabulary) -> None:
    assert (await words.sought("ORD-1001")).terms == ("ord-1001",)
    assert {"ord-1001", "ord", "1001"} <= set(await terms(words, "ORD-1001"))


async def test_texts_of_several_scripts_are_read_together(words: Vocabulary) -> None:
    texts = ["order", "환불", "", "반품 return", "東京"]
    assert await words.terms(texts) == [await terms(words, text) for text in texts]


async def test_a_long_text_has_bounded_terms_in_bounded_time(words: Vocabulary) -> None:
    await terms(words, "가")
    begun = time.monotonic()
    for text in ("".join(map(chr, range(0xAC00, 0xAC00 + 11_000))) * 3, "x" * 32_768, "a-" * 16_000, "1," * 16_000,
                 " ".join(f"w{n}" for n in range(8_000))):
        assert len(await terms(words, text)) <= TERMS_MOST
        await words.sought(text[:200])
    assert time.monotonic() - begun < 60


def test_numbers_of_terms_are_the_same_for_ever() -> None:
    assert key_of("배송") == -4297616372024299467
    program = "from malgil.knowledge.terms import keys_of; print(keys_of(['배송', 'order']))"
    said = subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True, text=True)
    assert said.stdout.strip() == str(keys_of(["배송", "order"]))
    assert all(-(2**63) <= key < 2**63 for key in keys_of(["배송", "order", ""]))


@pytest.mark.parametrize(("q", "text", "marked"), [
    ("배송", "무료배송조회를 했어요", ["배송"]), ("환불하다", "환불해 주세요", ["환불"]), ("먹다", "먹었어요", ["먹"]),
    ("order", "Reordered? My orders!", ["orders"]), ("배송 order", "order 배송", ["order", "배송"]),
    ("송조회", "배송조회", ["송조회"]), ("zzz", "abc", []), ("ORD-1", "see ORD-1!", ["ORD-1"]),
])
async def test_marks(words: Vocabulary, q: str, text: str, marked: list[str]) -> None:
    shown = level(text)
    assert [shown[start:end] for start, end in words.marks(shown, await words.sought(q))] == marked


class Absent:
    """Nobody who knows Korean is there, or only somebody slow."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds

    async def words(self, texts: Sequence[str]) -> Words:
        if self._seconds is None:
            raise Unready
        await asyncio.sleep(self._seconds)
        return [("낱말",)] * len(texts)

    async def ready(self) -> None:
        raise Unready


@pytest.mark.parametrize("korean", [Absent(), Absent(60)])
async def test_a_question_is_asked_without_korean_words_rather_than_late(korean: Absent) -> None:
    words = Vocabulary(korean)
    begun = time.monotonic()
    assert await words.sought("배송조회를 order") == Sought(("order",), ("order", "배송", "송조", "조회", "회를"))
    assert await words.sought("배송") == Sought(("배송",), ("배송",))
    assert time.monotonic() - begun < 30


async def test_a_text_is_not_read_without_its_words() -> None:
    with pytest.raises(Unready):
        await Vocabulary(Absent()).terms(["order", "배송"])
    assert await Vocabulary(Absent()).terms(["order"]) == [{"order": 1}]


async def test_the_stemmer_is_loaded_once_and_when_needed() -> None:
    made: list[str] = []

    def stem() -> Stem:
        time.sleep(0.05)
        made.append("en")
        return str

    vocabulary = Vocabulary(stem=stem)
    await vocabulary.terms(["123 가나"])
    assert made == []
    await asyncio.gather(*(vocabulary.terms(["word"]) for _ in range(4)))
    assert made == ["en"]


def test_importing_it_loads_no_analyser() -> None:
    program = ("import sys, malgil.app.wiring; "
               "sys.exit('kiwipiepy' in sys.modules or 'snowballstemmer' in sys.modules)")
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
