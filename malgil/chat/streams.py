"""Answers as they are written: one turn's entries, from the log, for the doors that wait for one answer.

Nothing is held while they wait: the tail belongs to the hub, connections to the database are borrowed per read.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

from starlette.responses import Response

from malgil.access.model import Caller
from malgil.agents import events
from malgil.agents import queries as agents
from malgil.agents.frames import FRAMES
from malgil.agents.model import Draft, Turn
from malgil.chat import queries
from malgil.chat.doors import Answer
from malgil.chat.errors import AnswerFailed, AnswerPending, NoAgent, SentAway, SessionNotFound, TurnStopped
from malgil.chat.model import Posted
from malgil.chat.room import ChatRoom
from malgil.kit import json
from malgil.log import queries as log
from malgil.log.errors import EpochChanged
from malgil.log.model import DELTA, Cursor, Entry
from malgil.realtime.errors import Resync
from malgil.realtime.framed import Framed, encode_event
from malgil.realtime.gate import Entered
from malgil.realtime.sse import Entries, EventStream
from malgil.realtime.ward import expiry
from malgil.storage.database import Connection

SHOWN = events.TERMINAL | {
    DELTA, events.TurnStarted.kind, events.AnswerReset.kind, events.ToolStarted.kind, events.ToolFinished.kind,
    events.ToolFailed.kind,
}
"""What a stream of one answer shows; that the turn was queued or changed hands is for those who follow the session."""

Named = tuple[str, dict[str, Any]]

_SEQ = re.compile(r"[0-9]{1,18}", re.ASCII)


async def turn_of(room: ChatRoom, posted: Posted) -> Turn:
    """The turn that answers the message. Raises NoAgent when nobody will."""
    async with room.database.read() as conn:
        turn = await agents.turn_of_prompt(conn, posted.message_id)
    if turn is None:
        raise NoAgent(posted.session_id)
    return turn


async def locate(conn: Connection, session_id: str, after: str | None) -> Cursor:
    """The position that a client names by a cursor, a seq or `start`; None is the end of the log.

    Raises Invalid for what is none of these, EpochChanged for a cursor of another history or past the end of this.
    """
    epoch, heads = await log.heads(conn, [session_id])
    head = heads.get(session_id, 0)
    if after is None:
        return Cursor(epoch, head)
    if after == "start":
        return Cursor(epoch, 0)
    cursor = Cursor(epoch, int(after)) if _SEQ.fullmatch(after) else Cursor.parse(after)
    if cursor.epoch != epoch or cursor.seq > head:
        raise EpochChanged("This cursor is of another history; start without one.")
    return cursor


def session_events(room: ChatRoom, caller: Caller, entered: Entered, after: str | None) -> EventStream:
    """The whole session's log after what the client names, as long as they take part; None: from now.

    Raises EpochChanged for a place past what they may see.
    """
    if after is not None:
        _require_within(entered, _seq_named(after))
    shown = Entries(
        room.hub, entered.session_id, entered.head if after is None else after, is_last=_ends(room, entered)
    )
    expires_at = expiry(caller, room.scribe.now())
    return EventStream(shown, room.ward, meter=room.meter, seat=caller, expires_at=expires_at)


def _require_within(entered: Entered, seq: int) -> None:
    """From further on they might not see the entry that sends them away."""
    if entered.head is not None and seq > entered.head:
        raise EpochChanged("This cursor is of another history; start without one.")


def _seq_named(after: str) -> int:
    return int(after) if _SEQ.fullmatch(after) else 0 if after == "start" else Cursor.parse(after).seq


def _ends(room: ChatRoom, entered: Entered) -> Callable[[Entry], bool]:
    """Whether an entry is the last that this connection is told of."""

    def is_last(entry: Entry) -> bool:
        ruling = room.frames.ruling(entry)
        return ruling is not None and entered.obey(ruling, entry.seq) is not None

    return is_last


async def native_answer(room: ChatRoom, caller: Caller, sender: Caller, turn: Turn, seen: str | None) -> Answer:
    """The turn's entries as native frames; 204 when the client has `seen` the last of them.

    Ends when they who follow it, the caller or whom they play, are sent away. Raises SessionNotFound, EpochChanged.
    """
    entered, start = await _start(room, caller, sender, turn, seen)
    if start is None:
        return _nothing_left()
    return _stream(room, caller, entered, turn, start, lambda framed: framed.event, str(start))


async def named_answer(room: ChatRoom, caller: Caller, sender: Caller, turn: Turn, seen: str | None) -> Answer:
    """The same as the named events of `/agent/chat/stream`."""
    entered, start = await _start(room, caller, sender, turn, seen)
    if start is None:
        return _nothing_left()
    first_id = event_id(str(start), turn)
    return _stream(room, caller, entered, turn, start, lambda framed: named(turn, framed), first_id)


async def _start(
    room: ChatRoom, caller: Caller, sender: Caller, turn: Turn, seen: str | None
) -> tuple[Entered, Cursor | None]:
    async with room.database.read() as conn:
        entered = await queries.enter(conn, caller, turn.session_id, sender)
        cursor = await locate(conn, turn.session_id, seen or str(turn.queued_seq))
    _require_within(entered, cursor.seq)
    if turn.ended_seq is not None and cursor.seq >= turn.ended_seq:
        return entered, None
    return entered, cursor if cursor.seq > turn.queued_seq else Cursor(cursor.epoch, turn.queued_seq)


def _stream(
    room: ChatRoom, caller: Caller, entered: Entered, turn: Turn, start: Cursor, encode: Callable[[Framed], bytes],
    first_id: str,
) -> Answer:
    def project(framed: Framed) -> bytes | None:
        return encode(framed) if _shown(turn, framed.entry) else None

    sent_away = _ends(room, entered)

    def is_last(entry: Entry) -> bool:
        return (entry.kind in events.TERMINAL and _shown(turn, entry)) or sent_away(entry)

    shown = Entries(room.hub, turn.session_id, start.seq, project, is_last)
    # Without a seat: the message has been posted, and its answer ends.
    expires_at = expiry(caller, room.scribe.now())
    return EventStream(shown, room.ward, cursor=first_id, meter=room.meter, expires_at=expires_at)


def _shown(turn: Turn, entry: Entry) -> bool:
    return entry.kind in SHOWN and entry.data["message_id"] == turn.answer_id


def _nothing_left() -> Response:
    return Response(status_code=204)


async def answer_of(room: ChatRoom, caller: Caller, sender: Caller, turn: Turn) -> tuple[Draft, Entry]:
    """The whole answer and the entry that ended it. Raises AnswerPending when it takes too long, SessionNotFound when
    the caller (or whom they play) is sent away meanwhile, Gone when the session is erased."""
    async with room.database.read() as conn:
        entered = await queries.enter(conn, caller, turn.session_id, sender)
    draft = Draft()
    try:
        async with asyncio.timeout(room.settings.answer_wait), room.hub.watch(turn.session_id) as tail:
            async for batch in tail.follow(turn.queued_seq):
                _require_stay(entered, batch)
                for entry in (framed.entry for framed in batch if _shown(turn, framed.entry)):
                    draft = draft.apply(entry)
                    if entry.kind in events.TERMINAL:
                        return draft, entry
    except (TimeoutError, Resync):
        # Waited too long, or this server is going away: the answer is written all the same.
        pass
    raise AnswerPending(turn.session_id, turn.answer_id)


def _require_stay(entered: Entered, batch: Sequence[Framed]) -> None:
    for framed in batch:
        error = None if framed.ruling is None else entered.obey(framed.ruling, framed.seq)
        if error is not None:
            raise SessionNotFound(entered.session_id) if isinstance(error, SentAway) else error


def finished(turn: Turn, draft: Draft, end: Entry) -> dict[str, Any]:
    """What `POST /agent/chat` answers. Raises AnswerFailed, and TurnStopped for a turn that never began."""
    data = end.data
    if end.kind == events.TurnDropped.kind and data["state"] == "stopped":
        raise TurnStopped(f"Message {turn.prompt_id!r} was taken back before it was answered.")
    if end.kind == events.TurnDropped.kind or data["finish_reason"] == "failed":
        raise AnswerFailed(failure(end)["message"])
    return {
        "session_id": turn.session_id, "message_id": turn.answer_id, "content": data["content"],
        "tool_calls": [
            {"call_id": c.call_id, "name": c.name, "arguments": c.arguments, "result": c.result} for c in draft.calls
        ],
        "tokens_used": data["tokens_used"], "latency_ms": data["latency_ms"], "finish_reason": data["finish_reason"],
    }


def failure(end: Entry) -> dict[str, str]:
    """Code and text of a turn that did not answer."""
    if end.data.get("state") == "stopped":
        return {"code": TurnStopped.code, "message": "The question was taken back before it was answered."}
    error = end.data.get("error") or {}
    return {
        "code": error.get("code", AnswerFailed.code), "message": error.get("message", "The agent could not answer.")
    }


def named(turn: Turn, framed: Framed) -> bytes:
    """The entry as a named event of `/agent/chat/stream`; its id says how to come back to this turn."""
    name, data = _named(turn, framed.entry)
    return encode_event(json.dumps(data), event_id(framed.cursor, turn), name)


def event_id(cursor: str, turn: Turn) -> str:
    """`<cursor>@<turn>`: an EventSource sends it back with its first URL, and is not taken to ask again."""
    return f"{cursor}@{turn.turn_id}"


def _named(turn: Turn, entry: Entry) -> Named:
    data = entry.data
    face = {"session_id": turn.session_id, "message_id": turn.answer_id}
    match entry.kind:
        case events.TurnStarted.kind:
            return "start", {"status": "started"} | face
        case kind if kind == DELTA:
            return "message", {"content": data["content"], "index": data["index"], "offset": data["offset"]}
        case events.AnswerReset.kind:
            return "reset", {"message_id": turn.answer_id, "attempt": data["attempt"], "offset": data["offset"]}
        case events.ToolStarted.kind | events.ToolFinished.kind | events.ToolFailed.kind:
            return "tool", FRAMES[entry.kind](entry)
        case events.AnswerEnded.kind if data["finish_reason"] != "failed":
            status = "stopped" if data["finish_reason"] == "stopped" else "completed"
            used = {key: data[key] for key in ("tokens_used", "latency_ms", "finish_reason")}
            return "done", {"status": status} | face | used
        case _:
            return "error", failure(entry) | face
