"""The reads of the chat room. Each tells a caller who takes no part in a session that there is none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from malgil.access.model import Caller
from malgil.agents import queries as agents
from malgil.chat import store
from malgil.chat.errors import MessageNotFound, SessionNotFound
from malgil.chat.model import SEQ_MOST, Message, Role, Session
from malgil.chat.policy import can_post
from malgil.kit.errors import FieldError, Invalid, NotFound
from malgil.log import queries as log
from malgil.realtime.errors import Gone
from malgil.realtime.gate import Entered
from malgil.storage.database import Connection, Row

Json = dict[str, Any]
"""What a route sends as it is; times are datetimes still."""

_MESSAGE = ("message_id", "seq", "sender_type", "sender_id", "message_type", "content", "metadata", "tokens_used",
            "latency_ms", "is_edited", "created_at", "reply_to", "superseded_by", "edited_at")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_LIST_CURSOR = re.compile(r"([0-9]{1,17})\.([A-Za-z0-9._-]{1,64})", re.ASCII)
_SEQ = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which of the caller's sessions: without a status all that are not deleted; `q` occurs in title or last line."""

    status: str | None = None
    agent_id: int | None = None
    q: str | None = None


async def open_session(
    conn: Connection, caller: Caller, session_id: str, also: Caller | None = None
) -> tuple[Session, Role]:
    """The session and the caller's role in it (or `also`'s, whom the caller plays). Raises SessionNotFound."""
    users = [caller.user_id, *([also.user_id] if also else [])]
    row = await store.open_session(conn, session_id, caller.tenant, users)
    if row is None:
        raise await missing(conn, session_id, caller.tenant, users)
    return session_of(row), row["role"]


async def missing(conn: Connection, session_id: str, tenant: str, users: Sequence[str]) -> NotFound:
    """Why the users find no such session: only those who took part are told that it has been erased."""
    if await store.was_erased(conn, session_id, tenant, users):
        return Gone(f"Session {session_id!r} has been erased.")
    return SessionNotFound(session_id)


async def enter(conn: Connection, caller: Caller, session_id: str, also: Caller | None = None) -> Entered:
    """What a live connection of the caller (or `also`, whom they play) begins with. Raises what open_session raises."""
    users = [caller.user_id, *([also.user_id] if also else [])]
    # First the head, then the look: if they are sent away after it, the entry of that lies behind the head.
    _, heads = await log.heads(conn, [session_id])
    row = await store.open_session(conn, session_id, caller.tenant, users)
    if row is None:
        raise await missing(conn, session_id, caller.tenant, users)
    return Entered(session_id, not can_post(row["role"]), row["user_id"], row["joined_seq"], heads.get(session_id, 0))


async def session_view(conn: Connection, caller: Caller, session_id: str) -> Json:
    """One session, whole, as the contract shows it. Raises SessionNotFound."""
    session, _ = await open_session(conn, caller, session_id)
    found = None if session.agent_id is None else await agents.agent(conn, session.agent_id, session.tenant)
    _, heads = await log.heads(conn, [session_id])
    people = await store.participants(conn, session_id)
    return face_of(session) | {
        "agent": found and {"id": found.agent_id, "name": found.name, "avatar_url": found.avatar_url},
        "participants": [dict(row) for row in people],
        "message_count": session.message_count,
        "last_activity": session.last_activity,
        "last_seq": heads.get(session_id, 0),
    }


async def session_page(
    conn: Connection, caller: Caller, wanted: SessionFilter, *, limit: int, offset: int = 0, cursor: str | None = None
) -> Json:
    """The caller's sessions, the liveliest first, behind `cursor` where there is one. Raises Invalid."""
    found = await store.sessions(
        conn, caller.user_id, caller.tenant, (wanted.status, wanted.agent_id, wanted.q), limit=limit + 1,
        offset=offset, after=None if cursor is None else _place(cursor),
    )
    rows = [row for row in found if row["session_id"] is not None][:limit]
    has_more = len(found) > limit
    names: dict[int, str] = {}
    for agent_id in {row["agent_id"] for row in rows} - {None}:
        agent = await agents.agent(conn, agent_id, caller.tenant)
        names[agent_id] = agent.name if agent else ""
    return {
        "sessions": [_line(row, names) for row in rows],
        "total": found[0]["total"],
        "has_more": has_more,
        "next_cursor": _cursor(rows[-1]) if has_more else None,
    }


