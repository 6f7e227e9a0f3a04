"""Settings of the agents room; built once in app."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """Times in seconds. The lease numbers are realtime.md's."""

    lease: float = 10.0
    renew_every: float = 3.0
    scan_every: float = 1.0
    concurrency: int = 256
    flush_every: float = 0.040
    flush_size: int = 1024
    history_messages: int = 40
    max_steps: int = 8
    tool_timeout: float = 30.0
    compact_after: float = 600.0
