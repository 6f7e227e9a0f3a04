"""Requests and answers as the API's description shows them, in Korean and in English, by the model's or stream's name.

What holds no words has one example. A test checks each against the schema of its model.
"""

from typing import Any, Final

Example = dict[str, Any]

_SESSION: Final = "sess_01kb2q8w0f3v9xk7n5t1m4c6ze"
_OTHER: Final = "sess_01kb2q94h7d0m2s8r6p3y5v1ax"
_ASKED: Final = "msg_01kb2q8w9t5e4n7c1k6j3h8gdb"
_ANSWERED: Final = "msg_01kb2q8x2b8w6z3f9m4s7r1tqc"
_AGAIN: Final = "msg_01kb2q8zk3n6t0r5w9c2h7d4vf"
_FILE: Final = "file_01kb2q8z4c1y7v2n8d5x9p3kme"
_TURN: Final = "turn_01kb2q8w9v6r1h5g8t2d4e7jna"
_TRACE: Final = "trace_01a1fa79a1255c3e82857ceff8627680"
_AT: Final = "2026-11-20T19:40:37.544662Z"
_LATER: Final = "2026-11-20T19:40:39.102338Z"


def _both(korean: Any, english: Any) -> Example:
    return {"ko": {"summary": "한국어", "value": korean}, "en": {"summary": "English", "value": english}}


def _one(value: Any, summary: str = "Example") -> Example:
    return {"example": {"summary": summary, "value": value}}


def _face(title: str, purpose: str, **more: Any) -> Example:
    return {
        "session_id": _SESSION, "user_id": "user_42", "agent_id": 1, "title": title, "status": "active",
        "queue_policy": "enqueue", "metadata": {"purpose": purpose}, "created_at": _AT,
    } | more


def _view(title: str, purpose: str) -> Example:
    return _face(
        title, purpose, agent={"id": 1, "name": "상담 도우미 · Support", "avatar_url": None}, message_count=2,
        participants=[{"user_id": "user_42", "role": "owner", "read_seq": 2, "joined_at": _AT}],
        last_activity=_LATER, last_seq=31,
    )


def _line(title: str, last: str) -> Example:
    line = {
        "session_id": _SESSION, "title": title, "agent_id": 1, "agent_name": "상담 도우미 · Support",
        "last_message": last, "last_message_at": _LATER, "unread_count": 1, "status": "active", "created_at": _AT,
    }
    return {"sessions": [line], "total": 1, "has_more": False, "next_cursor": None}


def _message(content: str, *, answer: bool = False, edited: bool = False) -> Example:
    return {
        "message_id": _ANSWERED if answer else _ASKED, "seq": 31 if answer else 2,
        "sender_type": "agent" if answer else "user", "sender_id": "1" if answer else "user_42",
        "message_type": "stream" if answer else "text", "content": content, "metadata": {},
        "tokens_used": 25 if answer else None, "latency_ms": 1523 if answer else None, "is_edited": edited,
        "created_at": _LATER if answer else _AT, "reply_to": _ASKED if answer else None, "superseded_by": None,
        "edited_at": _LATER if edited else None,
    }


def _talk(question: str, answer: str) -> Example:
    return {"messages": [_message(question), _message(answer, answer=True)], "has_more": False, "total": 2}


def _entry(content: str) -> Example:
    entry = {
        "type": "message", "message_id": _ASKED, "sender_type": "user", "sender_id": "user_42", "message_type": "text",
        "content": content, "metadata": {}, "timestamp": _AT, "seq": 2, "cursor": "3f9a01c2.2",
    }
    return {"events": [entry], "cursor": "3f9a01c2.2", "has_more": False}


def _answer(content: str, topic: str) -> Example:
    call = {"call_id": "call_1", "name": "refund_policy", "arguments": {"topic": topic}, "result": {"days": 7}}
    return {
        "session_id": _SESSION, "message_id": _ANSWERED, "content": content, "tool_calls": [call], "tokens_used": 615,
        "latency_ms": 28, "finish_reason": "stop",
    }


def _native(first: str, second: str) -> str:
    return (
        "retry: 2000\n\nid: 3f9a01c2.3\n\n"
        f'id: 3f9a01c2.4\ndata: {{"type":"stream_start","message_id":"{_ANSWERED}"}}\n\n'
        f'id: 3f9a01c2.5\ndata: {{"type":"stream_chunk","content":"{first}","index":0}}\n\n'
        f'id: 3f9a01c2.6\ndata: {{"type":"stream_chunk","content":"{second}","index":1}}\n\n'
        'id: 3f9a01c2.7\ndata: {"type":"stream_end","tokens_used":25,"latency_ms":1523}\n\n'
    )


def _named(first: str, second: str) -> str:
    face = f'"session_id":"{_SESSION}","message_id":"{_ANSWERED}"'
    return (
        f"retry: 2000\n\nid: 3f9a01c2.3@{_TURN}\n\n"
        f'id: 3f9a01c2.4@{_TURN}\nevent: start\ndata: {{"status":"started",{face}}}\n\n'
        f'id: 3f9a01c2.5@{_TURN}\nevent: message\ndata: {{"content":"{first}","index":0,"offset":0}}\n\n'
        f'id: 3f9a01c2.6@{_TURN}\nevent: message\ndata: {{"content":"{second}","index":1,"offset":{len(first)}}}\n\n'
        f'id: 3f9a01c2.7@{_TURN}\nevent: done\ndata: {{"status":"completed",{face},"tokens_used":25}}\n\n'
    )