def _cursor(row: Row) -> str:
    """Where the page ended: behind a session that was as lively as this one was then."""
    since = row["last_activity"] - _BEGINNING
    return f"{since // timedelta(microseconds=1)}.{row['session_id']}"


def _place(cursor: str) -> tuple[datetime, str]:
    found = _LIST_CURSOR.fullmatch(cursor)
    if found is None:
        fault = FieldError(field="query.cursor", message="not a cursor of this list")
        raise Invalid("Send `next_cursor` as it came.", code="INVALID_CURSOR", errors=[fault])
    return _BEGINNING + timedelta(microseconds=int(found[1])), found[2]


async def message_page(
    conn: Connection, caller: Caller, session_id: str, *, before: str | None, after: str | None, limit: int
) -> Json:
    """Messages oldest first: those right after `after`, otherwise the last ones before `before` (or of all).

    A mark is a seq, a message_id or an RFC 3339 time, itself not on the page. Raises SessionNotFound, and Invalid
    for a mark that is none of the three or names no message of this session.
    """
    low = -1 if after is None else await _seq_at(conn, caller, session_id, "after", after)
    high = SEQ_MOST if before is None else await _seq_at(conn, caller, session_id, "before", before)
    newest = after is None
    rows = await store.page(
        conn, session_id, caller.tenant, caller.user_id, after=low, before=high, limit=limit + 1, newest=newest
    )
    if not rows:
        raise await missing(conn, session_id, caller.tenant, [caller.user_id])
    page = [{name: row[name] for name in _MESSAGE} for row in rows[:limit] if row["message_id"] is not None]
    if newest:
        page.reverse()
    return {"messages": page, "has_more": len(rows) > limit, "total": rows[0]["message_count"]}


async def message(conn: Connection, session_id: str, message_id: str) -> Message:
    """The message, for a verb that has asked already who may enter the session. Raises MessageNotFound."""
    row = await store.message(conn, session_id, message_id)
    if row is None:
        raise MessageNotFound(message_id)
    return message_of_row(row)


async def require_session(conn: Connection, caller: Caller, session_id: str) -> None:
    """Raises SessionNotFound unless the caller takes part in the session."""
    await open_session(conn, caller, session_id)


def session_of(row: Row) -> Session:
    return Session(*(row[name] for name in Session.__slots__))


def message_of_row(row: Row) -> Message:
    return Message(*(row[name] for name in Message.__slots__))


def message_view(message: Message) -> Json:
    """One message, as the list shows it too."""
    return {name: getattr(message, name) for name in _MESSAGE}


def face_of(session: Session) -> Json:
    """What every answer about one session begins with."""
    return {
        "session_id": session.session_id, "user_id": session.owner_id, "agent_id": session.agent_id,
        "title": session.title, "status": session.status, "queue_policy": session.queue_policy,
        "metadata": session.metadata, "created_at": session.created_at,
    }


def _line(row: Row, names: dict[int, str]) -> Json:
    shown = ("session_id", "title", "agent_id", "last_message", "last_message_at", "status", "created_at")
    return {name: row[name] for name in shown} | {
        "agent_name": names.get(row["agent_id"]), "unread_count": row["unread"],
    }


async def _seq_at(conn: Connection, caller: Caller, session_id: str, name: str, mark: str) -> int:
    """The exclusive bound that the mark stands for."""
    if _SEQ.fullmatch(mark):
        return int(mark)
    await require_session(conn, caller, session_id)
    moment = time_of(mark)
    if moment is None:
        seq = await store.seq_of_message(conn, session_id, mark)
        if seq is None:
            fault = FieldError(field=f"query.{name}", message="not a seq, a time or a message of this session")
            raise Invalid("There is nothing to page from.", code="INVALID_MARK", errors=[fault])
        return seq
    # Everything before the first message at that time, or everything from the first message past it on.
    first = await store.first_seq_since(conn, session_id, moment, inclusive=name == "before")
    if first is None:
        return SEQ_MOST
    return first if name == "before" else first - 1


def time_of(mark: str) -> datetime | None:
    """An RFC 3339 time with its offset; a `+` that a client did not escape arrives as a space."""
    try:
        moment = datetime.fromisoformat(re.sub(r" (\d\d:\d\d)$", r"+\1", mark))
        # In UTC it may lie before year 1 or after 9999, where neither Python nor the database can follow.
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
