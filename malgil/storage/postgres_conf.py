"""How the embedded PostgreSQL is set, and why."""

from collections.abc import Mapping

SETTINGS: Mapping[str, str] = {
    # Reached through a socket in a folder that nobody but its owner and root can enter.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "512MB",
    # Durability is the product: these are PostgreSQL's defaults, written down so that nobody wonders.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # One machine: no helper processes that read ahead, no compilation of queries that run in microseconds.
    "io_method": "sync",
    "jit": "off",
    # Turns, heads and leases are few rows updated all the time: clean up early, often and fast.
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_threshold": "200",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_vacuum_cost_delay": "1ms",
    # A client that hangs must not hold its row locks for ever.
    "idle_in_transaction_session_timeout": "60s",
    # The program reports failed statements itself; the server's log keeps what only the server knows, in English,
    # because last_words.py reads it.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
    "lc_messages": "C",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def render(settings: Mapping[str, str]) -> str:
    """The settings in the syntax of postgresql.conf."""
    lines = [f"{name} = '{_quoted(value)}'\n" for name, value in settings.items()]
    return "# Written by Malgil at every start. Your own settings: ALTER SYSTEM SET …\n" + "".join(lines)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
