"""What an operator may set about live connections; built once in app."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class RealtimeSettings:
    """Times are in seconds, sizes in bytes."""

    max_connections: int = 10_000
    """WebSockets and sessions' event streams in this process; past it they are closed 1013 or answered 503."""
    max_per_user: int = 100
    """The same of one user in this process; past it they are closed 4429 or answered 429."""
    heartbeat: float = 30.0
    """Between two pings to a client; every third carries a `sync` frame."""
    connection_timeout: float = 300.0
    """A client of which nothing was heard for so long, not even a pong, is closed 4003."""
    message_size_limit: int = 64 * KIB
    """The longest WebSocket message a client may send; longer: 1009."""
    replay_entries: int = 5_000
    """A longer replay is answered with a snapshot."""
    replay_bytes: int = MIB
    """A heavier replay is answered with a snapshot."""
    stall_seconds: float = 10.0
    """A client that takes nothing for so long is closed 4001."""
    merge_bytes: int = 256 * KIB
    """A client this far behind gets adjacent deltas of a message as one frame."""
    lag_bytes: int = MIB
    """A client this far behind that takes nothing is closed 4001 without waiting `stall_seconds`."""
    close_grace: float = 5.0
    """How long a close frame may wait for a client that does not read; then the connection is cut."""
    sse_heartbeat: float = 10.0
    """Between two comments on an event stream."""
    sse_retry_ms: int = 2_000
    """What an EventSource is told to wait before it reconnects, in milliseconds."""
    reconnect_ms: int = 3_000
    """On a drain each client is told to wait a random share of this, so that they do not all come back at once."""
    typing_seconds: float = 10.0
    """Someone who said "typing" and nothing since is no longer typing, even if their server has died."""
    tick: float = 1.0
    """How often connections are looked after; the resolution of the times above."""
