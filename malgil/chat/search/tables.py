"""Tables of search. All of it can be made again from the log (decision 16)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from malgil.storage.schema import metadata

# One row a message. `digest` is that of the content that the terms were read from: a message that says something
# else by now is not found by this row.
index = sa.Table(
    "chat_search",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("sender_type", sa.Text, nullable=False),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("digest", sa.BigInteger, nullable=False),
    sa.Column("length", sa.Integer, nullable=False),
    sa.Column("terms", ARRAY(sa.BigInteger), nullable=False),
    sa.Column("counts", ARRAY(sa.SmallInteger), nullable=False),
    # Every question reads what waits to be merged into the index, so little may wait.
    sa.Index("ix_chat_search_terms", "terms", postgresql_using="gin", postgresql_with={"gin_pending_list_limit": "256"}),
)

# In how many messages a term occurs. Two rows are no term's: see store.MESSAGES and store.LENGTH.
terms = sa.Table(
    "chat_search_terms",
    metadata,
    sa.Column("term", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("messages", sa.BigInteger, nullable=False),
    postgresql_with={"fillfactor": "70"},
)
