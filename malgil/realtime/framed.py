"""An entry with its encodings, made once and shared by every connection of the process."""

from collections.abc import Sequence

from websockets.frames import Frame, Opcode

from malgil.log.model import DELTA, Entry
from malgil.realtime.frames import Frames

MERGED_BYTES = 16_384
"""Frames are merged up to about this size, so that one frame stays small."""


def encode_event(data_json: str, event_id: str, name: str | None = None) -> bytes:
    """One SSE event. `data_json` is JSON text on one line; `name` is given for named events."""
    head = f"id: {event_id}\n" if name is None else f"id: {event_id}\nevent: {name}\n"
    return f"{head}data: {data_json}\n\n".encode()


class Framed:
    """`json` is the native frame in UTF-8, `ruling` what the entry does to connections; the forms that transports need
    are made when the first of them asks."""

    __slots__ = ("_event", "_wire", "entry", "epoch", "from_seq", "json", "ruling", "seq", "size")

    def __init__(self, entry: Entry, epoch: str, frames: Frames) -> None:
        self.entry = entry
        self.epoch = epoch
        self.seq = entry.seq
        self.from_seq = entry.from_seq
        self.json = frames.encode(entry, epoch)
        self.ruling = frames.ruling(entry)
        self.size = len(self.json)
        self._wire: bytes | None = None
        self._event: bytes | None = None

    @property
    def cursor(self) -> str:
        return f"{self.epoch}.{self.seq}"

    @property
    def text(self) -> str:
        """The native frame."""
        return self.json.decode()

    @property
    def wire(self) -> bytes:
        """The native frame as an unmasked WebSocket text frame."""
        if self._wire is None:
            self._wire = Frame(Opcode.TEXT, self.json).serialize(mask=False)
        return self._wire

    @property
    def event(self) -> bytes:
        """The unnamed SSE event of the native frame."""
        if self._event is None:
            self._event = b"id: %b\ndata: %b\n\n" % (self.cursor.encode(), self.json)
        return self._event


def merge_deltas(batch: Sequence[Framed], frames: Frames) -> list[Framed]:
    """`batch` with adjacent deltas of one attempt at one message made into one, for a client that lags.

    The result covers the same seqs: each merged frame says by `from_seq` what it stands for.
    """
    runs: list[list[Framed]] = []
    length = 0
    for framed in batch:
        length += framed.size
        if runs and length <= MERGED_BYTES and _continues(runs[-1][-1].entry, framed.entry):
            runs[-1].append(framed)
        else:
            runs.append([framed])
            length = framed.size
    return [run[0] if len(run) == 1 else _joined(run, frames) for run in runs]


def _continues(one: Entry, other: Entry) -> bool:
    return (
        one.kind == other.kind == DELTA
        and other.from_seq == one.seq + 1
        and all(one.data[key] == other.data[key] for key in ("message_id", "attempt"))
    )


def _joined(run: list[Framed], frames: Frames) -> Framed:
    first, last = run[0].entry, run[-1].entry
    data = first.data | {"content": "".join(framed.entry.data["content"] for framed in run)}
    entry = Entry(first.stream, last.seq, first.from_seq, DELTA, data, last.at)
    return Framed(entry, run[0].epoch, frames)
