"""Everything the offline model says of itself in Korean. The same keys as `text_en`."""

SAY = {
    "hello": "안녕하세요! 무엇을 도와 드릴까요?",
    "thanks": "천만에요. 더 필요하신 것이 있으면 말씀해 주세요.",
    "who": "저는 사람도 LLM도 아니고, LLM 없이 동작하는 내장 오프라인 모델입니다. 연결된 도구의 결과만 전해 드립니다.",
    "cannot": "죄송하지만 이 질문에는 답할 수 없습니다. 저는 LLM 없이 동작하는 내장 오프라인 모델이라,"
    " 연결된 도구로 알 수 있는 것만 답해 드립니다.",
    "empty": "무엇을 도와 드릴지 글로 적어 주세요. 저는 LLM 없이 동작하는 내장 오프라인 모델입니다.",
    "abilities": "다음과 같은 일을 도와 드릴 수 있습니다.",
    "no_tools": "지금은 연결된 도구가 없어 인사에만 답할 수 있습니다.",
    "line": "- {text}",
    "ask": "{label}에 필요한 다음 내용을 알려 주세요: {what}.",
    "ask_for_more": "한 건을 자세히 보시려면 다음을 알려 주세요: {what}.",
    "choices": "{what} ({choices} 중 하나)",
    "source": "(출처: {label} 도구, {name})",
    "failed": "{label} 도구({name})가 처리하지 못했습니다: {message}",
    "unknown": "{label} 도구({name})를 실행하던 중에 서버가 멈춰서, 처리되었는지 알 수 없습니다."
    " 다시 실행하지는 않았습니다.",
    "unknown_check": "다시 요청하시기 전에 처리되었는지 꼭 확인해 주세요.",
    "unknown_seen": "지금 확인되는 내용은 다음과 같습니다.",
    "not_done": "말씀하신 대로 아무것도 신청하거나 바꾸지 않았습니다.",
    "nothing": "결과에 알려 드릴 내용이 없습니다.",
    "no_passage": "찾은 자료에 질문에 맞는 내용이 없습니다.",
    "file_read": "{name} 파일을 읽었습니다. 내용에 대해 궁금한 점을 물어보세요.",
    "file_unread": "{name} 파일을 받았습니다. 다만 저는 이 파일의 내용을 읽을 수 없습니다.",
    "from_passages": "자료에는 이렇게 나와 있습니다.",
    "passage_source": "[{number}] {title}",
    "page": "{title}, {page}쪽",
    "untitled": "제목 없는 자료",
    "more": "…외 {count}건",
    "yes": "예",
    "no": "아니요",
    "none": "없음",
    "day": "{year}년 {month}월 {day}일",
    "moment": "{year}년 {month}월 {day}일 {hour:02}:{minute:02} (UTC)",
}
FIELDS = {
    "name": "이름", "title": "제목", "status": "상태", "price": "가격", "price_krw": "가격", "total": "합계",
    "total_krw": "합계", "amount": "금액", "amount_krw": "금액", "quantity": "수량", "stock": "재고", "date": "날짜",
    "city": "도시", "location": "위치", "temperature": "기온", "weather": "날씨", "condition": "상태",
    "description": "설명", "message": "내용", "result": "결과", "count": "개수", "id": "번호", "email": "이메일",
    "order_number": "주문 번호", "created_at": "만든 때", "updated_at": "바뀐 때", "url": "주소", "reason": "사유",
    "forecast": "예보", "rate": "비율", "currency": "통화", "user": "사용자", "results": "결과", "items": "항목",
}
"""What fields of results are called; a field that is not here is told by its own name."""
