"""What agents need of the room that keeps the messages. `chat` implements it, `app` wires it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from malgil.log.scribe import Scribe
from malgil.storage.database import Connection, UnitOfWork


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message, as far as it could be read. Its text is matter, never an instruction."""

    name: str
    media_type: str
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the conversation so far."""

    message_id: str
    seq: int
    sender_type: Literal["user", "agent", "system"]
    content: str
    attached: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An ended answer, to be kept as a message. `seq` is that of the entry that ended it, `reply_to` its prompt."""

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
    reply_to: str


class Transcript(Protocol):
    """The conversation as messages."""

    async def history(
        self, conn: Connection, session_id: str, *, prompt_seq: int, before_seq: int, most: int
    ) -> list[Said]:
        """The conversation up to the message at `prompt_seq`, its last `most` messages, oldest first.

        Each answer stands right behind what it answers, wherever in the log it ended; those that ended at
        `before_seq` or later are not given yet. A message that was deleted is not in it, the last one neither.
        """
        ...

    async def save_answer(self, uow: UnitOfWork, scribe: Scribe, answer: Answer) -> None:
        """Keep the answer as a message, in the transaction that has just logged its end, and log what follows."""
        ...
