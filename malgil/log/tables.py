"""Tables of the log. The head row of a stream is its only sequencer (realtime.md, decision 3)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from malgil.storage.schema import metadata


class XID8(sa.types.UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id, which never wraps."""

    cache_ok = True

    def get_col_spec(self, **kw: object) -> str:
        return "xid8"


# The head row is rewritten at every append: room on its page (fillfactor) keeps those updates heap-only.
streams = sa.Table(
    "log_streams",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("aggregate", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("head", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
    postgresql_with={"fillfactor": "50"},
)

events = sa.Table(
    "log_events",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("xid", XID8, nullable=False, server_default=sa.text("pg_current_xact_id()")),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("v", sa.SmallInteger, nullable=False),
    sa.Column("data", JSONB, nullable=False),
    sa.Column("actor", sa.Text),
    sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
    # Where the range begins that the entry stands for; NULL: it stands for itself.
    sa.Column("from_seq", sa.BigInteger),
    sa.Index("ix_log_events_position", "xid", "number"),
)

deltas = sa.Table(
    "log_deltas",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("from_seq", sa.BigInteger, nullable=False),
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("offset", sa.Integer, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
)

consumers = sa.Table(
    "log_consumers",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("xid", XID8, nullable=False, server_default="0"),
    sa.Column("number", sa.BigInteger, nullable=False, server_default="0"),
)

epochs = sa.Table(
    "log_epoch",
    metadata,
    sa.Column("singleton", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("system", sa.Text, nullable=False),
    sa.Column("timeline", sa.BigInteger, nullable=False),
    sa.CheckConstraint("singleton", name="one_row"),
)
