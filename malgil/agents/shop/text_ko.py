"""Everything the shop says in Korean. The same keys as `text_en`."""

GOODS = {
    "earphones": "무선 이어폰", "headphones": "헤드폰", "keyboard": "기계식 키보드", "mouse": "무선 마우스",
    "charger": "고속 충전기", "speaker": "블루투스 스피커", "tumbler": "텀블러", "mug": "머그컵",
    "frying_pan": "프라이팬", "knife": "주방 칼", "backpack": "백팩", "wallet": "가죽 지갑",
    "umbrella": "자동 우산", "sneakers": "운동화", "socks": "양말 세트", "hoodie": "후드 티셔츠",
    "yoga_mat": "요가 매트", "dumbbell": "아령", "lamp": "책상 스탠드", "pillow": "메모리폼 베개",
    "notebook": "노트", "pen": "만년필", "coffee": "원두 커피", "green_tea": "보성 녹차",
}
LINES = {"air": "에어", "pro": "프로", "mini": "미니", "classic": "클래식", "max": "맥스"}
CATEGORIES = {
    "electronics": "전자제품", "kitchen": "주방용품", "fashion": "패션 잡화", "sports": "운동용품",
    "home": "생활용품", "stationery": "문구", "food": "식품",
}
CARRIERS = {"hanbit": "한빛택배", "gaon": "가온로지스"}
PLACES = {"warehouse": "이천 물류센터", "hub": "대전 허브", "local": "배송지 지역 대리점", "door": "받는 분 주소"}
STATUSES = {
    "preparing": "상품 준비 중", "in_transit": "배송 중", "delivered": "배송 완료", "cancelled": "취소됨",
    "refund_requested": "환불 접수됨", "picked_up": "상품 인수", "at_hub": "허브 도착",
    "out_for_delivery": "배송 출발",
}
REASONS = {"change_of_mind": "단순 변심", "defective": "상품 불량", "wrong_item": "오배송", "other": "기타"}
RULES = {
    "change_of_mind": "단순 변심은 받으신 날부터 {days}일 안에 신청하실 수 있고, 왕복 배송비 {fee}을 빼고 환불됩니다.",
    "defective": "불량이나 오배송은 받으신 날부터 {days}일 안에 배송비 부담 없이 전액 환불됩니다.",
    "before_shipping": "출고 전(상품 준비 중) 주문은 바로 취소되고 전액 환불됩니다.",
    "in_transit": "배송 중인 주문은 받으신 뒤에 환불을 신청하실 수 있습니다.",
    "food": "식품은 불량이나 오배송이 아니면 받으신 뒤에는 환불되지 않습니다.",
    "already_cancelled": "이미 취소되었거나 환불이 접수된 주문은 다시 환불되지 않습니다.",
    "payout": "환불 금액은 접수 후 영업일 {days}일 안에 결제하신 수단으로 돌려드립니다.",
    "exchange": "교환은 받으신 날부터 {days}일 안에 같은 상품의 다른 옵션으로 하실 수 있고, 왕복 배송비는 {fee}입니다.",
    "exchange_defective": "불량이나 오배송이면 {days}일 안에 배송비 부담 없이 교환해 드립니다.",
    "exchange_stock": "교환하실 상품의 재고가 없으면 환불로 처리해 드립니다.",
    "shipping_fee": "기본 배송비는 {fee}이고, 5만원 이상 주문하시면 무료입니다.",
    "shipping_time": "보통 주문하신 뒤 {days}일 안에 도착합니다.",
}
TOPICS = {"refund": "환불·반품", "exchange": "교환", "cancel": "주문 취소", "shipping": "배송"}
MONTHS = tuple(f"{month}월" for month in range(1, 13))
SAY = {
    "day": "{month} {day}일",
    "goods_more": "{first} 외 {more}건",
    "no_order": "주문 {number}번을 찾지 못했습니다. 주문 번호를 다시 확인해 주세요.",
    "order": "주문 {number}번은 {status} 상태입니다.",
    "order_placed": "{day}에 주문하셨고, 결제 금액은 {total}입니다.",
    "item": "- {name} {quantity}개, 개당 {price}",
    "order_expected": "{day}에 도착할 예정입니다.",
    "order_delivered": "{day}에 배송이 완료되었습니다.",
    "order_refundable": "{day}까지 환불을 신청하실 수 있습니다.",
    "order_cancellable": "아직 출고 전이라 취소하시면 전액 환불됩니다.",
    "list": "고객님의 주문 {count}건입니다 (해당 주문 모두 {total}건).",
    "list_line": "- 주문 {number}번: {goods}, {total}, {day} 주문, {status}",
    "list_none": "고객님의 주문 내역이 없습니다.",
    "list_none_of": "조건에 맞는 주문({only})이 없습니다.",
    "only_refundable": "환불 가능",
    "only_all": "전체",
    "products": "'{query}' 검색 결과 {count}건입니다.",
    "product_line": "- {name}: {price}, {stock} (상품 번호 {id})",
    "in_stock": "재고 {stock}개",
    "sold_out": "품절",
    "products_none": "'{query}'에 맞는 상품을 찾지 못했습니다. 다른 낱말로 찾아보시겠어요?",
    "tracking_many": "배송 중인 주문 {count}건의 위치입니다.",
    "tracking_none": "지금 배송 중인 주문이 없습니다.",
    "tracking": "주문 {number}번({goods})은 {status} 상태입니다.",
    "tracking_last": "마지막 위치는 {place}({step}, {day})입니다.",
    "tracking_carrier": "{carrier} 운송장 번호는 {tracking}입니다.",
    "tracking_not_yet": "아직 출고되지 않아 배송 기록이 없습니다.",
    "policy": "{topic} 규정을 안내해 드립니다.",
    "rule_line": "- {rule}",
    "judged_yes": "주문 {number}번은 환불을 신청하실 수 있고, 예상 환불 금액은 {amount}입니다.",
    "judged_how": "신청하시려면 '주문 {number}번 환불해 주세요'라고 말씀해 주세요.",
    "judged_no": "주문 {number}번은 환불을 신청하실 수 없습니다. {rule}",
    "refunded": "주문 {number}번의 환불을 접수했습니다.",
    "refunded_amount": "환불 금액은 {amount}입니다 (사유: {reason}).",
    "refund_exists": "주문 {number}번의 환불은 {day}에 이미 접수되어 있습니다. 금액은 {amount}이며,"
    " 다시 접수하지 않았습니다.",
}
