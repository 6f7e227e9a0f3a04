"""Somebody shows the agent a picture and a manual, while a friend watches."""

import json

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.chat.files.matter import picture
from tests.journeys.node import Node
from tests.journeys.talk import hear, say

MANUAL = "세탁기 설명서\n" + "물은 미지근하게 쓰십시오. " * 3_000 + "\n필터는 석 달에 한 번 청소하십시오.\n"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"MAX_FILE_SIZE": "5000000"}


async def test_files_in_a_conversation(server: Node, http: httpx.AsyncClient) -> None:
    session_id = (await http.post("/api/chat/sessions", json={})).json()["session_id"]
    path = f"/api/chat/sessions/{session_id}/files"
    async with connect(f"{server.sockets}/ws/{session_id}") as watching:
        await hear(watching, "connected")
        sent = await http.post(path, files={"file": ("세탁기.png", picture())}, data={"message": "이 제품이에요"})
        assert sent.status_code == 201, sent.text
        seen = await hear(watching, "message")
        assert (seen["message_type"], seen["content"]) == ("file", "이 제품이에요")
        shown = seen["metadata"]["file"]
        assert (await http.get(shown["thumbnail_url"])).headers["content-type"] == "image/webp"
        await hear(watching, "stream_end")

        made = (await http.post(path, files={"file": ("설명서.txt", MANUAL.encode())})).json()
        assert (await http.get(made["file_url"], headers={"Range": "bytes=0-9"})).status_code == 206
        await hear(watching, "stream_end")
        await say(watching, type="file", file_id=made["file_id"], message="필터는 얼마나 자주 청소하나요?")
        end = await hear(watching, "stream_end")
        page = (await http.get(f"/api/chat/sessions/{session_id}/messages")).json()["messages"]
        answer = next(one for one in page if one["message_id"] == end["message_id"])
        assert "필터는 석 달에 한 번 청소하십시오." in answer["content"], json.dumps(page, ensure_ascii=False)

    # Larger than any JSON body may be, and streamed all the same.
    large = await http.post(path, files={"file": ("a.txt", b"x" * 4_900_000)})
    assert large.status_code == 201, large.text
    refused = await http.post(path, files={"file": ("a.txt", b"x" * 5_000_001)})
    assert (refused.status_code, refused.json()["code"]) == (413, "FILE_TOO_LARGE")
    assert refused.headers["connection"] == "close"
