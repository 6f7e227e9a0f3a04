"""Log entries as native frames: one entry, one frame, encoded once per process."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import to_json

from malgil.kit.clock import rfc3339
from malgil.log.model import DELTA, Entry
from malgil.realtime.gate import Ruling

Payload = dict[str, Any]
Mapper = Callable[[Entry], Payload]
"""From an entry to a fresh payload with its `type`; pure."""

Ruler = Callable[[Entry], Ruling]
"""From an entry to what it does to connections; pure."""

_log = logging.getLogger(__name__)


def stream_chunk(entry: Entry) -> Payload:
    """A piece of an answer; `offset` counts code points."""
    data = entry.data
    return {
        "type": "stream_chunk", "message_id": data["message_id"], "content": data["content"],
        "index": data["index"], "offset": data["offset"],
    }


def system(entry: Entry) -> Payload:
    """What any entry looks like for which no room has given a better frame."""
    payload = {"type": "system", "event": entry.kind, "timestamp": rfc3339(entry.at)}
    return payload if entry.actor is None else payload | {"user_id": entry.actor}


class Frames:
    """How each kind of entry looks on the wire. Kinds that no mapping names become `system` frames."""

    def __init__(self, *mappings: Mapping[str, Mapper], rulings: Mapping[str, Ruler] | None = None) -> None:
        self._mappers: dict[str, Mapper] = {DELTA: stream_chunk}
        for mapping in mappings:
            self._mappers.update(mapping)
        self._rulers = rulings or {}

    def ruling(self, entry: Entry) -> Ruling | None:
        """What the entry does to the connections that are open in its session; None for nearly all."""
        ruler = self._rulers.get(entry.kind)
        return None if ruler is None else ruler(entry)

    def payload(self, entry: Entry, epoch: str) -> Payload:
        """The frame with `seq`, `cursor` and, for a range, `from_seq`."""
        return _placed(self._mappers.get(entry.kind, system)(entry), entry, epoch)

    def encode(self, entry: Entry, epoch: str) -> bytes:
        """`payload` as JSON, the bytes that every transport puts its own frame around. Never raises.

        A mapper that fails costs the entry its own look, not its place: a missing frame would be a hole.
        """
        try:
            return to_json(self.payload(entry, epoch), inf_nan_mode="null")
        except Exception:
            _log.exception("no frame could be made of %s %s.%s", entry.kind, entry.stream, entry.seq)
            return to_json(_placed(system(entry), entry, epoch))


def _placed(payload: Payload, entry: Entry, epoch: str) -> Payload:
    payload["seq"] = entry.seq
    if entry.from_seq < entry.seq:
        payload["from_seq"] = entry.from_seq
    payload["cursor"] = f"{epoch}.{entry.seq}"  # as Cursor writes it, without making one
    return payload
