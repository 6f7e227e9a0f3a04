"""What rooms are told of the settings."""

from malgil.app import rooms
from malgil.app.settings import Settings
from malgil.realtime.settings import RealtimeSettings


def test_the_defaults_of_the_settings_are_those_of_the_room() -> None:
    assert rooms.realtime(Settings()) == RealtimeSettings()


def test_live_connections_follow_the_settings() -> None:
    told = rooms.realtime(Settings(ws_max_connections=1, ws_heartbeat_interval=2, ws_connection_timeout=3,
                                   ws_message_size_limit=4, ws_replay_entries=5, ws_replay_bytes=6))
    assert (told.max_connections, told.heartbeat, told.connection_timeout) == (1, 2, 3)
    assert (told.message_size_limit, told.replay_entries, told.replay_bytes) == (4, 5, 6)


def test_the_cross_site_guard_follows_the_settings() -> None:
    told = rooms.origin_rules(Settings(cors_origins=["https://A.example"]), frozenset({"/x"}))
    assert (told.dev, told.allowed, told.changing_gets) == (True, {"https://a.example"}, {"/x"})
    assert not rooms.origin_rules(Settings(auth_mode="jwt", jwt_secret_key="s" * 32), frozenset()).dev
