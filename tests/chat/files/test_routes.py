"""Files over HTTP: in, out, and who may have them."""

import asyncio
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any, BinaryIO

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.requests import Request

from malgil.access.model import Caller, guest
from malgil.app.problems import install
from malgil.chat.actions import create_session
from malgil.chat.files import actions, tasks
from malgil.chat.files.errors import FileNotFound
from malgil.chat.files.media import media_type_of
from malgil.chat.files.model import StoredFile
from malgil.chat.files.shelf import Shelf
from malgil.chat.gate import ChatGate
from malgil.chat.model import NewSession, Session
from malgil.chat.room import ChatRoom, erase
from malgil.chat.routes import build_router
from malgil.kit.ids import UserId
from malgil.knowledge.office import WORD
from tests.chat.files.matter import animation, bomb, file_part, form, path_of, picture, send, turned_jpeg
from tests.chat.people import KIM, Answerer, add_person, log_of, make_session, turns_of
from tests.knowledge.documents import pdf, word, zipped

PNG = picture()


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    body: dict[str, Any] = answer.json()
    return body


def blobs_in(shelf: Shelf) -> list[str]:
    """The files in the store's folder, and what still waits in the spool."""
    folders = (shelf.settings.spool.parent / "files", shelf.settings.spool)
    return sorted(one.name for folder in folders for one in folder.rglob("*") if one.is_file())


async def rows_of(room: ChatRoom) -> list[tuple[str, str]]:
    async with room.database.read() as conn:
        return [(row["name"], row["status"]) for row in await conn.fetch("SELECT name, status FROM chat_files")]


async def test_an_upload_is_a_message_and_a_turn(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session, answerer: Answerer
) -> None:
    answer = await send(kim, session, PNG, "영수증.png", "이미지를 확인해주세요")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    file_id = made["file_id"]
    assert made == {
        "file_id": file_id, "file_url": f"/files/{file_id}", "thumbnail_url": f"/files/{file_id}/thumb",
        "message_id": made["message_id"], "file_info": {"name": "영수증.png", "type": "image/png", "size": len(PNG)},
    }
    entries = await log_of(room, session.session_id)
    said = entries[1].data
    assert (said["message_id"], said["message_type"], said["content"]) == (
        made["message_id"], "file", "이미지를 확인해주세요"
    )
    assert said["metadata"] == {"file": {
        "file_id": file_id, "name": "영수증.png", "type": "image/png", "size": len(PNG),
        "file_url": f"/files/{file_id}", "thumbnail_url": f"/files/{file_id}/thumb",
    }}
    assert await turns_of(room, session.session_id) == ["queued"]
    await answerer.answer("확인했습니다.")


async def test_without_a_text_the_message_says_the_name(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    assert (await send(kim, session, b"hello", "notes.txt")).status_code == 201
    assert (await send(kim, session, b"hello", "notes.txt", "  ")).status_code == 201
    said = [entry.data["content"] for entry in await log_of(room, session.session_id) if "content" in entry.data]
    assert said == ["notes.txt", "notes.txt"]


async def test_what_was_sent_comes_back(kim: httpx.AsyncClient, session: Session) -> None:
    made = (await send(kim, session, PNG, "영수증 \"1\".png")).json()
    got = await kim.get(made["file_url"])
    assert (got.status_code, got.content) == (200, PNG)
    assert got.headers["content-type"] == "image/png"
    assert got.headers["content-length"] == str(len(PNG))
    assert got.headers["content-disposition"] == (
        "inline; filename=\"___ _1_.png\"; filename*=UTF-8''%EC%98%81%EC%88%98%EC%A6%9D%20%221%22.png"
    )
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert got.headers["cache-control"].startswith("private")
    part = await kim.get(made["file_url"], headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"PNG", f"bytes 1-3/{len(PNG)}")
    assert (await kim.get(made["file_url"], headers={"Range": f"bytes={len(PNG)}-"})).status_code == 416
    again = await kim.get(made["file_url"], headers={"If-None-Match": got.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await kim.head(made["file_url"])
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PNG)))
    assert head.headers["etag"] == got.headers["etag"]


