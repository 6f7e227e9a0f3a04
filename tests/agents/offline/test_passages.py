"""Retrieved passages are quoted, and cited."""

from malgil.agents.offline.passages import Passage, quote
from malgil.agents.offline.telling import VOICES, tell

RESULT = {
    "passages": [
        {
            "text": "이 제품은 서울에서 만들었습니다. 품질 보증 기간은 구입한 날부터 2년입니다. 배터리는 6개월입니다.",
            "title": "사용 설명서",
            "page": 12,
        },
        {"text": "The warranty lasts two years. It does not cover the battery.", "title": "Manual"},
        {"text": "Nothing of the kind."},
    ]
}


def test_the_sentence_that_fits_is_quoted_with_its_place() -> None:
    told = tell(RESULT, "품질 보증 기간이 얼마나 되나요?", VOICES["ko"]).splitlines()

    assert told[1] == "- 품질 보증 기간은 구입한 날부터 2년입니다. [1]"
    assert "[1] 사용 설명서, 12쪽" in told
    assert not any("[3]" in line for line in told)


def test_in_english_too() -> None:
    told = tell(RESULT, "How long is the warranty?", VOICES["en"])

    assert "The warranty lasts two years. [2]" in told
    assert "[2] Manual" in told


def test_nothing_fits() -> None:
    assert quote([Passage("Nothing.", "", None)], "zebra") == []
    assert tell({"passages": []}, "zebra", VOICES["en"]) == VOICES["en"]("no_passage")


def test_the_last_sentence_of_a_long_text_is_found() -> None:
    filler = " ".join(f"물품 {n}번은 창고 {n % 7}동에 있습니다." for n in range(3000))
    passage = Passage(f"{filler} 필터는 석 달에 한 번 청소하십시오.", "설명서", None)
    assert quote([passage], "필터는 얼마나 자주 청소하나요?")[0] == ("필터는 석 달에 한 번 청소하십시오.", 1)
