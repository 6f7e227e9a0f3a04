"""How large the tables have become: what PostgreSQL knows of itself, without looking into a single row."""

from dataclasses import dataclass

from malgil.storage.database import Connection

_SIZES = """
SELECT c.relname, pg_total_relation_size(c.oid) AS bytes, greatest(c.reltuples, 0)::bigint AS rows
FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table with its indexes. `rows` is what its last VACUUM or ANALYZE estimated."""

    table: str
    bytes: int
    rows: int


async def table_sizes(conn: Connection) -> list[TableSize]:
    """The size of every table, by name."""
    return [TableSize(row["relname"], row["bytes"], row["rows"]) for row in await conn.fetch(_SIZES)]
