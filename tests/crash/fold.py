"""A client as the protocol describes it: frames in, texts out, and a word about every frame that it should not get."""

from dataclasses import dataclass, field

from tests.crash.history import Frame, Violation

TERMINAL_STATES = frozenset({"stopped", "failed"})


def first_seq(frame: Frame) -> int:
    """Where the range begins that the frame stands for; nearly always its own seq."""
    return int(frame.get("from_seq", frame["seq"]))


@dataclass(slots=True)
class AnswerText:
    """One answer as a client has put it together."""

    answer_id: str
    text: str = ""
    pieces: list[str] = field(default_factory=list)
    resets: int = 0
    next_index: int = 0
    ended: bool = False

    def differences(self, stored: str, where: str) -> list[Violation]:
        """How it differs from the stored message."""
        found = []
        if self.text != stored:
            found.append(Violation("text", where, f"{self.answer_id}: has {self.text!r}, stored is {stored!r}"))
        if not self.resets and "".join(self.pieces) != stored:
            found.append(Violation("text", where, f"{self.answer_id}: its pieces do not add up to {stored!r}"))
        return found


class Fold:
    """Takes frames in order. `projected`: the frames are of one answer and do not tell when an attempt begins."""

    def __init__(self, where: str, *, projected: bool = False) -> None:
        self.answers: dict[str, AnswerText] = {}
        self.violations: list[Violation] = []
        self._where = where
        self._projected = projected

    def take(self, frame: Frame) -> None:
        match frame["type"]:
            case "stream_start":
                self._start(frame)
            case "stream_chunk":
                self._chunk(frame)
            case "stream_reset":
                self._reset(frame)
            case "stream_end":
                self._end(frame)
            case "turn":
                self._turn(frame)
            case "tool":
                self._open(frame)
            case _:
                pass

    def _start(self, frame: Frame) -> None:
        answer_id = frame["message_id"]
        if answer_id in self.answers:
            self._wrong("one-end", frame, "a second stream_start")
        self.answers.setdefault(answer_id, AnswerText(answer_id))

    def _chunk(self, frame: Frame) -> None:
        answer = self._open(frame)
        offset, index = frame["offset"], frame["index"]
        if offset != len(answer.text):
            self._wrong("offset", frame, f"offset {offset} after {len(answer.text)} code points")
        if index != answer.next_index and not (self._projected and index == 0):
            self._wrong("index", frame, f"index {index} where {answer.next_index} comes next")
        answer.next_index = index + 1 + frame["seq"] - first_seq(frame)
        answer.text = answer.text[:offset] + frame["content"]
        answer.pieces.append(frame["content"])

    def _reset(self, frame: Frame) -> None:
        answer = self._open(frame)
        if frame["offset"] > len(answer.text):
            self._wrong("offset", frame, f"a reset to {frame['offset']} of {len(answer.text)} code points")
        answer.text = answer.text[: frame["offset"]]
        answer.resets += 1

    def _end(self, frame: Frame) -> None:
        answer = self._open(frame)
        answer.ended = True
        if frame.get("length", len(answer.text)) != len(answer.text):
            self._wrong("text", frame, f"length {frame['length']}, but {len(answer.text)} code points were told")

    def _turn(self, frame: Frame) -> None:
        if frame["state"] == "resumed":
            self._open(frame).next_index = 0
        elif frame["state"] in TERMINAL_STATES and frame.get("message_id") in self.answers:
            self._wrong("one-end", frame, "a turn that had started was dropped")

    def _open(self, frame: Frame) -> AnswerText:
        """The answer that the frame adds to; a word if it has not begun or is over."""
        answer_id = frame["message_id"]
        answer = self.answers.get(answer_id)
        if answer is None:
            self._wrong("before-start", frame, "before stream_start")
            answer = self.answers[answer_id] = AnswerText(answer_id)
        if answer.ended:
            self._wrong("after-end", frame, "after stream_end")
        return answer

    def _wrong(self, rule: str, frame: Frame, what: str) -> None:
        self.violations.append(
            Violation(rule, self._where, f"{frame['type']} of {frame['message_id']}, seq {frame['seq']}: {what}")
        )
