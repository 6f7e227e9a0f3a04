"""What agents need of the room that keeps the messages. `chat` implements it, `app` wires it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from malgil.storage.database import Connection, UnitOfWork


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the conversation so far."""

    message_id: str
    seq: int
    sender_type: Literal["user", "agent", "system"]
    content: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An ended answer, to be kept as a message. `seq` is that of the entry that ended it."""

    session_id: str
    message_id: str
    turn_id: str
    agent_id: int
    seq: int
    content: str
    finish_reason: str
    tokens_used: int
    latency_ms: int
    created_at: datetime
    metadata: dict[str, Any]


class Transcript(Protocol):
    """The conversation as messages."""

    async def history(self, conn: Connection, session_id: str, *, before_seq: int, most: int) -> list[Said]:
        """The last `most` messages before the seq, oldest first."""
        ...

    async def save_answer(self, uow: UnitOfWork, answer: Answer) -> None:
        """Keep the answer as a message, in the transaction that logs its end."""
        ...
