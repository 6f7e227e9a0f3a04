"""A client that believes nothing: it checks every entry of a session as a reader of the native protocol may."""

from dataclasses import dataclass, field
from typing import Any

from malgil.agents import events
from malgil.agents.frames import FRAMES
from malgil.log.model import DELTA, Entry


@dataclass
class Shown:
    """One answer on the screen."""

    text: str = ""
    attempt: int = 0
    index: int = 0
    ended: str | None = None
    resets: list[int] = field(default_factory=list)
    tools: list[tuple[str, str]] = field(default_factory=list)


class Client:
    """Plays a session's entries. A gap, a lost, doubled or late piece is an AssertionError."""

    def __init__(self) -> None:
        self.seq = 0
        self.answers: dict[str, Shown] = {}

    def play(self, entries: list[Entry]) -> "Client":
        for entry in entries:
            assert entry.from_seq == self.seq + 1, f"a gap before {entry}"
            self.seq = entry.seq
            frame = self._frame(entry)
            shown = self.answers.setdefault(frame.get("message_id", ""), Shown())
            assert shown.ended is None or frame["type"] == "message", f"after the end: {entry}"
            getattr(self, f"_{frame['type']}")(shown, frame)
        return self

    def _frame(self, entry: Entry) -> dict[str, Any]:
        if entry.kind == DELTA:
            return {"type": "stream_chunk", "pieces": entry.seq - entry.from_seq + 1, **entry.data}
        return FRAMES.get(entry.kind, lambda _: {"type": "message"})(entry)

    def _message(self, shown: Shown, frame: dict[str, Any]) -> None:
        assert "turn_id" not in frame

    def _turn(self, shown: Shown, frame: dict[str, Any]) -> None:
        match frame["state"]:
            case "queued":
                assert shown.attempt == 0
            case "resumed":
                assert frame["attempt"] > shown.attempt >= 1
                shown.attempt, shown.index = frame["attempt"], 0
            case state:
                assert shown.attempt == 0, "only a turn that never started is dropped"
                shown.ended = state

    def _stream_start(self, shown: Shown, frame: dict[str, Any]) -> None:
        assert shown.attempt == 0
        shown.attempt = 1

    def _stream_chunk(self, shown: Shown, frame: dict[str, Any]) -> None:
        assert frame["attempt"] == shown.attempt
        assert frame["index"] == shown.index, "a piece of the attempt was lost or doubled"
        assert frame["offset"] == len(shown.text), "the text does not join"
        assert frame["content"]
        shown.index += frame["pieces"]
        shown.text += frame["content"]

    def _stream_reset(self, shown: Shown, frame: dict[str, Any]) -> None:
        assert frame["attempt"] == shown.attempt
        assert 0 <= frame["offset"] <= len(shown.text)
        shown.text = shown.text[: frame["offset"]]
        shown.resets.append(frame["offset"])

    def _tool(self, shown: Shown, frame: dict[str, Any]) -> None:
        shown.tools.append((frame["call_id"], frame["state"]))

    def _stream_end(self, shown: Shown, frame: dict[str, Any]) -> None:
        assert shown.attempt >= 1
        assert frame["length"] == len(shown.text)
        shown.ended = frame["finish_reason"]


def kinds(entries: list[Entry]) -> list[str]:
    """The kinds of the entries in short, runs of pieces as one: `queued started delta ended`."""
    short: list[str] = []
    for entry in entries:
        name = entry.kind.rpartition(".")[2]
        if not (entry.kind == DELTA and short and short[-1] == name):
            short.append(name)
    return short


TERMINAL = events.TERMINAL
