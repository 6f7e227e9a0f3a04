"""GET /api/chat/search: what is found, by whom, and how it is shown."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, post
from malgil.chat.search.store import CANDIDATES, NEWEST, scope
from malgil.chat.search.tasks import Indexer
from tests.chat.people import FAR_KIM, KIM, LEE, Answerer, add_person, make_session, say
from tests.chat.search.asking import SEARCH, Asker, caught_up


async def test_the_answer(room: ChatRoom, session: Session, ask: Asker) -> None:
    posted = await post(room, say(session, "무료배송조회를 부탁드려요 <b>빨리</b>"))
    await post(room, say(session, "고맙습니다"))
    found = await ask("배송")
    (hit,) = found["results"]
    score = hit.pop("score")
    assert score > 0
    assert hit == {
        "message_id": posted.message_id, "session_id": session.session_id,
        "snippet": "무료<mark>배송</mark>조회를 부탁드려요 &lt;b&gt;빨리&lt;/b&gt;",
        "created_at": posted.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert (found["total"], found["partial"]) == (1, False)


@pytest.mark.parametrize(("text", "q", "snippet"), [
    ("배송했어요", "배송하다", "<mark>배송</mark>했어요"),
    ("밥을 먹었습니다", "먹어요", "밥을 <mark>먹</mark>었습니다"),
    ("I was Running home", "runs", "I was <mark>Running</mark> home"),
    ("<script>alert('배송')</script> & \"x\"", "배송",
     "&lt;script&gt;alert(&#x27;<mark>배송</mark>&#x27;)&lt;/script&gt; &amp; &quot;x&quot;"),
    ("<mark>가짜</mark> 배송", "배송",
     "&lt;mark&gt;가짜&lt;/mark&gt; <mark>배송</mark>"),
    ("줄\n바꿈\t배송", "배송", "줄 바꿈 <mark>배송</mark>"),
    ("주문 ORD-1001 확인", "ord-1001", "주문 <mark>ORD-1001</mark> 확인"),
    ("script", "<script>", "<mark>script</mark>"),
    ("a & b", "&", "a <mark>&amp;</mark> b"), ("이것을 보라", "을", "이것<mark>을</mark> 보라"),
    ("To the moon", "THE", "To <mark>the</mark> moon"),
])
async def test_snippets(room: ChatRoom, session: Session, ask: Asker, text: str, q: str, snippet: str) -> None:
    await post(room, say(session, text))
    assert await ask.snippets(q) == [snippet]


async def test_a_long_text_is_shown_around_the_hit(room: ChatRoom, session: Session, ask: Asker) -> None:
    await post(room, say(session, "가나다라 " * 1_500 + "배송 조회 " + "마바사아 " * 1_500))
    (snippet,) = await ask.snippets("배송")
    assert "<mark>배송</mark> 조회" in snippet
    assert snippet.startswith("…")
    assert snippet.endswith("…")
    assert len(snippet) < 220


async def test_all_words_first_then_any(room: ChatRoom, session: Session, ask: Asker) -> None:
    both = await post(room, say(session, "환불 규정을 알려 주세요"))
    one = await post(room, say(session, "환불해 주세요"))
    assert await ask.ids("환불 규정") == [both.message_id]
    assert set(await ask.ids("환불")) == {both.message_id, one.message_id}
    assert await ask.ids("환불 잠수함") == await ask.ids("환불")
    assert await ask.ids("잠수함") == []
    assert (await ask.ids("혹시 환불 규정이나 교환 배송 쿠폰 영수증에 대해 아시나요"))[0] == both.message_id


async def test_equal_hits_come_newest_first_and_always_the_same(room: ChatRoom, session: Session, ask: Asker) -> None:
    posted = [(await post(room, say(session, "배송 조회"))).message_id for _ in range(5)]
    assert await ask.ids("배송") == posted[::-1]
    assert await ask.ids("배송", limit=2) == posted[:2:-1]
    assert (await ask("배송", limit=1))["total"] == 5


async def test_others_see_nothing(
    room: ChatRoom, session: Session, indexer: Indexer, ask: Asker, lee: httpx.AsyncClient
) -> None:
    posted = await post(room, say(session, "비밀스러운 배송"))
    far = await make_session(room, NewSession(FAR_KIM, None))
    await post(room, say(far, "먼 배송", FAR_KIM))
    assert await ask.ids("배송") == [posted.message_id], "not those of a namesake in another tenant"

    async def now() -> None:
        """Lee asks without waiting for the index."""

    lees = Asker(lee, now)
    assert await lees("배송") == {"results": [], "total": 0, "partial": False}
    assert await lees("을") == {"results": [], "total": 0, "partial": False}
    answer = await lee.get(SEARCH, params={"q": "배송", "session_id": session.session_id})
    assert (answer.status_code, answer.json()["code"]) == (404, "SESSION_NOT_FOUND")
    await add_person(room, session, "lee", "viewer")
    assert await lees.ids("배송") == [posted.message_id]
    async with room.database.read() as conn:
        await conn.execute("DELETE FROM chat_participants WHERE user_id = 'lee'")
    assert await lees.ids("배송") == []


async def test_by_session_sender_and_time(
    room: ChatRoom, session: Session, answerer: Answerer, ask: Asker
) -> None:
    await add_person(room, session, "lee", "member")
    kims = await post(room, say(session, "사과 배송"))
    agents = await answerer.answer("사과 배송 중입니다.")
    lees = await post(room, say(session, "사과 배송 감사", LEE))
    other = await make_session(room, NewSession(KIM, None))
    there = await post(room, say(other, "사과 배송 또"))
    ids = {"kim": kims.message_id, "agent": agents.answer_id, "lee": lees.message_id, "there": there.message_id}

    async def who(**filters: Any) -> set[str]:
        found = set(await ask.ids("사과", **filters))
        return {name for name, one in ids.items() if one in found}

    assert await who() == {"kim", "agent", "lee", "there"}
    assert await who(session_id=session.session_id) == {"kim", "agent", "lee"}
    assert await who(session_id=other.session_id) == {"there"}
    assert await who(sender="user") == {"kim", "lee", "there"}
    assert await who(sender="agent") == {"agent"}
    assert await who(sender="lee") == {"lee"}
    assert await who(sender="1") == {"agent"}
    assert await who(sender="nobody") == set()
    last = there.created_at
    assert await who(**{"from": last.isoformat()}) == {"there"}
    assert await who(to=last.isoformat()) == {"kim", "agent", "lee"}
    assert await who(**{"from": (last + timedelta(days=1)).isoformat()}) == set()
    assert await who(to=(last - timedelta(days=1)).isoformat()) == set()
    between = {"from": kims.created_at.isoformat(), "to": last.isoformat()}
    assert await who(**between, sender="user") == {"kim", "lee"}
    assert set(await ask.ids("과", to=last.isoformat())) == {ids["kim"], ids["agent"], ids["lee"]}, "read through, too"


@pytest.mark.parametrize(("query", "field"), [
    ({}, "query.q"), ({"q": ""}, "query.q"), ({"q": "  "}, "query.q"), ({"q": "x" * 201}, "query.q"),
    ({"q": "a\x00b"}, "query.q"), ({"q": "a", "limit": "0"}, "query.limit"),
    ({"q": "a", "limit": "101"}, "query.limit"),
    ({"q": "a", "limit": "many"}, "query.limit"), ({"q": "a", "from": "yesterday"}, "query.from"),
    ({"q": "a", "to": "2026-01-01"}, "query.to"), ({"q": "a", "to": "2026-01-01T00:00:00"}, "query.to"),
    ({"q": "a", "from": "0001-01-01T00:00:00+23:59"}, "query.from"), ({"q": "a", "from": "x" * 65}, "query.from"),
    ({"q": "a", "sender": ""}, "query.sender"), ({"q": "a", "sender": "\x00"}, "query.sender"),
    ({"q": "a", "session_id": "s" * 65}, "query.session_id"),
])
async def test_what_cannot_be_asked(kim: httpx.AsyncClient, query: dict[str, str], field: str) -> None:
    answer = await kim.get(SEARCH, params=query)
    assert answer.status_code == 422, answer.text
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("session_id", ["sess_nowhere", "", "a b", "'; DROP", "a\x00"])
async def test_sessions_that_are_not_there(kim: httpx.AsyncClient, session_id: str) -> None:
    assert (await kim.get(SEARCH, params={"q": "배송", "session_id": session_id})).status_code == 404


async def test_nobody_asks(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get(SEARCH, params={"q": "배송"})).status_code == 401


@pytest.mark.parametrize("q", [
    "%", "_", "%%", "배%", "'", "''", "' OR 1=1 --", "\\", "\\%", ".*", "(", "[a-z", "{1}", "$1", "🙂", "\u202ex",
    "a:b&c|d!", "\u0301", "İ", "ß", "ﬁ", "ㅂ", "NULL", "\u200b.", "가" * 200, "1" * 200, "a-" * 100, "<", "&lt;",
    "\ufeffx", "𝔸",
])
async def test_hostile_questions_find_what_they_say_or_nothing(
    room: ChatRoom, session: Session, ask: Asker, q: str
) -> None:
    await post(room, say(session, "무해한 문장"))
    assert await ask(q) == {"results": [], "total": 0, "partial": False}
    posted = await post(room, say(session, f"여기 {q} 있다"))
    assert await ask.ids(q) in ([posted.message_id], [])


async def test_every_way_of_looking_finds_the_same(
    room: ChatRoom, session: Session, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether sessions or words lead to the messages is a matter of cost alone."""
    texts = [f"사과 {n}상자 배송 {'빠른' if n % 3 else '느린'}" for n in range(30)]
    await asyncio.gather(*(post(room, say(session, text)) for text in texts))
    questions = ("사과", "사과 배송", "느린 사과", "느린 잠수함", "혹시 느린 사과 배송이 언제 도착하는지 아시나요")
    usual = [await ask(q, limit=50) for q in questions]
    assert usual[0]["total"] == 30
    monkeypatch.setattr("malgil.chat.search.store.SCAN", 0)
    assert [await ask(q, limit=50) for q in questions] == usual, "the words lead"
    monkeypatch.setattr("malgil.chat.search.queries.LEADS", 0)
    monkeypatch.setattr("malgil.chat.search.queries.LEADS_ALL", 0)
    found = [await ask(q, limit=50) for q in questions]
    assert [one["total"] for one in found[:4]] == [one["total"] for one in usual[:4]], "the sessions lead"
    assert [one["partial"] for one in found] == [True] * 5, "and they might hold more than was looked through"


