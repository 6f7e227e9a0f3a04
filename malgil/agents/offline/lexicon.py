"""The words the offline model knows to mean the same, in both languages, and those that carry no meaning for it."""

# concept: (Korean words, English words, phrases of either language)
CONCEPTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "order": ("주문", "order orders", ()),
    "status": ("상태 현황 진행", "status state progress", ()),
    "list": ("목록 내역 리스트 이력", "list history", ()),
    "recent": ("최근 마지막 최신", "recent latest last newest", ()),
    "track": (
        "어디쯤 운송장 조회 추적", "track tracking locate whereabouts",
        ("where is", "where's", "where are", "when will", "언제 와", "언제 오", "언제 도착", "어디 있", "어디에 있",
         "어디까지"),
    ),
    "delivery": ("배송 택배 배달 배송비", "delivery deliver shipping ship shipment parcel package courier", ()),
    "arrive": ("도착", "arrive arrival", ()),
    "transit": ("이동중", "transit", ("배송 중", "오는 중", "on the way", "on its way")),
    "delivered": ("수령", "received", ("배송 완료", "배송된", "배송이 완료", "받은 주문", "been delivered")),
    "preparing": ("준비중", "preparing prepare", ("준비 중", "출고 전")),
    "refund": ("환불 반품 환급", "refund return returns", ("money back", "돈 돌려", "돌려받")),
    "exchange": ("교환 맞교환", "exchange swap replacement", ()),
    "cancel": ("취소", "cancel cancellation", ()),
    "policy": ("규정 정책 규칙 약관 조건 기준", "policy policies rule rules terms conditions", ()),
    "request": ("신청 요청 접수", "request apply submit", ()),
    "product": ("상품 제품 물건", "product item goods", ()),
    "search": ("검색 찾기 찾아 찾습니다 찾고", "search find", ("look for", "looking for")),
    "recommend": ("추천", "recommend recommendation suggest", ()),
    "price": ("가격 얼마 얼마예요 금액 값", "price cost", ("how much",)),
    "stock": ("재고", "stock", ("in stock",)),
    "buy": (
        "판매 구매 구입 파나요 팔아 사고", "buy sell selling purchase",
        ("do you have", "do you sell", "have you got", "있나요", "있어요", "있습니까", "있을까요"),
    ),
    "fee": ("배송비 수수료 비용 요금", "fee charge", ()),
    "defect": (
        "불량 고장 파손 하자 깨졌 깨진 망가", "defect defective broken damaged damage faulty", ("doesn't work",),
    ),
    "mind": ("변심", "mind", ("change of mind", "changed my mind", "마음이 바뀌", "마음에 안")),
    "wrong": ("오배송", "wrong", ("다른 상품이", "다른 제품이", "다른 물건이", "잘못 왔", "잘못 온")),
    "count": ("개수 수량 건수", "count quantity many limit", ()),
    "number": ("번호", "number id", ()),
    "maximum": ("최고 최대", "highest maximum max", ()),
    "minimum": ("최저 최소", "lowest minimum min", ()),
    "reason": ("사유 이유", "reason why", ()),
    "weather": ("날씨 기온 일기예보 예보", "weather forecast temperature", ()),
    "currency": ("환율 환전 통화", "currency currencies", ("exchange rate",)),
    "convert": ("변환 환산 바꿔", "convert conversion", ()),
    "schedule": ("일정 예약 약속 회의", "schedule appointment reservation calendar meeting book booking", ()),
    "ticket": ("티켓 접수증", "ticket", ()),
    "email": ("이메일 메일", "email mail", ()),
    "message": ("메시지 문자", "message", ()),
    "send": ("보내 발송 전송", "send", ()),
    "create": ("만들 생성 등록 작성", "create make add", ()),
    "delete": ("삭제 지워 제거", "delete remove", ()),
    "update": ("수정 변경 바꾸", "update change edit modify", ()),
    "account": ("계정 회원 가입", "account membership member", ()),
    "password": ("비밀번호 암호", "password", ()),
    "address": ("주소", "address", ()),
    "payment": ("결제 지불 카드", "payment pay card", ()),
    "coupon": ("쿠폰 할인", "coupon discount", ()),
    "point": ("포인트 적립금 마일리지", "points reward mileage", ()),
    "balance": ("잔액", "balance", ()),
    "translate": ("번역 통역", "translate translation", ()),
    "summary": ("요약", "summary summarize", ()),
    "document": ("문서 자료 파일", "document file", ()),
    "calculate": ("계산", "calculate calculator compute", ()),
    "news": ("뉴스 기사 소식", "news article", ()),
    "place": ("위치 장소 지도", "location place map", ()),
    "restaurant": ("맛집 식당 음식점", "restaurant", ()),
    "customer": ("고객 손님 사용자", "customer user", ()),
    "phone": ("전화", "phone telephone", ()),
    "shop": ("매장 지점 가게", "branch", ()),
    "hours": ("영업시간", "hours", ("영업 시간", "opening hours")),
    "warranty": ("보증 품질보증", "warranty guarantee", ()),
}

