"""Messages can be edited, deleted and answered again."""

from alembic import op

revision = "0002_messages"
down_revision = "0001_spine"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    ALTER TABLE chat_messages
        ADD COLUMN reply_to TEXT,
        ADD COLUMN superseded_by TEXT,
        ADD COLUMN edited_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN deleted_at TIMESTAMP WITH TIME ZONE
    """,
    'UPDATE chat_messages m SET reply_to = t.prompt_id FROM turns t WHERE t.answer_id = m.message_id',
    'CREATE INDEX ix_chat_messages_reply_to ON chat_messages (reply_to) WHERE reply_to IS NOT NULL',
    # Until now a turn was queued by the entry right behind its prompt.
    'ALTER TABLE turns ADD COLUMN queued_seq BIGINT',
    'UPDATE turns SET queued_seq = prompt_seq + 1',
    'ALTER TABLE turns ALTER COLUMN queued_seq SET NOT NULL',
    'DROP INDEX ix_turns_prompt',
    'CREATE INDEX ix_turns_prompt ON turns (prompt_id)',
    'DROP INDEX ix_turns_session',
    'CREATE UNIQUE INDEX ix_turns_session ON turns (session_id, queued_seq)',
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
