"""Messages that look like those of a shop's chat: Korean and English sentences from templates, words by Zipf's law."""

import random
from itertools import accumulate, product

_THINGS_KO = """
운동화 무선이어폰 텀블러 커피원두 노트북 키보드 마우스 모니터 책상 의자 겨울코트 패딩 청바지 원피스 가방 지갑
시계 선크림 샴푸 칫솔 물티슈 기저귀 분유 사과 한라봉 김치 만두 라면 생수 고양이사료 강아지간식 캠핑의자 텐트
침낭 자전거 헬멧 전기밥솥 청소기 선풍기 가습기 공기청정기 이불 베개 커튼 조명 화분 비료 색연필 다이어리 퍼즐
보드게임 기타줄 악보 도자기 찻잔 녹차
"""
_MATTERS_KO = """
배송 환불 교환 주문 결제 취소 반품 배송조회 주문번호 무료배송 쿠폰 적립금 영수증 세금계산서 재고 품절 색상
사이즈 포장 선물포장 배송지변경 예약판매 회원등급 비밀번호 로그인 알림 고객센터 상담 보증서 수리 조립 설명서
파손 누락 오배송 정기배송
"""
_KO = (
    "{m} 언제쯤 되는지 알려 주세요.", "어제 산 {t} {m} 문의드립니다.", "{t}의 {m}을 부탁드려요.",
    "{t}가 아직 도착하지 않았어요.", "{m} 처리가 완료되었습니다. 감사합니다.",
    "주문하신 {t}는 오늘 오후에 출고되었습니다.", "{t}를 받았는데 {m} 문제가 있어요.",
    "{m} 관련해서 {t} 상품을 확인해 드렸습니다.", "혹시 {t} 다른 색도 {m} 가능한가요?",
    "네, {t} {m}은 삼일 안에 됩니다.",
)
_THINGS_EN = """
sneakers earphones tumbler coffee laptop keyboard mouse monitor desk chair coat jacket jeans dress bag wallet
watch sunscreen shampoo brush wipes diapers formula apples oranges dumplings noodles water tent bicycle helmet
cooker vacuum fan humidifier purifier blanket pillow curtain lamp planter pencils diary puzzle strings teacup
"""
_MATTERS_EN = """
delivery refund exchange order payment cancellation return tracking invoice coupon points receipt stock colour
size packaging address membership password login notification warranty repair assembly manual damage
subscription
"""
_EN = (
    "When will the {m} of my {t} be finished?", "I would like to ask about the {m}.",
    "The {t} arrived yesterday, thanks!", "Your {t} was shipped this afternoon.",
    "We have completed the {m} of the {t}.", "There is a problem with the {m}.",
    "Is {m} possible for {t} in another colour?", "Sure, the {m} takes about three days.",
)


class Phrases:
    """`sentence` draws one of some thousands; the first words of each list come most often."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._korean = self._made(_KO, _THINGS_KO.split(), _MATTERS_KO.split())
        self._english = self._made(_EN, _THINGS_EN.split(), _MATTERS_EN.split())

    def sentence(self) -> str:
        sentences, weights = self._korean if self._chance.random() < 0.7 else self._english
        return self._chance.choices(sentences, cum_weights=weights)[0]

    def _made(self, shapes: tuple[str, ...], things: list[str], matters: list[str]) -> tuple[list[str], list[float]]:
        """Every sentence with its weight: that of its rarest words."""
        found: dict[str, float] = {}
        for shape, (i, thing), (j, matter) in product(shapes, enumerate(things, 1), enumerate(matters, 1)):
            text = shape.format(t=thing, m=matter)
            found[text] = found.get(text, 0) + 1 / (i * j)
        return list(found), list(accumulate(found.values()))