async def test_who_takes_no_part_never_learns_of_it(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    made = (await send(kim, session, PNG)).json()
    nowhere = "/files/file_01kb2q8w0f3v9xk7n5t1m4c6ze"
    for path in (made["file_url"], made["thumbnail_url"]):
        foreign = problem(await lee.get(path), 404, "FILE_NOT_FOUND")
        unknown = problem(await lee.get(nowhere + path.removeprefix(made["file_url"])), 404, "FILE_NOT_FOUND")
        assert foreign["detail"].replace(made["file_id"], "…") == unknown["detail"].replace(nowhere[7:], "…")
        assert (await lee.head(path)).status_code == 404
    assert (await send(lee, session, PNG)).status_code == 404
    await add_person(room, session, "lee", "viewer")
    assert (await lee.get(made["file_url"])).content == PNG
    problem(await send(lee, session, PNG), 403, "READ_ONLY")


@pytest.mark.parametrize("ill", [
    "<!---->" * 1170, "<?xml?>" * 1170, "<!--" * 2048, "<?xml" * 1600, "<!---->  " * 900, "<!-- --><?xml ?>" * 500,
    " " * 8000, "<!doctype" + " " * 8000, "<!doctype " * 800,
])
def test_no_text_takes_long_to_tell(ill: str) -> None:
    """It took exponential time once: as a failure this test never ends."""
    for end in ("x", "-->", "<1", ""):
        assert media_type_of(io.BytesIO((ill + end).encode())).startswith("text/plain")


@pytest.mark.parametrize("name", ["x", "file_", "file_%00", "..%2f..%2fetc%2fpasswd", "FILE_01kb2q8w0f3v9xk7n5t1m4c6ze",
                                  "file_" + "a" * 4000, "%ED%95%9C"])
async def test_ids_that_no_file_can_have(kim: httpx.AsyncClient, name: str) -> None:
    assert (await kim.get(f"/files/{name}")).status_code == 404


async def test_the_thumbnail_stands_upright_and_tells_nothing(kim: httpx.AsyncClient, session: Session) -> None:
    made = (await send(kim, session, turned_jpeg())).json()
    got = await kim.get(made["thumbnail_url"])
    assert (got.status_code, got.headers["content-type"]) == (200, "image/webp")
    with Image.open(io.BytesIO(got.content)) as thumb:
        assert thumb.size == (240, 320)
        red, _, blue = thumb.convert("RGB").getpixel((230, 10))
        assert red > 150 > blue  # the upper left of the file is the upper right of the picture
        assert not thumb.getexif()
    assert b"SECRET" not in got.content
    assert (await kim.get(made["file_url"])).content == turned_jpeg()


async def test_the_thumbnail_of_an_animation_is_its_first_frame(kim: httpx.AsyncClient, session: Session) -> None:
    made = (await send(kim, session, animation())).json()
    with Image.open(io.BytesIO((await kim.get(made["thumbnail_url"])).content)) as thumb:
        red, _, blue = thumb.convert("RGB").getpixel((20, 20))
    assert red > 200 > blue


async def test_what_is_no_picture_has_no_thumbnail(kim: httpx.AsyncClient, session: Session) -> None:
    made = (await send(kim, session, pdf("Hello"), "a.pdf")).json()
    assert made["thumbnail_url"] is None
    problem(await kim.get(f"{made['file_url']}/thumb"), 404, "FILE_NOT_FOUND")


@pytest.mark.parametrize(("content", "kind", "disposition"), [
    (PNG, "image/png", "inline"), (pdf("x"), "application/pdf", "attachment"), (word("x"), WORD, "attachment"),
    ("안녕".encode(), "text/plain; charset=utf-8", "inline"),
    ("안녕".encode("cp949"), "text/plain; charset=euc-kr", "inline"),
    (b"GIF89a" + picture("GIF")[6:] + b"<script>alert(1)</script>", "image/gif", "inline"),
    (picture("JPEG") + zipped({"a": "b"}), "image/jpeg", "inline"),
    (pdf("x") + b"<html><script>alert(1)</script>", "application/pdf", "attachment"),
], ids=["png", "pdf", "docx", "utf-8", "cp949", "gif+html", "jpeg+zip", "pdf+html"])
async def test_a_file_is_what_its_content_says(
    kim: httpx.AsyncClient, session: Session, content: bytes, kind: str, disposition: str
) -> None:
    """Polyglots too: served as what they were found to be, and browsers are told not to look further."""
    made = (await send(kim, session, content, "invoice.html")).json()
    got = await kim.get(made["file_url"])
    assert (got.headers["content-type"], got.content) == (kind, content)
    assert got.headers["content-disposition"].startswith(disposition)
    assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("content", "named"), [
    (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "image/svg+xml"),
    (b"<?xml version='1.0'?>\n<!-- x -->\n<svg onload='alert(1)'/>", "image/svg+xml"),
    ("\ufeff <!DOCTYPE html><title>x".encode("utf-16"), "text/html"), (b"<script>alert(1)</script>", "text/html"),
    (zipped({"a": "b"}), "application/zip"), (word("x", **{"word/vbaProject.bin": b"x"}), "application/zip"),
    (zipped({"[Content_Types].xml": "x", "word/document.xml": bytes(20 << 20)}), "application/zip"),
    (b"\x7fELF" + bytes(100), "application"), (bytes(range(256)), "application"), (b"MZ" + bytes(200), "application"),
], ids=["svg", "svg in xml", "html in utf-16", "script", "zip", "macros", "zip bomb", "elf", "bytes", "exe"])
async def test_types_that_are_not_taken(
    kim: httpx.AsyncClient, room: ChatRoom, shelf: Shelf, session: Session, content: bytes, named: str
) -> None:
    body = problem(await send(kim, session, content, "photo.png"), 415, "FILE_TYPE_NOT_ALLOWED")
    assert named in body["detail"]
    assert (blobs_in(shelf), await rows_of(room), len(await log_of(room, session.session_id))) == ([], [], 1)


