"""What a transport asks of the room that owns the sessions. That room implements it, app wires it."""

from dataclasses import dataclass
from typing import Any, Protocol

from malgil.access.model import Caller
from malgil.kit.errors import MalgilError
from malgil.log.model import Cursor

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a log entry does to open connections: those of `user_id` (None: everybody's) end with `error` once they
    have been told of it; without an error they are `read_only` from there on, or no longer."""

    user_id: str | None
    error: MalgilError | None = None
    read_only: bool = False


@dataclass(slots=True)
class Entered:
    """A session the caller may follow. `read_only`: may watch but not speak or show that they type.

    `head` is a seq at which that was true (None: not known); entries after it may change it. `joined` is where
    `user_id` came in, so that a replay of how they once went does not send them away again.
    """

    session_id: str
    read_only: bool = False
    user_id: str | None = None
    joined: int = 0
    head: int | None = None

    def obey(self, ruling: Ruling, seq: int) -> MalgilError | None:
        """Take over what the entry at `seq` rules; the error that ends the connection, if it does."""
        if ruling.user_id is not None and (ruling.user_id != self.user_id or seq <= self.joined):
            return None
        if ruling.error is None:
            self.read_only = ruling.read_only
        return ruling.error


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


class UserGate(Protocol):
    """What the socket of a user asks, who follows no session but hears of all of theirs."""

    async def unread(self, caller: Caller) -> list[JsonObject]:
        """An `unread` frame for each of the caller's sessions that has something new for them, the newest first."""
        ...
