"""Counting what happens from what the log announces: one place, and nothing in the rooms."""

from collections.abc import Sequence
from datetime import datetime

from malgil.agents.events import AnswerEnded, TurnDropped, TurnQueued, TurnResumed, TurnStarted
from malgil.log.model import DELTA, Entry
from malgil.observe.metrics import Metrics, TurnState

_ENDED: dict[str, TurnState] = {"stop": "completed", "length": "completed", "stopped": "stopped", "failed": "failed"}
_MOST_SILENT = 10_000


class MeteringAnnouncer:
    """An announcer that counts the entries that this process commits."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        # Answers begun here that have not said anything yet; each leaves with its first piece or its end.
        self._silent: dict[str, datetime] = {}

    async def __call__(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.kind == DELTA:
                self._count_piece(entry)
            else:
                self._count_fact(entry)

    def _begin(self, entry: Entry) -> None:
        if len(self._silent) >= _MOST_SILENT:
            # Begun here and ended by another process: nobody told us. The oldest is the likeliest.
            del self._silent[next(iter(self._silent))]
        self._silent[entry.data["message_id"]] = entry.at

    def _count_piece(self, entry: Entry) -> None:
        self._metrics.pieces.inc()
        begun = self._silent.pop(entry.data["message_id"], None)
        if begun is not None:
            self._metrics.first_piece.observe(max(0.0, (entry.at - begun).total_seconds()))

    def _count_fact(self, entry: Entry) -> None:
        self._metrics.appends.inc()
        match entry.kind:
            case TurnQueued.kind:
                self._metrics.turn_reached("queued")
            case TurnStarted.kind:
                self._begin(entry)
                self._metrics.turn_reached("running")
            case TurnResumed.kind:
                self._metrics.takeovers.inc()
            case AnswerEnded.kind:
                self._silent.pop(entry.data["message_id"], None)
                self._metrics.turn_reached(_ENDED[entry.data["finish_reason"]])
            case TurnDropped.kind:
                self._metrics.turn_reached(entry.data["state"])
            case _:
                pass