@pytest.mark.parametrize(("content", "code"), [
    (b"", "INVALID_REQUEST"), (PNG[:-30], "FILE_DAMAGED"), (picture("JPEG", (300, 300))[:400], "FILE_DAMAGED"),
    (b"GIF89a", "FILE_DAMAGED"), (b"\x89PNG\r\n\x1a\n" + bytes(50), "FILE_DAMAGED"),
    (b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(20), "FILE_DAMAGED"), (bomb(60_000, 60_000), "IMAGE_TOO_LARGE"),
], ids=["empty", "cut png", "cut jpeg", "gif head", "png head", "webp head", "pixel bomb"])
async def test_damaged_files(
    kim: httpx.AsyncClient, room: ChatRoom, shelf: Shelf, session: Session, content: bytes, code: str
) -> None:
    problem(await send(kim, session, content, "photo.png"), 422, code)
    assert (blobs_in(shelf), await rows_of(room)) == ([], [])


async def test_a_very_large_picture_is_kept_and_not_decoded(kim: httpx.AsyncClient, session: Session) -> None:
    made = (await send(kim, session, bomb(12_000, 9_000))).json()
    assert (made["file_info"]["type"], made["thumbnail_url"]) == ("image/png", None)


@pytest.mark.parametrize(("given", "kept"), [
    ("../../etc/passwd", "passwd"), ("C:\\Users\\kim\\사진.png", "사진.png"), ("..", "file"), ("", "file"),
    ("a\x01b\x7f.txt", "ab.txt"), ("사진\u202egnp.exe", "사진gnp.exe"), ("한글".encode().decode(), "한글"),
    ("한글.txt", "한글.txt"), ("가" * 300 + ".txt", "가" * 65 + ".txt"), (" . x . ", "x"),
])
async def test_names(kim: httpx.AsyncClient, session: Session, given: str, kept: str) -> None:
    body, headers = form(file_part(b"hello", given))
    made = await kim.post(path_of(session), content=body, headers=headers)
    assert made.json()["file_info"]["name"] == kept


def bad_forms() -> list[Any]:
    good = file_part(b"hello")
    text = 'Content-Disposition: form-data; name="message"'
    cases: dict[str, tuple[tuple[bytes, dict[str, str]], int, str]] = {
        "two files": (form(good, good), 422, "INVALID_REQUEST"),
        "no file": (form((text, b"hi")), 422, "INVALID_REQUEST"),
        "nothing": (form(), 422, "INVALID_REQUEST"),
        "two texts": (form(good, (text, b"a"), (text, b"b")), 422, "INVALID_REQUEST"),
        "another field": (form(good, ('Content-Disposition: form-data; name="x"', b"1")), 422, "INVALID_REQUEST"),
        "a text for a file": (form(('Content-Disposition: form-data; name="file"', b"x")), 422, "INVALID_REQUEST"),
        "no disposition": (form(("Content-Type: text/plain", b"x")), 422, "INVALID_REQUEST"),
        "truncated": (form(good, end=False), 422, "MALFORMED_BODY"),
        "truncated in the middle": ((form(good)[0][:-20], form(good)[1]), 422, "MALFORMED_BODY"),
        "another boundary": ((form(good)[0], form(boundary="c")[1]), 422, "MALFORMED_BODY"),
        "no boundary": ((form(good)[0], {"Content-Type": "multipart/form-data"}), 422, "MALFORMED_BODY"),
        "a long boundary": (form(good, boundary="b" * 1000), 422, "MALFORMED_BODY"),
        "a text that is none": (form(good, (text, b"\xff\xfe")), 422, "INVALID_REQUEST"),
        "a NUL": (form(good, (text, b"a\x00b")), 422, "INVALID_REQUEST"),
        "a long text": (form(good, (text, b"x" * 32_769)), 422, "INVALID_REQUEST"),
        "a very long text": (form(good, (text, b"x" * 200_000)), 422, "INVALID_REQUEST"),
        "a long header": (form((f"X-Tricks: {'x' * 100_000}", b"x")), 422, "MALFORMED_BODY"),
        "many headers": (form(("\r\n".join(f"X-{n}: x" for n in range(1000)), b"x")), 422, "MALFORMED_BODY"),
        "json": ((b'{"file": "x"}', {"Content-Type": "application/json"}), 415, "UNSUPPORTED_TYPE"),
        "no type": ((b"x", {}), 415, "UNSUPPORTED_TYPE"),
    }
    return [pytest.param(*case, id=name) for name, case in cases.items()]