def _live(content: str) -> str:
    return (
        "retry: 2000\n\nid: 3f9a01c2.1\n\n"
        f'id: 3f9a01c2.2\ndata: {{"type":"message","message_id":"{_ASKED}","content":"{content}","seq":2}}\n\n'
    )


def _uploaded(name: str) -> Example:
    return {
        "file_id": _FILE, "file_url": f"/files/{_FILE}", "thumbnail_url": f"/files/{_FILE}/thumb", "message_id": _ASKED,
        "file_info": {"name": name, "type": "image/png", "size": 20480},
    }


def _found(snippet: str) -> Example:
    hit = {"message_id": _ASKED, "session_id": _SESSION, "snippet": snippet, "score": 3.1416, "created_at": _AT}
    return {"results": [hit], "total": 1, "partial": False}


EXAMPLES: Final[dict[str, Example]] = {
    "CreateSession": _both(
        {"title": "배송 문의", "metadata": {"purpose": "상품 문의"}},
        {"agent_id": 1, "title": "Where is my parcel?", "metadata": {"purpose": "delivery"}},
    ),
    "PatchSession": _both({"title": "환불 문의"}, {"title": "A refund", "status": "archived"}),
    "PostMessage": _both({"content": "주문 상태 확인"}, {"content": "Where is my order?", "client_message_id": "c-1"}),
    "StreamMessage": _both(
        {"content": "환불 규정을 알려 주세요.", "stream": True},
        {"content": "What is your refund policy?", "stream": True},
    ),
    "EditMessage": _both({"content": "주문 상태를 확인해 주세요."}, {"content": "Where is my last order?"}),
    "Regenerate": _one({"message_id": _ANSWERED}),
    "BranchSession": _both(
        {"message_id": _ASKED, "content": "반품 규정을 알려 주세요.", "title": "반품"},
        {"message_id": _ASKED, "content": "And how do I return it?", "title": "Returns"},
    ),
    "PutParticipant": _both({"user_id": "이지은", "role": "member"}, {"user_id": "lee", "role": "viewer"}),
    "MarkRead": _one({"seq": 41}),
    "Ask": _both({"task": "주문 상태 확인"}, {"task": "Where is my order?"}),
    "SessionMade": _both(
        _face("배송 문의", "상품 문의", trace_id=_TRACE), _face("Where is my parcel?", "delivery", trace_id=_TRACE)
    ),
    "SessionView": _both(_view("배송 문의", "상품 문의"), _view("Where is my parcel?", "delivery")),
    "SessionList": _both(
        _line("배송 문의", "환불·반품 규정을 안내해 드립니다."), _line("A refund", "This is our refund policy.")
    ),
    "Archived": _one({"message": "Session archived successfully", "session_id": _SESSION}),
    "Participant": _both(
        {"user_id": "이지은", "role": "member", "read_seq": 0, "joined_at": _AT},
        {"user_id": "lee", "role": "viewer", "read_seq": 0, "joined_at": _AT},
    ),
    "Removed": _both(
        {"message": "Participant removed", "session_id": _SESSION, "user_id": "이지은"},
        {"message": "Participant removed", "session_id": _SESSION, "user_id": "lee"},
    ),
    "MessageView": _both(
        _message("주문 상태를 확인해 주세요.", edited=True), _message("Where is my last order?", edited=True)
    ),
    "MessageList": _both(
        _talk("환불 규정을 알려 주세요.", "환불·반품 규정을 안내해 드립니다."),
        _talk("What is your refund policy?", "This is our refund policy."),
    ),
    "Sent": _one({"message_id": _ASKED, "seq": 2, "status": "sent", "created_at": _AT}),
    "Deleted": _one({"message_id": _ASKED, "status": "deleted"}),
    "Regenerated": _one(
        {"session_id": _SESSION, "message_id": _AGAIN, "turn_id": _TURN, "replaces": _ANSWERED}
    ),
    "Branched": _both(*(
        _face(title, purpose, session_id=_OTHER, trace_id=_TRACE, message_id=_ASKED,
              branched_from={"session_id": _SESSION, "message_id": _ASKED})
        for title, purpose in (("반품", "상품 문의"), ("Returns", "delivery"))
    )),
    "Stopped": _one({"session_id": _SESSION, "stopped": [_TURN]}),
    "EventPage": _both(_entry("주문 상태 확인"), _entry("Where is my order?")),
    "ChatAnswer": _both(
        _answer("환불·반품 규정을 안내해 드립니다.", "환불"), _answer("This is our refund policy.", "refund")
    ),
    "Uploaded": _both(_uploaded("영수증.png"), _uploaded("receipt.png")),
    "SearchResults": _both(
        _found("주문하신 상품의 <mark>배송</mark> 상태를 알려 드립니다."),
        _found("When will my <mark>parcels</mark> arrive?"),
    ),
    "stream_message": _both(_native("답변을 ", "드립니다."), _native("Here is ", "the answer.")),
    "ask_agent_and_watch": _both(_named("답변을 ", "드립니다."), _named("Here is ", "the answer.")),
    "read_events": _both(_live("주문 상태 확인"), _live("Where is my order?")),
}
