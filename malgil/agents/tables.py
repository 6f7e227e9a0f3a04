"""Tables of the agents room."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from malgil.storage.schema import metadata

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("agent_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("tenant", sa.Text),  # NULL: shared by all tenants of the installation
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("avatar_url", sa.Text),
    sa.Column("instructions", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("tools", JSONB, nullable=False),
    sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
)

fences = sa.Sequence("turn_fences", metadata=metadata)

# A turn's row is rewritten at every renewal of its lease. A prompt may have several turns: it can be answered again.
turns = sa.Table(
    "turns",
    metadata,
    sa.Column("turn_id", sa.Text, primary_key=True),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("agent_id", sa.Integer, nullable=False),
    sa.Column("prompt_id", sa.Text, nullable=False),
    sa.Column("answer_id", sa.Text, nullable=False),
    sa.Column("prompt_seq", sa.BigInteger, nullable=False),
    sa.Column("queued_seq", sa.BigInteger, nullable=False),  # of its TurnQueued entry: the order of a session's turns
    sa.Column("status", sa.Text, nullable=False, server_default="queued"),
    sa.Column("owner", sa.Text),
    sa.Column("node", sa.Text),
    sa.Column("lease_until", sa.TIMESTAMP(timezone=True)),
    sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("handovers", sa.Integer, nullable=False, server_default="0"),
    sa.Column("started_seq", sa.BigInteger),
    sa.Column("ended_seq", sa.BigInteger),
    sa.Column("error", JSONB),
    sa.Column("queued_at", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("ended_at", sa.TIMESTAMP(timezone=True)),
    sa.Column("compacted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_turns_session", "session_id", "queued_seq", unique=True),
    sa.Index("ix_turns_prompt", "prompt_id"),
    sa.Index("ix_turns_open", "queued_at", postgresql_where=sa.text("status IN ('queued', 'running')")),
    sa.Index("ix_turns_running", "session_id", unique=True, postgresql_where=sa.text("status = 'running'")),
    sa.Index("ix_turns_uncompacted", "ended_at", postgresql_where=sa.text("NOT compacted AND ended_at IS NOT NULL")),
    postgresql_with={"fillfactor": "50"},
)