@pytest.mark.parametrize(("sent", "status", "code"), bad_forms())
async def test_forms_that_do_not_fit(
    kim: httpx.AsyncClient, room: ChatRoom, shelf: Shelf, session: Session, sent: tuple[bytes, dict[str, str]],
    status: int, code: str,
) -> None:
    problem(await kim.post(path_of(session), content=sent[0], headers=sent[1]), status, code)
    assert (blobs_in(shelf), await rows_of(room), len(await log_of(room, session.session_id))) == ([], [], 1)


async def test_one_key_makes_one_file(kim: httpx.AsyncClient, room: ChatRoom, session: Session) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await send(kim, session, PNG, "a.png", "보세요", **headers)
    again = await send(kim, session, PNG, "a.png", "보세요", **headers)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    problem(await send(kim, session, PNG, "a.png", "다른 말", **headers), 422, "IDEMPOTENCY_MISMATCH")
    assert [e.kind for e in await log_of(room, session.session_id)].count("message.created") == 1
    assert sorted(status for _, status in await rows_of(room)) == ["kept", "orphan", "orphan"]


async def test_an_archived_session_takes_none(kim: httpx.AsyncClient, session: Session) -> None:
    made = (await send(kim, session, PNG)).json()
    await kim.delete(f"/api/chat/sessions/{session.session_id}")
    problem(await send(kim, session, PNG), 409, "SESSION_ARCHIVED")
    assert (await kim.get(made["file_url"])).content == PNG


async def test_a_session_among_people(kim: httpx.AsyncClient, room: ChatRoom) -> None:
    alone = await make_session(room, NewSession(KIM, None))
    assert (await send(kim, alone, PNG)).status_code == 201
    assert await turns_of(room, alone.session_id) == []


async def test_what_no_session_holds_goes(
    kim: httpx.AsyncClient, room: ChatRoom, shelf: Shelf, session: Session
) -> None:
    other = await make_session(room, NewSession(KIM, None))
    made = (await send(kim, session, PNG)).json()
    async with room.database.unit_of_work() as uow:
        await actions.link(uow, [made["file_id"], "file_nowhere"], other.session_id)
    async with room.database.unit_of_work() as uow:
        await actions.unlink_all(uow, session.session_id)
    assert await tasks.sweep(room.database, shelf.blobs, room.scribe.now()) == 0
    assert (await kim.get(made["file_url"])).content == PNG
    async with room.database.unit_of_work() as uow:
        await actions.unlink_all(uow, other.session_id)
    problem(await kim.get(made["file_url"]), 404, "FILE_NOT_FOUND")
    async with room.database.unit_of_work() as uow:
        await actions.link(uow, [made["file_id"]], other.session_id)
    problem(await kim.get(made["file_url"]), 404, "FILE_NOT_FOUND")
    assert await tasks.sweep(room.database, shelf.blobs, room.scribe.now()) == 1
    assert (blobs_in(shelf), await rows_of(room)) == ([], [])


