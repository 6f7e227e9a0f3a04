"""Files between the doors: over WebSocket, to agents, from a store that is full or somewhere else."""

import resource
import signal
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from malgil.agents.offline.model import OfflineModel
from malgil.agents.providers import ModelCatalogue, Provided
from malgil.agents.runner import Runner
from malgil.agents.settings import TurnSettings
from malgil.agents.toolbox import Toolbox
from malgil.agents.transcript import Attachment
from malgil.agents.writer import piece_commits
from malgil.app.problems import install
from malgil.app.setting_types import FILE_TYPES
from malgil.chat.errors import SessionNotFound
from malgil.chat.files import actions
from malgil.chat.files.errors import FileNotFound
from malgil.chat.files.settings import FileSettings
from malgil.chat.files.shelf import Shelf
from malgil.chat.gate import ChatGate
from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom
from malgil.chat.routes import build_router
from malgil.kit.clock import SystemClock
from malgil.kit.errors import Invalid
from tests.chat.files.matter import picture, send
from tests.chat.people import KIM, LEE, Answerer, add_person, authenticate, log_of, make_session
from tests.fixtures.s3 import s3_at
from tests.knowledge.documents import pdf

MANUAL = "사용 설명서\n이 제품은 서울에서 만들었습니다. 품질 보증 기간은 구입한 날부터 2년입니다.\n환불해 주세요."


async def test_a_frame_speaks_of_a_file(
    kim: httpx.AsyncClient, gate: ChatGate, room: ChatRoom, session: Session
) -> None:
    file_id = (await send(kim, session, picture(), "a.png")).json()["file_id"]
    frame = {"type": "file", "file_id": file_id, "message": "이미지를 확인해주세요", "client_message_id": "c1"}
    (ack,) = await gate.receive(KIM, session.session_id, frame)
    (again,) = await gate.receive(KIM, session.session_id, frame)
    assert again == ack | {"duplicate": True}
    said = [e.data for e in await log_of(room, session.session_id) if e.kind == "message.created"]
    assert [(one["message_type"], one["content"]) for one in said] == [("file", "a.png"), ("file", frame["message"])]
    assert said[0]["metadata"] == said[1]["metadata"]
    assert await gate.receive(KIM, session.session_id, {"type": "file", "file_id": file_id}) == []


async def test_ones_own_file_may_be_shown_elsewhere(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, gate: ChatGate, room: ChatRoom, session: Session
) -> None:
    made = (await send(kim, session, picture(), "a.png")).json()
    other = await make_session(room, NewSession(KIM, None))
    await add_person(room, other, "lee", "member")
    assert (await lee.get(made["file_url"])).status_code == 404
    with pytest.raises(FileNotFound):
        await gate.receive(LEE, other.session_id, {"type": "file", "file_id": made["file_id"]})
    await gate.receive(KIM, other.session_id, {"type": "file", "file_id": made["file_id"]})
    assert (await lee.get(made["file_url"])).status_code == 200
    await gate.receive(LEE, other.session_id, {"type": "file", "file_id": made["file_id"]})
    with pytest.raises(SessionNotFound):
        await gate.receive(LEE, session.session_id, {"type": "file", "file_id": made["file_id"]})


async def test_a_file_of_an_erased_session_cannot_be_shown_again(
    kim: httpx.AsyncClient, gate: ChatGate, room: ChatRoom, session: Session
) -> None:
    made = (await send(kim, session, picture(), "a.png")).json()
    other = await make_session(room, NewSession(KIM, None))
    async with room.database.unit_of_work() as uow:
        await actions.unlink_all(uow, session.session_id)
    with pytest.raises(FileNotFound):
        await gate.receive(KIM, other.session_id, {"type": "file", "file_id": made["file_id"]})
    assert len(await log_of(room, other.session_id)) == 1


