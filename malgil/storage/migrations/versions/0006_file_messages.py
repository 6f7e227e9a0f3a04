"""An index that finds the messages of a session that show a file. What was deleted shows none."""

from alembic import op

revision = "0006_file_messages"
down_revision = "0005_search"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_chat_messages_file ON chat_messages (session_id, ((metadata -> 'file') ->> 'file_id')) "
        "WHERE message_type = 'file'"
    )
