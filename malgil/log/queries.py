"""The reads of the log."""

from collections.abc import Sequence

from malgil.log import store
from malgil.log.model import Entry
from malgil.storage.database import Connection

END = 2**62


async def read(
    conn: Connection, stream: str, *, after: int, upto: int | None = None, limit: int = 1000
) -> list[Entry]:
    """Entries with `after < seq <= upto`, durable ones and deltas together, in order, at most `limit`.

    An entry that stands for a range is given whole when its end is past `after`, even if its beginning is not.
    """
    return await store.read(conn, stream, after, END if upto is None else upto, limit)


async def heads(conn: Connection, streams: Sequence[str]) -> tuple[str, dict[str, int]]:
    """(epoch, {stream: seq of its last entry}); streams that do not exist are absent."""
    rows = await store.heads(conn, streams)
    epoch = str(rows[0]["epoch"]) if rows else ""
    return epoch, {row["stream"]: row["head"] for row in rows if row["stream"] is not None}


async def weight(conn: Connection, stream: str, *, after: int, most: int) -> tuple[int, int]:
    """(entries, bytes) that a replay after the cursor would carry, looking at no more than `most` entries."""
    return await store.weight(conn, stream, after, END, most)


async def epoch(conn: Connection) -> str:
    """The installation's epoch."""
    return (await heads(conn, []))[0]
