"""She asks something, calls a colleague in, sends him away again, and at last erases it all."""

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.journeys.node import Node
from tests.journeys.talk import hear, hear_all, say


async def test_from_the_first_question_to_the_last_trace(server: Node, http: httpx.AsyncClient) -> None:
    token = server.run("token", "--user", "lee").stdout.split()[-1]
    made = (await http.post("/api/chat/sessions", json={})).json()
    path = f"/api/chat/sessions/{made['session_id']}"
    where = f"{server.sockets}/ws/{made['session_id']}"
    async with connect(where) as hers, connect(f"{server.sockets}/ws/user?token={token}") as his_phone:
        assert (await hear(his_phone, "connected"))["user_id"] == "lee"
        await say(hers, type="message", content="안녕하세요, 환불 규정을 알려 주세요.")
        frames = await hear_all(hers, "stream_end")
        while frames[-1].get("event") != "session_updated":
            frames += await hear_all(hers, "system")
        assert frames[-1]["title"] == "환불 규정"
        joined = await http.post(f"{path}/participants", json={"user_id": "lee", "role": "viewer"})
        assert joined.status_code == 201, joined.text
        async with connect(f"{where}?token={token}&after=start") as his:
            replay = await hear_all(his, "live")
            assert "user_joined" in [frame.get("event") for frame in replay]
            await say(hers, type="message", content="고맙습니다")
            assert (await hear(his, "message"))["content"] == "고맙습니다"
            while (news := await hear(his_phone, "unread"))["unread_count"] == 0:
                continue  # of the answer that was given right before he came
            # Her message, and the answer to it when it came in the same moment.
            assert (news["session_id"], news["unread_count"] in (1, 2)) == (made["session_id"], True)
            await hear(hers, "stream_end")
            assert (await http.delete(f"{path}/participants/lee")).status_code == 200
            with pytest.raises(ConnectionClosed) as sent_away:
                await hear_all(his, "never")
            assert sent_away.value.rcvd is not None
            assert sent_away.value.rcvd.code == 4403
        assert (await http.delete(f"{path}?permanent=true")).json()["message"] == "Session erased"
        with pytest.raises(ConnectionClosed) as erased:
            await hear_all(hers, "never")
        assert erased.value.rcvd is not None
        assert erased.value.rcvd.code == 4410
    gone = await http.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "SESSION_ERASED")
    sizes = (await http.get("/metrics")).text
    assert 'malgil_db_table_bytes{table="log_events"}' in sizes
