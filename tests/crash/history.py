"""What a round leaves behind: who was told what and when, who sent what, what the server says of it afterwards."""

from dataclasses import dataclass, field
from typing import Any, Literal

Frame = dict[str, Any]

ACTING_TOOL = "request_refund"
"""The tool that must not run twice."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: which, seen where, and how."""

    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"[{self.rule}] {self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A log entry as a client was told it, and when (any steady clock, in seconds; one for the whole history)."""

    at: float
    frame: Frame


@dataclass(slots=True)
class Visit:
    """One connection. `begin` is the seq after which the server said it would go on; None when it said nothing.

    `status` is that of the response, or the close code; for people only.
    """

    begin: int | None = None
    status: int | None = None
    seen: list[Seen] = field(default_factory=list)


@dataclass(slots=True)
class Client:
    """One client with all its connections, each resumed where the last one broke.

    `translated`: its frames were put together from named events, and hold only what those say. `refused` tells what
    was wrong with how its stream ended, if anything was.
    """

    name: str
    session_id: str
    follows: Literal["session", "answer"] = "session"
    translated: bool = False
    visits: list[Visit] = field(default_factory=list)
    refused: str = ""


@dataclass(slots=True)
class Send:
    """A message that was sent until it was accepted, and sometimes on. `acks` are the answers to its sender."""

    session_id: str
    client_message_id: str
    content: str
    times: int = 0
    accepted: bool = False
    acks: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Session:
    """A session as the server tells it when all is quiet: its log as native frames, its messages oldest first."""

    session_id: str
    log: list[Frame] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outage:
    """A process was killed or frozen at `lost_at`; from `taker_at` on another (or its next life) was there.

    `lease` is how long the taker must wait: none for the next life of the same node.
    """

    lost_at: float
    taker_at: float
    lease: float = 0.0


@dataclass(slots=True)
class History:
    """All of a round. `refunds` are the rows it added. `may_fail`: more lives were lost than an answer has."""

    sessions: dict[str, Session] = field(default_factory=dict)
    clients: list[Client] = field(default_factory=list)
    sends: list[Send] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    refunds: list[dict[str, Any]] = field(default_factory=list)
    may_fail: bool = False
