"""What each room is told of the settings."""

from malgil.access.origin import OriginRules
from malgil.app.settings import Settings
from malgil.realtime.settings import RealtimeSettings


def realtime(settings: Settings) -> RealtimeSettings:
    """Limits and rules of live connections."""
    return RealtimeSettings(
        max_connections=settings.ws_max_connections,
        heartbeat=settings.ws_heartbeat_interval,
        connection_timeout=settings.ws_connection_timeout,
        message_size_limit=settings.ws_message_size_limit,
        replay_entries=settings.ws_replay_entries,
        replay_bytes=settings.ws_replay_bytes,
    )


def origin_rules(settings: Settings, changing_gets: frozenset[str]) -> OriginRules:
    """The cross-site guard; `changing_gets` are the paths whose GET starts something."""
    return OriginRules(settings.auth_mode == "dev", frozenset(settings.cors_origins), changing_gets)
