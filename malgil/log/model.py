"""Facts, entries, cursors: the one position type and the one envelope of the product (decision 4)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from malgil.kit.errors import Invalid

DELTA = "answer.delta"
"""Kind of the entries that are pieces of an answer; they live in their own table and draw from the same `seq`."""

SEALED = 2**62
"""The fence of an erased stream: higher than any that is ever given, so that nothing fenced is appended to it."""

_CURSOR = re.compile(r"([0-9a-z]{1,16})\.(0|[1-9][0-9]{0,17})", re.ASCII)


class Fact(BaseModel):
    """Something that happened. Rooms subclass it in `events.py`; a published version never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    v: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream, durable or delta.

    `from_seq` equals `seq` unless the entry stands for a range; then its data covers `from_seq … seq`. The data of a
    delta is `{"message_id", "attempt", "index", "offset", "content"}`, offset in code points.
    """

    stream: str
    seq: int
    from_seq: int
    kind: str
    data: dict[str, Any]
    at: datetime
    actor: str | None = None
    v: int = 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in one stream: everything up to and including `seq` has been seen, in the history named `epoch`."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor written `"<epoch>.<seq>"`; raises Invalid (INVALID_CURSOR) for any other text."""
        found = _CURSOR.fullmatch(text)
        if not found:
            raise Invalid("A cursor reads '<epoch>.<seq>', as the server sent it.", code="INVALID_CURSOR")
        return cls(found[1], int(found[2]))


@dataclass(frozen=True, slots=True)
class Append:
    """Facts for one stream, taken whole or refused whole.

    `expected_version`: refused unless the stream holds exactly this many durable entries. `fence`: refused unless it
    is the stream's fence. `new_fence`: becomes the stream's fence; refused unless it is higher than the present one.
    """

    stream: str
    facts: Sequence[Fact]
    expected_version: int | None = None
    fence: int | None = None
    new_fence: int | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One delta: `content` stands at `offset` code points of the answer `message_id`; refused with an old fence."""

    stream: str
    fence: int
    message_id: str
    attempt: int
    index: int
    offset: int
    content: str


@dataclass(frozen=True, slots=True)
class Head:
    """A stream's head row: the last `seq`, the number of durable entries, the present fence."""

    stream: str
    head: int
    version: int
    fence: int


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the whole log: (transaction id, number), compared in that order."""

    xid: int
    number: int
