"""Tables of files. A row comes before its blob and leaves after it, so no blob is ever without one.

`status`: incoming (its bytes are on their way) → kept (a message shows it) → orphan (no session holds it any more;
housekeeping removes the blobs, then the row). Nothing comes back from orphan.
"""

import sqlalchemy as sa

from malgil.storage.schema import metadata

files = sa.Table(
    "chat_files",
    metadata,
    sa.Column("file_id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("uploader_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("thumb_size", sa.Integer),
    sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("status", sa.Text, nullable=False, server_default="incoming"),
    sa.CheckConstraint("status IN ('incoming', 'kept', 'orphan')", name="status"),
    sa.Index("ix_chat_files_unkept", "created_at", postgresql_where=sa.text("status <> 'kept'")),
)

links = sa.Table(
    "chat_file_links",
    metadata,
    sa.Column("file_id", sa.Text, primary_key=True),
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Index("ix_chat_file_links_session_id", "session_id"),
)