LIGHT = frozenset({"#order", "#product", "#customer", "#number", "#recent", "#count", "#create", "#update"})
"""Concepts so common that they say little about which tool is meant."""



def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ACTING = _words("""
add apply book buy cancel change charge close create delete edit grant issue make modify open order pay place post
publish purchase refund register remove request reserve reset revoke run send set start stop submit transfer update
upload write
""")
"""Verbs that begin the name of a tool which changes something …"""

READING = _words("""
status state policy policies rule rules list lists history info information detail details search lookup tracking price
prices count total summary report reports log logs number fees limits options
""")
"""… unless it ends with one of these: `order_status`, `refund_policy` and `change_log` only read."""

STOP_KO = _words("""
알려 가르쳐 말 말해 말씀 설명 안내 부탁 궁금 확인 문의 질문 자세 자세히 혹시 좀 저 제 내 나 너 우리 저희 그 이 것
거 게 수 때 등 및 네 예 응 아니 하 해 할 한 했 되 될 돼 된 있 없 싶 주 주시 줘 드리 보여 보 뭐 무엇 무슨 어떤 어떻게
왜 언제 어디 누구 오늘 지금 아까 방금 대해 관해 대한 관한 관련 안녕 감사 가능 다시 빨리 꼭 정말 진짜 아주 너무 모두
전부 다 더 또 그리고 그런데 근데 하지만 번 건 개 원 이하 원이하 이상 원이상 까지 미만 중 왔 와 오 도와 필요 만 천
때문 구 경우 씨 님 도 좋 괜찮 제발 짜리 정도 쯤 인 합니 입니 습니 요
""")
STOP_EN = _words("""
a an the is are was were be been am do does did have has had i me my mine we us our you your it its this that these
those he she they them his her their to of for from in on at by with about as and or but if so not no yes any some all
can could would should will may might must shall what which who whom whose when where why how there here then than
please tell show give get let know want need like help see check look s t d m re ve ll hi hello hey thanks thank just
also too very really now today more most up out into over under below above one ones number nr won krw usd got
something anything much many yet still again another other ask question regarding concerning top don doesn isn aren
cannot couldn wouldn shouldn didn hasn haven max min
""")

SUFFIXES_KO = tuple(sorted(_words("""
습니다 입니다 합니다 습니까 입니까 합니까 인가요 한가요 은가요 는가요 나요 가요 까요 을까요 세요 하세요 예요 이에요
에요 어요 아요 해요 이요 네요 데요 는데요 은데요 인데요 는데 인데 죠 지요 요 다 고 하고 하는 해서 하여 하기 하면
해주세요 해줘 해 했어요 했어 했는데 했습니다 되나요 되는 된 됐어요 어 았어 었어 은 는 이 가 을 를 에 의 도 만 와 과
로 으로 에서 에게 한테 께 부터 까지 이나 나 랑 이랑 처럼 보다 라고 이라고 라는 이라는 인가 면 이면 니까 라서 서 중인
들 님 씨 줘 주세요 줄래 할 한 좀 있어요 있나요
"""), key=lambda suffix: (-len(suffix), suffix)))
"""Longest first: a Korean word loses these from its end, at most three in a row."""

PARTICLES_KO = (
    "에서는", "에서", "에는", "으로", "이랑", "은", "는", "이", "가", "을", "를", "에", "의", "로", "와", "과", "도",
    "랑",
)
"""The particles that may follow a name: of a value for a tool only these are taken off, once."""