async def test_what_never_arrived_goes_after_an_hour(room: ChatRoom, shelf: Shelf) -> None:
    now = room.scribe.now()
    file = StoredFile(
        "file_01kb2q8w0f3v9xk7n5t1m4c6ze", KIM.tenant, "kim", "a", "text/plain", 1, "00", None, None, None,
        now - timedelta(minutes=50),
    )
    async with room.database.unit_of_work() as uow:
        await actions.announce(uow, file)
    await shelf.store(file, io.BytesIO(b"x"), None)
    assert await tasks.sweep(room.database, shelf.blobs, now) == 0
    assert len(blobs_in(shelf)) == 1
    assert await tasks.sweep(room.database, shelf.blobs, now + timedelta(minutes=11)) == 1
    assert (blobs_in(shelf), await rows_of(room)) == ([], [])


async def test_an_upload_that_is_refused_in_the_end_leaves_nothing(
    kim: httpx.AsyncClient, room: ChatRoom, shelf: Shelf, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shelf.store

    async def meanwhile_erased(file: StoredFile, body: BinaryIO, thumb: bytes | None) -> None:
        await store(file, body, thumb)
        async with room.database.read() as conn:
            assert await conn.fetchval("SELECT count(text) FROM chat_files") == 0, "not before anybody may see it"
        await erase(room, KIM, session.session_id)

    monkeypatch.setattr(shelf, "store", meanwhile_erased)
    problem(await send(kim, session, b"secret text", "a.txt"), 404, "SESSION_ERASED")
    assert await rows_of(room) == [("a.txt", "orphan")]
    assert await tasks.sweep(room.database, shelf.blobs, room.scribe.now()) == 1
    assert (await rows_of(room), blobs_in(shelf)) == ([], [])


async def test_a_lost_blob_is_said_before_anything_is_sent(
    kim: httpx.AsyncClient, shelf: Shelf, session: Session
) -> None:
    made = (await send(kim, session, PNG)).json()
    await shelf.blobs.delete([f"{made['file_id'][-2:]}/{made['file_id']}"])
    problem(await kim.get(made["file_url"]), 503, "FILES_UNAVAILABLE")


async def send_form(
    client: httpx.AsyncClient, session: Session, content: bytes = b"hello", **fields: str
) -> httpx.Response:
    return await client.post(path_of(session), files={"file": ("a.txt", content)}, data=fields)


async def test_one_client_message_id_makes_one_file(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    await add_person(room, session, "lee", "member")
    first = await send_form(kim, session, message="보세요", client_message_id="c1")
    again = await send_form(kim, session, b"something else", client_message_id="c1")
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    other = await send_form(lee, session, client_message_id="c1")
    assert other.json()["message_id"] != first.json()["message_id"]
    assert (await send_form(kim, session, client_message_id="")).status_code == 201
    entries = await log_of(room, session.session_id)
    sent = [e.data.get("client_message_id") for e in entries if e.kind == "message.created"]
    assert sent == ["c1", "c1", None]
    assert (await kim.get(first.json()["file_url"])).content == b"hello"
    assert sorted(status for _, status in await rows_of(room)) == ["kept", "kept", "kept", "orphan"]


async def test_a_client_message_id_that_names_no_file(
    kim: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    messages = f"/api/chat/sessions/{session.session_id}/messages"
    await kim.post(messages, json={"content": "안녕", "client_message_id": "c1"})
    problem(await send_form(kim, session, client_message_id="c1"), 409, "CLIENT_ID_TAKEN")
    made = (await send_form(kim, session, client_message_id="c2")).json()
    await kim.delete(f"{messages}/{made['message_id']}")
    problem(await send_form(kim, session, client_message_id="c2"), 409, "CLIENT_ID_TAKEN")
    assert "kept" not in [status for _, status in await rows_of(room)]


@pytest.mark.parametrize("fields", [
    {"client_message_id": "x" * 129}, {"client_message_id": "x" * 10_000}, {"client_message_id": "a\x00b"},
    {"user_id": "x" * 129}, {"user_id": " kim"}, {"user_id": "a\nb"},
])
async def test_fields_that_do_not_fit(
    kim: httpx.AsyncClient, room: ChatRoom, shelf: Shelf, session: Session, fields: dict[str, str]
) -> None:
    problem(await send_form(kim, session, **fields), 422, "INVALID_REQUEST")
    assert (blobs_in(shelf), await rows_of(room), len(await log_of(room, session.session_id))) == ([], [], 1)


async def test_who_sends_it_is_the_caller_or_in_development_mode_anybody(
    kim: httpx.AsyncClient, room: ChatRoom, shelf: Shelf, session: Session
) -> None:
    assert (await send_form(kim, session, user_id="kim")).status_code == 201
    problem(await send_form(kim, session, user_id="lee"), 403, "NOT_YOU")

    async def as_guest(request: Request) -> Caller:
        return guest()

    app = FastAPI()
    install(app)
    app.include_router(build_router(room, as_guest, shelf))
    async with room.database.unit_of_work() as uow:
        owner = replace(guest(), user_id=UserId("mina"))
        mine = await create_session(uow, room.scribe, NewSession(owner, None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        assert (await send_form(client, mine, user_id="mina")).status_code == 201
        problem(await send_form(client, mine, user_id="stranger"), 404, "SESSION_NOT_FOUND")
        problem(await send_form(client, mine), 404, "SESSION_NOT_FOUND")
    (_, said) = await log_of(room, mine.session_id)
    assert said.data["sender_id"] == "mina"


# ── a message that shows a file is deleted ──


async def test_a_deleted_message_takes_its_file_along(
    kim: httpx.AsyncClient, gate: ChatGate, room: ChatRoom, shelf: Shelf, session: Session
) -> None:
    made, other = (await send(kim, session, PNG)).json(), (await send(kim, session, PNG)).json()
    await gate.receive(KIM, session.session_id, {"type": "file", "file_id": made["file_id"]})
    shown = [one["message_id"] for one in await files_in(kim, session) if one["file_id"] == made["file_id"]]
    assert len(shown) == 2
    for message_id in shown:
        assert (await kim.get(made["file_url"])).content == PNG
        assert await tasks.sweep(room.database, shelf.blobs, room.scribe.now()) == 0
        await kim.delete(f"/api/chat/sessions/{session.session_id}/messages/{message_id}")
    problem(await kim.get(made["file_url"]), 404, "FILE_NOT_FOUND")
    problem(await kim.get(made["thumbnail_url"]), 404, "FILE_NOT_FOUND")
    with pytest.raises(FileNotFound):
        await gate.receive(KIM, session.session_id, {"type": "file", "file_id": made["file_id"]})
    assert await tasks.sweep(room.database, shelf.blobs, room.scribe.now()) == 1
    assert (await kim.get(other["file_url"])).content == PNG
    assert len(blobs_in(shelf)) == 2


async def test_a_file_that_another_session_shows_stays_there(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    made = (await send(kim, session, PNG)).json()
    at = f"/api/chat/sessions/{session.session_id}"
    branched = await kim.post(f"{at}/branch", json={"message_id": made["message_id"]})
    assert branched.status_code == 201, branched.text
    await add_person(room, session, "lee", "member")
    assert (await lee.get(made["file_url"])).content == PNG
    await kim.delete(f"{at}/messages/{made['message_id']}")
    problem(await lee.get(made["file_url"]), 404, "FILE_NOT_FOUND")
    assert (await kim.get(made["file_url"])).content == PNG


async def test_only_who_may_delete_takes_a_file_away(
    kim: httpx.AsyncClient, lee: httpx.AsyncClient, room: ChatRoom, session: Session
) -> None:
    made = (await send(kim, session, PNG)).json()
    await add_person(room, session, "lee", "member")
    refused = await lee.delete(f"/api/chat/sessions/{session.session_id}/messages/{made['message_id']}")
    assert refused.status_code == 403
    assert (await lee.get(made["file_url"])).content == PNG


async def test_shown_again_and_deleted_at_the_same_moment(
    kim: httpx.AsyncClient, gate: ChatGate, session: Session
) -> None:
    """Whichever comes first: a message never shows a file that nobody can get."""
    for _ in range(8):
        made = (await send(kim, session, b"hello", "a.txt")).json()
        again, _ = await asyncio.gather(
            gate.receive(KIM, session.session_id, {"type": "file", "file_id": made["file_id"]}),
            kim.delete(f"/api/chat/sessions/{session.session_id}/messages/{made['message_id']}"),
            return_exceptions=True,
        )
        assert again == [] or isinstance(again, FileNotFound)
        held = made["file_id"] in [one["file_id"] for one in await files_in(kim, session)]
        assert held == (again == [])
        assert (await kim.get(made["file_url"])).status_code == (200 if held else 404)


async def files_in(client: httpx.AsyncClient, session: Session) -> list[dict[str, Any]]:
    """The files that the session's messages show, with the messages' ids."""
    answer = await client.get(f"/api/chat/sessions/{session.session_id}/messages", params={"limit": 100})
    return [
        {"message_id": one["message_id"], "file_id": one["metadata"]["file"]["file_id"]}
        for one in answer.json()["messages"] if one["message_type"] == "file"
    ]
