from typing import Any

import pytest

from malgil.kit import json
from malgil.kit.errors import Invalid
from malgil.realtime.inbound import read_frame

GOOD: list[dict[str, Any]] = [
    {"type": "message", "content": "안녕하세요"},
    {"type": "message", "content": "a", "client_message_id": "c1", "timestamp": "2026-01-01T00:00:00Z"},
    {"type": "message", "content": "a", "timestamp": 1767225600.5},
    {"type": "message", "task": "주문 상태 확인", "user_id": 7},
    {"type": "message", "task": "x", "user_id": "kim"},
    {"type": "typing", "is_typing": True},
    {"type": "file", "file_id": "file_001", "message": "이미지를 확인해주세요"},
    {"type": "stop"},
    {"type": "read", "seq": 41},
    {"type": "resume", "after": "e1.4"},
    {"type": "ping"},
    {"type": "tool_result", "call_id": "call_1", "result": {"any": [1, None]}},
    {"type": "approve", "call_id": "call_1", "decision": "allow"},
]


@pytest.mark.parametrize("frame", GOOD, ids=lambda f: f["type"])
def test_what_the_contract_names_is_read(frame: dict[str, Any]) -> None:
    assert read_frame({"type": "websocket.receive", "text": json.dumps(frame)}) == frame


BAD = [
    "", "{", "nonsense", "null", "[]", '"ping"', "1", "NaN",
    "{}", '{"type":null}', '{"type":"nonsense"}', '{"type":["ping"]}',
    '{"type":"ping","extra":1}',
    '{"type":"message"}', '{"type":"message","content":"a","task":"b"}', '{"type":"message","content":1}',
    '{"type":"message","content":null}', '{"type":"message","content":"a","timestamp":[]}',
    '{"type":"message","content":"a","timestamp":NaN}',
    '{"type":"message","content":"a\\u0000b"}', '{"type":"message","content":"\\ud800"}',
    '{"type":"typing","is_typing":"yes"}', '{"type":"typing"}',
    '{"type":"read","seq":-1}', '{"type":"read","seq":"1"}', '{"type":"read","seq":true}',
    '{"type":"read","seq":99999999999999999999}',
    '{"type":"approve","call_id":"c","decision":"maybe"}',
    '{"type":"tool_result","call_id":"c"}', '{"type":"tool_result","call_id":"c","result":{"a\\u0000":1}}',
    '{"type":"file"}', '{"type":"resume"}',
    "[" * 5000, '{"type":"tool_result","call_id":"c","result":' + "[" * 5000 + "]" * 5000 + "}",
]


@pytest.mark.parametrize("text", BAD, ids=lambda t: t[:40])
def test_anything_else_is_invalid(text: str) -> None:
    with pytest.raises(Invalid):
        read_frame({"type": "websocket.receive", "text": text})


def test_binary_frames_are_invalid() -> None:
    with pytest.raises(Invalid, match="binary"):
        read_frame({"type": "websocket.receive", "bytes": b"{}"})


def test_the_error_says_where_but_repeats_nothing_of_the_input() -> None:
    with pytest.raises(Invalid) as caught:
        read_frame({"text": '{"type":"read","seq":"my secret"}'})
    assert "seq" in caught.value.detail
    assert "secret" not in caught.value.detail
