"""Tables of the chat room. They are a projection of the log (projection.py) kept in the same transaction as it.

No foreign keys: every row of a session is written under the lock on its log stream, and a key check per message
would be paid on the hottest path to guard against what cannot happen.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from malgil.storage.schema import metadata

# No index on what a message changes (counters, times): with room on its page the update stays heap-only.
sessions = sa.Table(
    "chat_sessions",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Text, nullable=False),
    sa.Column("agent_id", sa.Integer),
    sa.Column("title", sa.Text),
    sa.Column("metadata", JSONB, nullable=False, server_default=sa.text("'{}'")),
    sa.Column("status", sa.Text, nullable=False, server_default="active"),
    sa.Column("queue_policy", sa.Text, nullable=False, server_default="enqueue"),
    sa.Column("message_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_message", sa.Text),
    sa.Column("last_message_at", sa.TIMESTAMP(timezone=True)),
    sa.Column("last_activity", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
    # Erased for everybody, and its content is not all gone yet.
    sa.Column("erasing", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_chat_sessions_erasing", "session_id", postgresql_where=sa.text("erasing")),
    sa.CheckConstraint("status IN ('active', 'archived', 'deleted')", name="status"),
    sa.CheckConstraint("queue_policy IN ('enqueue', 'reject', 'interrupt')", name="queue_policy"),
    postgresql_with={"fillfactor": "50"},
)

participants = sa.Table(
    "chat_participants",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("read_seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("joined_at", sa.TIMESTAMP(timezone=True), nullable=False),
    # The entry by which they came in; 0 for those who were there from the beginning.
    sa.Column("joined_seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint("role IN ('owner', 'member', 'viewer')", name="role"),
    sa.Index("ix_chat_participants_user_id", "user_id", "session_id"),
)

messages = sa.Table(
    "chat_messages",
    metadata,
    sa.Column("message_id", sa.Text, primary_key=True),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("sender_type", sa.Text, nullable=False),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("message_type", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("metadata", JSONB, nullable=False, server_default=sa.text("'{}'")),
    sa.Column("tokens_used", sa.Integer),
    sa.Column("latency_ms", sa.Integer),
    sa.Column("is_edited", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("client_message_id", sa.Text),
    sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("reply_to", sa.Text),  # of an answer: the message that it answers
    sa.Column("superseded_by", sa.Text),  # of an answer: the one that stands in its place
    sa.Column("edited_at", sa.TIMESTAMP(timezone=True)),
    # A deleted message keeps its row, without what it said: sent again with the same client id it stays a duplicate.
    sa.Column("deleted_at", sa.TIMESTAMP(timezone=True)),
    sa.Index("uq_chat_messages_session_id_seq", "session_id", "seq", unique=True),
    sa.Index(
        "uq_chat_messages_client_message_id", "session_id", "sender_id", "client_message_id", unique=True,
        postgresql_where=sa.text("client_message_id IS NOT NULL"),
    ),
    sa.Index("ix_chat_messages_session_id_created_at", "session_id", "created_at"),
    sa.Index("ix_chat_messages_reply_to", "reply_to", postgresql_where=sa.text("reply_to IS NOT NULL")),
    # The messages that show a file; what was deleted shows none.
    sa.Index(
        "ix_chat_messages_file", "session_id", sa.text("((metadata -> 'file') ->> 'file_id')"),
        postgresql_where=sa.text("message_type = 'file'"),
    ),
)