async def test_behind_many_sessions_that_are_no_more(
    room: ChatRoom, session: Session, indexer: Indexer, ask: Asker
) -> None:
    posted = await post(room, say(session, "사과 배송"))
    async with room.database.read() as conn:
        await conn.execute(
            "INSERT INTO chat_sessions (session_id, tenant, owner_id, status, last_activity, created_at) "
            "SELECT 'sess_z' || n, 'default', 'kim', 'deleted', now(), now() FROM generate_series(1, $1) n", NEWEST + 1,
        )
        await conn.execute(
            "INSERT INTO chat_participants (session_id, user_id, role, joined_at) "
            "SELECT 'sess_z' || n, 'kim', 'owner', now() FROM generate_series(1, $1) n", NEWEST + 1,
        )
    assert await ask.ids("사과") == [posted.message_id]
    assert (await ask("과"))["partial"], "what has no terms is looked for in the newest messages only"


async def test_where_something_happened_last_comes_first(room: ChatRoom, ask: Asker) -> None:
    first, second = [await make_session(room, NewSession(KIM, None)) for _ in range(2)]
    for session in (first, second, first):
        await post(room, say(session, "사과"))
    async with room.database.read() as conn:
        row = await scope(conn, KIM.user_id, KIM.tenant)
    assert (row["sessions"], row["messages"], row["all"]) == ([first.session_id, second.session_id], 3, True)


async def test_more_hits_than_are_counted(room: ChatRoom, session: Session, indexer: Indexer, ask: Asker) -> None:
    await post(room, say(session, "배송"))
    await caught_up(indexer)
    async with room.database.read() as conn:
        await conn.execute(
            "INSERT INTO chat_messages (message_id, session_id, seq, sender_type, sender_id, message_type, content, "
            "created_at) SELECT 'm' || n, $1, 1000 + n, 'user', 'kim', 'text', '배송', now() "
            "FROM generate_series(1, $2) n",
            session.session_id, CANDIDATES + 10,
        )
        await conn.execute(
            "INSERT INTO chat_search SELECT c.session_id, m.seq, c.sender_type, c.sender_id, m.created_at, c.digest, "
            "c.length, c.terms, c.counts FROM chat_search c JOIN chat_messages m ON m.seq > 1000"
        )
    found = await ask("배송", limit=100)
    assert (found["total"], len(found["results"]), found["partial"]) == (CANDIDATES, 100, True)
    assert found["results"][0]["message_id"] == f"m{CANDIDATES + 10}"
