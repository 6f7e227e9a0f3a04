"""Who came in where; sessions on their way out; entries that stand for a range."""

from alembic import op

revision = "0003_membership"
down_revision = "0002_messages"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE chat_participants ADD COLUMN joined_seq BIGINT DEFAULT '0' NOT NULL",
    "ALTER TABLE chat_sessions ADD COLUMN erasing BOOLEAN DEFAULT false NOT NULL",
    "CREATE INDEX ix_chat_sessions_erasing ON chat_sessions (session_id) WHERE erasing",
    "ALTER TABLE log_events ADD COLUMN from_seq BIGINT",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
