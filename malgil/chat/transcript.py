"""The conversation as agents see it: the Transcript port of `malgil.agents`, on this room's tables."""

from malgil.agents.transcript import Answer, Said
from malgil.chat import store
from malgil.chat.model import Message
from malgil.chat.projection import agent_sender
from malgil.kit.ids import MessageId, SessionId
from malgil.storage.database import Connection, UnitOfWork


class ChatTranscript:
    """Stateless; the one adapter of the port."""

    async def history(self, conn: Connection, session_id: str, *, before_seq: int, most: int) -> list[Said]:
        """The last `most` messages before the seq that say something, oldest first."""
        rows = await store.said(conn, session_id, before_seq, most)
        return [Said(row["message_id"], row["seq"], row["sender_type"], row["content"]) for row in reversed(rows)]

    async def save_answer(self, uow: UnitOfWork, answer: Answer) -> None:
        """Keep the answer as a message, an empty one too: whoever saw it begin finds how it ended."""
        message = Message(
            MessageId(answer.message_id), SessionId(answer.session_id), answer.seq, "agent",
            agent_sender(answer.agent_id), "text", answer.content, answer.metadata, answer.tokens_used,
            answer.latency_ms, False, None, answer.created_at,
        )
        await store.write_messages(uow.conn, [message])
