"""Files, and the sessions they hang in."""

from alembic import op

revision = "0004_files"
down_revision = "0003_membership"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE chat_files (
        file_id TEXT NOT NULL,
        tenant TEXT NOT NULL,
        uploader_id TEXT NOT NULL,
        name TEXT NOT NULL,
        media_type TEXT NOT NULL,
        size BIGINT NOT NULL,
        sha256 TEXT NOT NULL,
        width INTEGER,
        height INTEGER,
        thumb_size INTEGER,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        text TEXT,
        status TEXT DEFAULT 'incoming' NOT NULL,
        CONSTRAINT pk_chat_files PRIMARY KEY (file_id),
        CONSTRAINT ck_chat_files_status CHECK (status IN ('incoming', 'kept', 'orphan'))
    )
    """,
    "CREATE INDEX ix_chat_files_unkept ON chat_files (created_at) WHERE status <> 'kept'",
    """
    CREATE TABLE chat_file_links (
        file_id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        CONSTRAINT pk_chat_file_links PRIMARY KEY (file_id, session_id)
    )
    """,
    "CREATE INDEX ix_chat_file_links_session_id ON chat_file_links (session_id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
