"""The verbs of the log. They run inside the caller's unit of work; nothing is announced here (see scribe.py)."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from malgil.log import store
from malgil.log.errors import Fenced, StreamMissing, VersionConflict
from malgil.log.model import SEALED, Append, Entry, Fact, Head, Piece
from malgil.storage.database import Row, UnitOfWork


async def create_stream(uow: UnitOfWork, stream: str, *, aggregate: str, tenant: str) -> None:
    """A new, empty stream for an aggregate of the named kind. An id that exists breaks the transaction."""
    await store.create(uow.conn, stream, aggregate, tenant)


async def append(uow: UnitOfWork, one: Append, at: datetime) -> list[Entry]:
    """The entries that `one`'s facts became. Raises Fenced, VersionConflict or StreamMissing; then nothing is kept."""
    (result,) = await append_many(uow, [one], at)
    if isinstance(result, Exception):
        raise result
    return result


async def append_many(uow: UnitOfWork, appends: Sequence[Append], at: datetime) -> list[list[Entry] | Exception]:
    """Each append's entries, or the reason why it alone was refused; all of different streams, in one statement."""
    if len({a.stream for a in appends}) != len(appends):
        raise ValueError("one append a stream: merge the facts of appends to the same stream")
    if not appends:
        return []
    rows = await store.append(uow.conn, appends, at)
    return [_outcome(one, row, at) for one, row in zip(appends, rows, strict=True)]


async def append_pieces(uow: UnitOfWork, pieces: Sequence[Piece], at: datetime) -> list[Entry | Exception]:
    """Each piece's entry, or Fenced; pieces of one stream take their seqs in the order given."""
    if not pieces:
        return []
    seqs = await store.append_pieces(uow.conn, pieces, at)
    return [
        store.piece_entry(piece, seqs[i], at) if i in seqs else _fenced(piece.stream) for i, piece in enumerate(pieces)
    ]


async def lock(uow: UnitOfWork, streams: Sequence[str]) -> dict[str, Head]:
    """The head rows of those streams that exist, locked in id order until the transaction ends."""
    return await store.lock(uow.conn, streams)


async def compact(uow: UnitOfWork, stream: str, message_id: str, first_seq: int, last_seq: int) -> int:
    """Merge each unbroken run of the answer's deltas between the two seqs into one ranged entry.

    Returns how many rows fewer there are. Text, offsets and order stay what they were.
    """
    return await store.compact(uow.conn, stream, message_id, first_seq, last_seq)


async def erase(uow: UnitOfWork, stream: str, fact: Fact, at: datetime, *, actor: str | None = None) -> Entry:
    """End the stream: `fact` becomes its last entry, which stands for all that was, and every fence is refused.

    What it stands for is still stored until `forget` has removed it. Raises StreamMissing.
    """
    seq = await store.seal(uow.conn, stream, SEALED, fact, actor, at)
    if seq is None:
        raise StreamMissing(f"No stream {stream!r}.")
    return Entry(stream, seq, 1, fact.kind, fact.model_dump(mode="json"), at, actor, fact.v)


async def forget(uow: UnitOfWork, stream: str, most: int) -> int:
    """Remove up to `most` entries, and as many deltas, that an erased stream's last entry stands for; how many."""
    return await store.remove_covered(uow.conn, stream, SEALED, most)


async def settle_epoch(uow: UnitOfWork) -> str:
    """The installation's epoch; a new one if the database is not the one (or not the timeline) it was given to.

    PostgreSQL's system identifier differs after a dump was restored elsewhere, its timeline after a point-in-time
    recovery or a promoted standby: exactly when cursors handed out before may name entries that are gone.
    """
    return await store.settle_epoch(uow.conn, secrets.token_hex(4))


def _outcome(one: Append, row: Row, at: datetime) -> list[Entry] | Exception:
    if row["head"] is not None:
        return [store.durable_entry(one, k, row["head"], at) for k in range(len(one.facts))]
    if not row["found"]:
        return StreamMissing(f"No stream {one.stream!r}.")
    if one.expected_version is not None and one.expected_version != row["version"]:
        return VersionConflict(f"Expected version {one.expected_version}, found {row['version']}.")
    return _fenced(one.stream)


def _fenced(stream: str) -> Fenced:
    return Fenced(f"The stream {stream!r} has another owner now.")
