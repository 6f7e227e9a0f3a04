"""The conversation as agents see it: the Transcript port of `malgil.agents`, on this room's tables."""

from typing import Any

from malgil.agents.transcript import Answer, Attachment, Said
from malgil.chat import store
from malgil.chat.events import AnswerSuperseded
from malgil.chat.files import queries as files
from malgil.chat.model import Message
from malgil.chat.projection import agent_sender, revised
from malgil.chat.queries import message_of_row
from malgil.kit.ids import MessageId, SessionId
from malgil.log.model import Append
from malgil.log.scribe import Scribe
from malgil.storage.database import Connection, Row, UnitOfWork

ATTACHED_MOST = 128 * 1024
"""How many characters of files a conversation carries along."""


class ChatTranscript:
    """Stateless; the one adapter of the port."""

    async def history(
        self, conn: Connection, session_id: str, *, prompt_seq: int, before_seq: int, most: int
    ) -> list[Said]:
        """The conversation up to the prompt; what was deleted, superseded or says nothing is not in it."""
        rows = await store.said(conn, session_id, prompt_seq, before_seq, most)
        texts = await files.texts(conn, [file["file_id"] for row in rows if (file := _file(row))], session_id)
        budget = ATTACHED_MOST
        said = []
        for row in rows:  # the newest first: what was brought last is what is talked about
            file = _file(row)
            attached = None
            if file is not None:
                attached = Attachment(file["name"], file["type"], texts.get(file["file_id"], "")[:budget])
                budget -= len(attached.text)
            said.append(Said(row["message_id"], row["seq"], row["sender_type"], row["content"], attached))
        return said[::-1]

    async def save_answer(self, uow: UnitOfWork, scribe: Scribe, answer: Answer) -> None:
        """Keep the answer as a message, an empty one too: whoever saw it begin finds how it ended.

        Where the message that it answers has a current answer, the new one supersedes it; one that failed or says
        nothing is superseded by it instead. So there is one current answer at any time.
        """
        current = await store.current_answer(uow.conn, answer.reply_to)
        message = Message(
            MessageId(answer.message_id), SessionId(answer.session_id), answer.seq, "agent",
            agent_sender(answer.agent_id), "text", answer.content, answer.metadata, answer.tokens_used,
            answer.latency_ms, False, None, answer.created_at, MessageId(answer.reply_to),
        )
        await store.write_messages(uow.conn, [message])
        if current is not None:
            old = message_of_row(current)
            worth_it = answer.content and answer.finish_reason != "failed"
            await _supersede(uow, scribe, *((old, message) if worth_it else (message, old)))


async def _supersede(uow: UnitOfWork, scribe: Scribe, old: Message, by: Message) -> None:
    # The answer's end, in this very transaction, was logged under its turn's fence and holds the stream.
    fact = AnswerSuperseded(message_id=old.message_id, by=by.message_id)
    (entry,) = await scribe.record(uow, Append(old.session_id, [fact]))
    await store.rewrite_message(uow.conn, revised(old, entry))


def _file(row: Row) -> dict[str, Any] | None:
    """What the message says of its file; only the server writes that into messages of this type."""
    return row["metadata"].get("file") if row["message_type"] == "file" else None
