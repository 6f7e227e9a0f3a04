"""What a transport asks of the room that owns the sessions. That room implements it, app wires it."""

from dataclasses import dataclass
from typing import Any, Protocol

from malgil.access.model import Caller
from malgil.log.model import Cursor

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entered:
    """A session the caller may follow. `read_only`: may watch but not speak or show that they type."""

    session_id: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session as it stands at `cursor`, in one consistent read; `partial` is the answer being written."""

    cursor: Cursor
    messages: list[JsonObject]
    partial: JsonObject | None = None


class SessionGate(Protocol):
    """Raises MalgilErrors; the transport turns them into close codes (`enter`) and `error` frames (`receive`)."""

    async def enter(self, caller: Caller, session_id: str) -> Entered:
        """Open the session, or create it where the client may choose the id. NotFound, Forbidden, Gone …"""
        ...

    async def receive(self, caller: Caller, session_id: str, frame: JsonObject) -> list[JsonObject]:
        """Do what a well-formed client frame asks; returns the direct answers (`ack` …).

        Types: message, file, stop, read, tool_result, approve. `ping`, `resume` and `typing` never come here.
        """
        ...

    async def snapshot(self, caller: Caller, session_id: str) -> Snapshot: ...
