"""The index that messages are found by. It is filled from the log, from its beginning."""

from alembic import op

revision = "0005_search"
down_revision = "0004_files"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE chat_search (
        session_id TEXT NOT NULL,
        seq BIGINT NOT NULL,
        sender_type TEXT NOT NULL,
        sender_id TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        digest BIGINT NOT NULL,
        length INTEGER NOT NULL,
        terms BIGINT[] NOT NULL,
        counts SMALLINT[] NOT NULL,
        CONSTRAINT pk_chat_search PRIMARY KEY (session_id, seq)
    )
    """,
    "CREATE INDEX ix_chat_search_terms ON chat_search USING gin (terms) WITH (gin_pending_list_limit = 256)",
    """
    CREATE TABLE chat_search_terms (
        term BIGINT NOT NULL,
        messages BIGINT NOT NULL,
        CONSTRAINT pk_chat_search_terms PRIMARY KEY (term)
    ) WITH (fillfactor = 70)
    """,
    # A caller's newest sessions, without reading all of them.
    "DROP INDEX ix_chat_participants_user_id",
    "CREATE INDEX ix_chat_participants_user_id ON chat_participants (user_id, session_id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