@pytest.mark.parametrize("frame", [
    {}, {"file_id": 1}, {"file_id": "x" * 65}, {"file_id": "x", "message": ""}, {"file_id": "x", "colour": "red"},
    {"file_id": "x", "client_message_id": ""},
])
async def test_frames_that_do_not_fit(gate: ChatGate, session: Session, frame: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        await gate.receive(KIM, session.session_id, {"type": "file", **frame})


async def test_the_agent_reads_what_was_brought(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    await send(kim, session, MANUAL.encode("cp949"), "설명서.txt")
    await answerer.answer("읽었습니다.")
    await send(kim, session, pdf("Closed on Sundays."), "hours.pdf", "언제 쉬나요?")
    await answerer.answer("일요일")
    await send(kim, session, picture(), "a.png")
    async with room.database.read() as conn:
        said = await room.transcript.history(conn, session.session_id, prompt_seq=1000, before_seq=1000, most=10)
    assert [one.attached for one in said if one.sender_type == "user"] == [
        Attachment("설명서.txt", "text/plain", MANUAL),
        Attachment("hours.pdf", "application/pdf", "Closed on Sundays."),
        Attachment("a.png", "image/png", ""),
    ]


async def test_the_offline_model_answers_from_a_file(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    pieces = piece_commits(room.database, room.scribe)
    catalogue = ModelCatalogue({"offline": Provided(OfflineModel(SystemClock()), continues_prefix=True)})
    toolbox = Toolbox(room.database, room.scribe, {}, timeout=5.0)
    runner = Runner(room.database, room.scribe, room.transcript, pieces, catalogue, toolbox, TurnSettings())

    async def answer() -> str:
        await runner.run(await answerer.claim())
        await pieces.drain()
        messages = (await kim.get(f"/api/chat/sessions/{session.session_id}/messages")).json()["messages"]
        return str(messages[-1]["content"])

    await send(kim, session, MANUAL.encode(), "설명서.txt")
    assert await answer() == "설명서.txt 파일을 읽었습니다. 내용에 대해 궁금한 점을 물어보세요."
    await kim.post(
        f"/api/chat/sessions/{session.session_id}/messages", json={"content": "품질 보증 기간이 얼마나 되나요?"}
    )
    assert (await answer()).splitlines()[1:] == [
        "- 품질 보증 기간은 구입한 날부터 2년입니다. [1]", "[1] 설명서.txt",
    ]


async def test_a_full_disk_is_said_and_nothing_stays(
    kim: httpx.AsyncClient, room: ChatRoom, shelf: Shelf, session: Session
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        answer = await send(kim, session, b"x" * (3 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert (answer.status_code, answer.json()["code"]) == (503, "STORAGE_FULL")
    assert answer.headers["retry-after"]
    assert list(shelf.settings.spool.iterdir()) == []
    assert (await send(kim, session, b"x")).status_code == 201


async def test_a_store_of_s3_hands_out_links(room: ChatRoom, session: Session, tmp_path: Path, s3_url: str) -> None:
    shelf = Shelf(s3_at(s3_url), FileSettings(tmp_path / "uploads", frozenset(FILE_TYPES)))
    app = FastAPI()
    install(app)
    app.include_router(build_router(room, authenticate, shelf))
    transport = httpx.ASGITransport(app)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://t", headers={"x-user": "kim"}) as kim,
        httpx.AsyncClient(trust_env=False) as web,
    ):
        made = (await send(kim, session, picture(), "사진.png")).json()
        sent = await kim.get(made["file_url"])
        assert (sent.status_code, sent.headers["cache-control"]) == (307, "private, no-store")
        got = await web.get(sent.headers["location"], headers={"Range": "bytes=1-3"})
        assert (got.status_code, got.content, got.headers["content-type"]) == (206, b"PNG", "image/png")
        assert got.headers["content-disposition"].startswith("inline; filename=")
        thumb = await web.get((await kim.get(made["thumbnail_url"])).headers["location"])
        assert (thumb.status_code, thumb.content[:4]) == (200, b"RIFF")
        assert (await kim.get(made["file_url"], headers={"x-user": "lee"})).status_code == 404


async def test_a_store_that_is_away(room: ChatRoom, session: Session, tmp_path: Path) -> None:
    away = Shelf(s3_at("http://127.0.0.1:9"), FileSettings(tmp_path / "uploads", frozenset(FILE_TYPES)))
    app = FastAPI()
    install(app)
    app.include_router(build_router(room, authenticate, away))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers={"x-user": "kim"}) as kim:
        answer = await send(kim, session, b"hello")
    assert (answer.status_code, answer.json()["code"]) == (503, "FILES_UNAVAILABLE")
    assert len(await log_of(room, session.session_id)) == 1
