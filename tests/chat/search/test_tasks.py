"""The index follows the log: whatever changes, however often it is told, in whatever order."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import httpx
import psutil
import pytest

from malgil.app.indexing import vocabulary
from malgil.chat import actions, editing
from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, erase, post
from malgil.chat.search.tasks import BATCH, CONSUMER, Indexer
from malgil.knowledge.analyst import Analyst, Patience
from malgil.knowledge.terms import Unready, key_of
from malgil.log.consumers import Consumed, consume
from malgil.log.queries import read as read_log
from malgil.storage.database import UnitOfWork
from tests.chat.people import KIM, Answerer, make_session, say
from tests.chat.search.asking import Asker, caught_up, frequencies, index_rows


async def edit(room: ChatRoom, session: Session, message_id: str, content: str) -> None:
    async with room.database.unit_of_work() as uow:
        await editing.edit_message(uow, room.scribe, KIM, KIM, session.session_id, message_id, content)


async def delete(room: ChatRoom, session: Session, message_id: str) -> None:
    async with room.database.unit_of_work() as uow:
        await editing.delete_message(uow, room.scribe, room.transcript, KIM, session.session_id, message_id)


async def test_messages_and_answers_are_indexed(
    room: ChatRoom, session: Session, answerer: Answerer, ask: Asker
) -> None:
    asked = await post(room, say(session, "무료배송조회 부탁해요"))
    turn = await answerer.answer("Your parcel ", "was delivered.")
    assert await ask.ids("배송") == [asked.message_id]
    assert await ask.ids("parcels") == [turn.answer_id]
    kept, counted = await frequencies(room)
    assert kept == counted


async def test_an_edit_replaces_what_is_found(room: ChatRoom, session: Session, ask: Asker) -> None:
    posted = await post(room, say(session, "사과를 주문했어요"))
    assert await ask.ids("사과") == [posted.message_id]
    await edit(room, session, posted.message_id, "바나나를 주문했어요")
    assert await ask.ids("바나나") == [posted.message_id]
    assert await ask.ids("사과") == []
    assert (await frequencies(room))[0] == (await frequencies(room))[1]


async def test_right_after_a_change_the_old_text_is_not_found(
    room: ChatRoom, session: Session, kim: httpx.AsyncClient, indexer: Indexer
) -> None:
    edited = await post(room, say(session, "사과를 주문했어요"))
    deleted = await post(room, say(session, "사과가 왔어요"))
    await caught_up(indexer)
    late = Asker(kim, lambda: asyncio.sleep(0))
    assert set(await late.ids("사과")) == {edited.message_id, deleted.message_id}
    await edit(room, session, edited.message_id, "바나나를 주문했어요")
    await delete(room, session, deleted.message_id)
    assert await late("사과") == {"results": [], "total": 0, "partial": False}
    assert len(await index_rows(room)) == 2, "the index has not caught up, and yet"
    await caught_up(indexer)
    assert len(await index_rows(room)) == 1
    assert await late("사과") == {"results": [], "total": 0, "partial": False}


async def test_an_erased_session_leaves_nothing(room: ChatRoom, session: Session, ask: Asker) -> None:
    await post(room, say(session, "사과를 주문했어요"))
    other = await make_session(room, NewSession(KIM, None))
    kept = await post(room, say(other, "사과를 받았어요"))
    assert len(await ask.ids("사과")) == 2
    await erase(room, KIM, session.session_id)
    assert await Asker(ask.client, lambda: asyncio.sleep(0)).ids("사과") == [kept.message_id]
    assert await ask.ids("사과") == [kept.message_id]
    assert await index_rows(room) == [(other.session_id, kept.seq)]
    assert (await frequencies(room))[0] == (await frequencies(room))[1]


async def test_a_replay_and_another_order_change_nothing(
    room: ChatRoom, session: Session, indexer: Indexer, ask: Asker
) -> None:
    posted = [await post(room, say(session, f"사과 {n}상자")) for n in range(4)]
    await edit(room, session, posted[0].message_id, "바나나 한 상자")
    await delete(room, session, posted[1].message_id)
    await caught_up(indexer)
    once, counts = await index_rows(room), await frequencies(room)
    assert len(once) == 3
    for _ in range(2):
        async with room.database.read() as conn:
            await conn.execute("DELETE FROM log_consumers WHERE name = $1", CONSUMER)
        await caught_up(indexer)
        assert (await index_rows(room), await frequencies(room)) == (once, counts)

    async def backwards(uow: UnitOfWork, entries: Sequence[Consumed]) -> None:
        await indexer._handle(uow, list(reversed(entries)))

    async with room.database.read() as conn:
        await conn.execute("TRUNCATE chat_search, chat_search_terms")
    await consume(room.database, "backwards", backwards)
    assert (await index_rows(room), await frequencies(room)) == (once, counts)
    assert await ask.ids("바나나") == [posted[0].message_id]
    assert set(await ask.ids("사과")) == {posted[2].message_id, posted[3].message_id}


async def test_several_processes_index_an_existing_log_once(room: ChatRoom, session: Session, ask: Asker) -> None:
    quiet = await make_session(room, NewSession(KIM, None))
    count = BATCH + 30
    await asyncio.gather(*(post(room, say(quiet, f"상자 번호 BOX-{n}")) for n in range(count)))
    many = [Indexer(room.database, room.vocabulary) for _ in range(3)]
    await asyncio.gather(*(caught_up(one) for one in many))
    assert len(await index_rows(room)) == count
    assert (await frequencies(room))[0] == (await frequencies(room))[1]
    assert len(await ask.ids(f"BOX-{count - 1}")) == 1


async def test_it_tells_how_far_it_is(room: ChatRoom, session: Session) -> None:
    reached: list[datetime] = []
    await post(room, say(session, "사과"))
    await caught_up(Indexer(room.database, room.vocabulary, reached.append))
    async with room.database.read() as conn:
        first = (await read_log(conn, session.session_id, after=0))[0]
    assert first.at in reached


async def test_a_copy_in_a_branch_is_found_too(
    room: ChatRoom, session: Session, ask: Asker, kim: httpx.AsyncClient
) -> None:
    posted = await post(room, say(session, "사과를 주문했어요"))
    answer = await kim.post(
        f"/api/chat/sessions/{session.session_id}/branch", json={"message_id": posted.message_id}
    )
    assert answer.status_code == 201, answer.text
    found = await ask("사과")
    assert {one["session_id"] for one in found["results"]} == {session.session_id, answer.json()["session_id"]}


async def test_an_archived_session_is_searched(room: ChatRoom, session: Session, ask: Asker) -> None:
    posted = await post(room, say(session, "사과를 주문했어요"))
    async with room.database.unit_of_work() as uow:
        await actions.archive_session(uow, room.scribe, KIM, session.session_id)
    assert await ask.ids("사과") == [posted.message_id]


async def test_the_analyst_is_waited_for_and_may_die(room: ChatRoom, session: Session) -> None:
    async with Analyst() as analyst:
        indexer = Indexer(room.database, vocabulary(analyst))
        await post(room, say(session, "어제 예뻤어요"))
        await caught_up(indexer)
        (child,) = [one for one in psutil.Process().children() if "malgil.knowledge.korean" in one.cmdline()]
        child.kill()
        await post(room, say(session, "밥을 먹었습니다"))
        await caught_up(indexer)
    kept, counted = await frequencies(room)
    assert kept == counted
    assert {key_of("예쁘다"), key_of("먹다")} <= set(kept)


async def test_without_an_analyst_korean_waits_and_nothing_else_does(room: ChatRoom, session: Session) -> None:
    async with Analyst(("/nowhere",), Patience(loading=0.3, again=0.1)) as analyst:
        indexer = Indexer(room.database, vocabulary(analyst))
        await post(room, say(session, "order 1"))
        await caught_up(indexer)
        assert len(await index_rows(room)) == 1
        await post(room, say(session, "배송 2"))
        with pytest.raises(Unready):
            await caught_up(indexer)
    assert len(await index_rows(room)) == 1
    await caught_up(Indexer(room.database, room.vocabulary))
    assert len(await index_rows(room)) == 2
