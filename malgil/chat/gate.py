"""What WebSocket (and later Socket.IO) connections may do in a session: the SessionGate port of `malgil.realtime`."""

from collections.abc import Awaitable, Callable
from typing import Any

from malgil.access.identity import acting_as
from malgil.access.model import Caller
from malgil.agents import queries as agents
from malgil.chat import actions, queries
from malgil.chat.errors import ComesLater, SessionNotFound
from malgil.chat.files.requests import FileFrame
from malgil.chat.files.sending import Mention, mention
from malgil.chat.http import Model, check
from malgil.chat.members import unread
from malgil.chat.model import NewMessage, Posted, client_may_choose, valid_session_id
from malgil.chat.requests import MessageFrame
from malgil.chat.room import ChatRoom, enter_or_create, mark_read, post
from malgil.kit.errors import Invalid, RateLimited
from malgil.kit.ids import SessionId
from malgil.log import queries as log
from malgil.log.model import Cursor
from malgil.realtime.gate import Entered, Snapshot
from malgil.realtime.throttle import CREATE, NoThrottle, Throttle

SNAPSHOT_MESSAGES = 200
SNAPSHOT_CODE_POINTS = 128 * 1024
"""How much text a snapshot carries: clients commonly refuse frames over 1 MiB. What is older is read over REST."""

Frame = dict[str, Any]


class ChatGate:
    """One for the process. Every call stands alone: what a connection knows of its session is only its id."""

    def __init__(self, room: ChatRoom, throttle: Throttle | None = None) -> None:
        self._room = room
        self._throttle = throttle or NoThrottle()
        self._verbs: dict[str, Callable[[Caller, SessionId, Frame], Awaitable[list[Frame]]]] = {
            "message": self._message, "file": self._file, "stop": self._stop, "read": self._read,
        }

    async def enter(self, caller: Caller, session_id: str) -> Entered:
        """Open the session; one of the client's own naming is made if there is none.

        Raises SessionNotFound, and RateLimited when too many are made.
        """
        if not valid_session_id(session_id):
            raise SessionNotFound(session_id[:64])
        try:
            return await self._look(caller, session_id)
        except SessionNotFound:
            if not client_may_choose(session_id):
                raise
        if (wait := await self._throttle.allow(caller, session_id, CREATE)) is not None:
            raise RateLimited("Too many sessions; try again later.", retry_after=wait)
        await enter_or_create(self._room, caller, SessionId(session_id))
        return await self._look(caller, session_id)

    async def _look(self, caller: Caller, session_id: str) -> Entered:
        async with self._room.database.read() as conn:
            return await queries.enter(conn, caller, session_id)

    async def unread(self, caller: Caller) -> list[Frame]:
        """An `unread` frame for each of the caller's sessions that has something new for them, the newest first."""
        async with self._room.database.read() as conn:
            return await unread.frames_of(conn, caller)

    async def receive(self, caller: Caller, session_id: str, frame: Frame) -> list[Frame]:
        """Carry out a frame that the transport found well formed; the direct answers."""
        verb = self._verbs.get(frame["type"], _later)
        return await verb(caller, SessionId(session_id), frame)

    async def snapshot(self, caller: Caller, session_id: str) -> Snapshot:
        """The last messages and the answer being written, as they stood at the cursor."""
        async with self._room.database.read() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            page = await queries.message_page(
                conn, caller, session_id, before=None, after=None, limit=SNAPSHOT_MESSAGES
            )
            epoch, heads = await log.heads(conn, [session_id])
            turn = await agents.open_turn(conn, session_id)
            partial = None
            if turn is not None and turn.status == "running":
                draft = await agents.draft(conn, turn)
                partial = {"message_id": turn.answer_id, "content": draft.text, "attempt": turn.attempt}
        return Snapshot(Cursor(epoch, heads[session_id]), _newest(page["messages"]), partial)

    async def _message(self, caller: Caller, session_id: SessionId, frame: Frame) -> list[Frame]:
        sent = _read(frame, MessageFrame)
        new = NewMessage(
            caller, acting_as(caller, sent.user_id), session_id, sent.content or sent.task or "",
            client_message_id=sent.client_message_id, client_time=sent.timestamp,
        )
        return _ack(sent.client_message_id, await post(self._room, new))

    async def _file(self, caller: Caller, session_id: SessionId, frame: Frame) -> list[Frame]:
        sent = _read(frame, FileFrame)
        wanted = Mention(caller, session_id, sent.file_id, sent.message, sent.client_message_id, sent.timestamp)
        return _ack(sent.client_message_id, await mention(self._room, wanted))

    async def _stop(self, caller: Caller, session_id: SessionId, frame: Frame) -> list[Frame]:
        room = self._room
        async with room.database.unit_of_work() as uow:
            await actions.stop_answer(uow, room.scribe, room.transcript, caller, session_id)
        return []

    async def _read(self, caller: Caller, session_id: SessionId, frame: Frame) -> list[Frame]:
        await mark_read(self._room, caller, session_id, frame["seq"])
        return []


async def _later(caller: Caller, session_id: SessionId, frame: Frame) -> list[Frame]:
    raise ComesLater(f"Frames of type {frame['type']!r} are not supported yet.")


def _ack(client_message_id: str | None, posted: Posted) -> list[Frame]:
    """Told to who named the message, so that they know which it is."""
    if client_message_id is None:
        return []
    return [{
        "type": "ack", "client_message_id": client_message_id, "message_id": posted.message_id, "seq": posted.seq,
        "duplicate": posted.duplicate,
    }]


def _read(frame: Frame, model: type[Model]) -> Model:
    try:
        return check(frame, model, "frame")
    except Invalid as e:
        # A frame's sender is told one line, so it says what is wrong where.
        said = "; ".join(f"{fault['field']}: {fault['message']}" for fault in e.errors)
        raise Invalid(said, errors=e.errors) from e


def _newest(messages: list[Frame]) -> list[Frame]:
    """The last of the messages that fit into a snapshot; the very last one always does."""
    size, first = 0, len(messages)
    while first and (size := size + len(messages[first - 1]["content"])) <= SNAPSHOT_CODE_POINTS:
        first -= 1
    return messages[min(first, max(0, len(messages) - 1)):]
