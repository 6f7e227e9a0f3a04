"""What this room would have measured; the observe room does the measuring, app wires the two."""

from datetime import datetime
from typing import Literal, Protocol

Transport = Literal["websocket", "sse"]


class Meter(Protocol):
    """Counters of live delivery. Called on the hot path: must not block or raise."""

    def opened(self, transport: Transport) -> None: ...

    def closed(self, transport: Transport) -> None: ...

    def delivered(self, committed_at: datetime) -> None:
        """An entry committed at that time has just been handed to every caught-up listener of this process."""
        ...

    def gap_mended(self) -> None:
        """The bus lost or reordered something and the log gave it."""
        ...

    def slow_closed(self) -> None:
        """A client that did not keep up was closed."""
        ...


class SilentMeter:
    """Measures nothing."""

    def opened(self, transport: Transport) -> None: ...

    def closed(self, transport: Transport) -> None: ...

    def delivered(self, committed_at: datetime) -> None: ...

    def gap_mended(self) -> None: ...

    def slow_closed(self) -> None: ...
