"""The protocol of `malgil chat` without terminal and socket: frames in, what to show out.

It holds what a client needs to come back with exact text: the cursor behind the last frame, the text of each answer
being written, and the messages that nobody has acknowledged yet. Those are sent again under the same
client_message_id, so the server makes one message of them however often they arrive.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

Frame = dict[str, Any]

START: Final = "start"
# Coming back after these would end the same way.
FINAL_CLOSES: Final = {
    4401: "the token is not good; make one with `malgil token` and pass it with --token",
    4403: "you are not a participant of this session",
    4404: "there is no such session",
    4410: "this session was erased",
    4429: "too many connections are open for you",
}
RESYNC: Final = 4002


class Faulty(Exception):
    """What arrived cannot follow what was there: reconnect at the cursor (now the start, if need be) and read on."""


@dataclass(frozen=True, slots=True)
class Said:
    """A whole message; `mine` when it was typed in this terminal."""

    sender: str
    content: str
    mine: bool = False


@dataclass(frozen=True, slots=True)
class Began:
    """An answer begins."""


@dataclass(frozen=True, slots=True)
class Piece:
    """More text of the answer."""

    content: str


@dataclass(frozen=True, slots=True)
class Redone:
    """The answer is being written again from `kept` on."""

    kept: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is over; `reason` is `stop` when all is well."""

    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to know, not part of the conversation."""

    text: str


Update = Said | Began | Piece | Redone | Ended | Notice


@dataclass(slots=True)
class Conversation:
    """The client's side of one session. `unacked`: client_message_id → content, oldest first."""

    cursor: str = START
    seq: int | None = None
    answers: dict[str, str] = field(default_factory=dict)
    unacked: dict[str, str] = field(default_factory=dict)
    _mine: set[str] = field(default_factory=set)
    _finished: set[str] = field(default_factory=set)
    _awaited: set[str] = field(default_factory=set)

    @property
    def idle(self) -> bool:
        """Nothing sent waits to be accepted, and no answer is awaited."""
        return not (self.unacked or self.answers or self._awaited)

    def say(self, client_message_id: str, content: str) -> Frame:
        """The frame that sends `content`; kept until it is acknowledged."""
        self.unacked[client_message_id] = content
        self._mine.add(client_message_id)
        return _message(client_message_id, content)

    def resend(self) -> list[Frame]:
        """What has to be sent again on a new connection."""
        return [_message(key, content) for key, content in self.unacked.items()]

    def forget_position(self) -> None:
        """The server's history is another one now (close 4002): begin it again."""
        self.cursor, self.seq = START, None
        self.answers.clear()
        self._finished.clear()
        self._awaited.clear()

    def feed(self, frame: Frame) -> list[Update]:
        """What a frame means for the screen; one that was seen before means nothing. Raises Faulty for a gap."""
        seq = frame.get("seq")
        if "cursor" not in frame or not isinstance(seq, int):
            return list(self._read_aside(frame))
        first = frame.get("from_seq", seq)
        if self.seq is not None and seq <= self.seq:
            return []
        if self.seq is not None and first > self.seq + 1:
            raise Faulty(f"frame {first} came after {self.seq}")
        updates = list(self._read_entry(frame))
        self.seq, self.cursor = seq, str(frame["cursor"])
        return updates

    def _read_entry(self, frame: Frame) -> Iterator[Update]:
        """What stands in the log, each thing once and in order."""
        match frame:
            case {"type": "message", "message_id": str(message_id), "content": str(content)}:
                yield from self._said(frame, message_id, content)
            case {"type": "stream_start", "message_id": str(message_id)}:
                self._awaited.add(message_id)
                self.answers[message_id] = ""
                yield Began()
            case {"type": "stream_chunk", "message_id": str(message_id), "content": str(content), "offset": int(at)}:
                yield from self._piece(message_id, content, at)
            case {"type": "stream_reset", "message_id": str(message_id), "offset": int(at)}:
                self.answers[message_id] = self.answers.get(message_id, "")[:at]
                yield Redone(self.answers[message_id])
            case {"type": "stream_end", "message_id": str(message_id)}:
                yield from self._ended(frame, message_id)
            case {"type": "turn", "message_id": str(message_id), "state": str(state)}:
                yield from self._turn(message_id, state)
            case {"type": "tool", "name": str(name), "state": "started"}:
                yield Notice(f"looking it up: {name}")

    def _read_aside(self, frame: Frame) -> Iterator[Update]:
        """What is said to this connection only."""
        match frame:
            case {"type": "ack", "client_message_id": str(key)}:
                self.unacked.pop(key, None)
            case {"type": "snapshot", "cursor": str(), "messages": list(messages)}:
                yield from self._snapshot(frame, messages)
            case {"type": "error", "message": str(text)}:
                self.unacked.pop(frame.get("client_message_id", ""), None)
                yield Notice(text)

    def _said(self, frame: Frame, message_id: str, content: str) -> Iterator[Update]:
        key = frame.get("client_message_id")
        self.unacked.pop(key or "", None)
        if message_id not in self._finished:
            yield Said(str(frame.get("sender_type", "user")), content, mine=key in self._mine)

    def _piece(self, message_id: str, content: str, at: int) -> Iterator[Update]:
        if message_id in self._finished:
            return
        if message_id not in self.answers:
            self.answers[message_id] = ""
            yield Began()
        text = self.answers[message_id]
        if at > len(text):
            self.forget_position()
            raise Faulty(f"a piece at {at} came when {len(text)} characters were there")
        fresh = content[len(text) - at :]  # offsets make a piece that comes twice harmless
        if fresh:
            self.answers[message_id] = text + fresh
            yield Piece(fresh)

    def _ended(self, frame: Frame, message_id: str) -> Iterator[Update]:
        text = self.answers.get(message_id)
        if text is not None and frame.get("length", len(text)) != len(text):
            self.forget_position()
            raise Faulty(f"the answer has {frame['length']} characters, {len(text)} came")
        self.answers.pop(message_id, None)
        self._awaited.discard(message_id)
        self._finished.add(message_id)
        if text is not None:
            yield Ended(str(frame.get("finish_reason", "stop")))

    def _turn(self, message_id: str, state: str) -> Iterator[Update]:
        if state in ("queued", "running", "resumed"):
            self._awaited.add(message_id)
        else:
            self._awaited.discard(message_id)
            yield Notice(f"the answer {'was stopped' if state == 'stopped' else 'failed'}")

    def _snapshot(self, frame: Frame, messages: list[Any]) -> Iterator[Update]:
        self.forget_position()
        self.cursor = str(frame["cursor"])
        self.seq = int(self.cursor.rpartition(".")[2])
        for one in messages:
            yield Said(str(one.get("sender_type", "user")), str(one.get("content", "")))
            self._finished.add(str(one.get("message_id")))
        partial = frame.get("partial")
        if isinstance(partial, dict):
            self.answers[str(partial["message_id"])] = str(partial["content"])
            self._awaited.add(str(partial["message_id"]))
            yield Began()
            yield Piece(str(partial["content"]))


def _message(client_message_id: str, content: str) -> Frame:
    return {"type": "message", "content": content, "client_message_id": client_message_id}
