"""What rooms are told of the settings."""

from pathlib import Path

from pydantic import SecretStr

from malgil.app import rooms
from malgil.app.settings import Settings
from malgil.realtime.settings import RealtimeSettings
from malgil.storage.blobs import LocalBlobs, S3Blobs


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


def test_files_follow_the_settings(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, max_file_size=7, allowed_file_types=["image/png"])
    told = rooms.files(settings)
    assert (told.spool, told.size_most, told.types) == (tmp_path / "uploads", 7, {"image/png"})
    assert isinstance(rooms.blobs(settings), LocalBlobs)
    assert (tmp_path / "files").is_dir()
    elsewhere = Settings(data_dir=tmp_path, file_storage_path=tmp_path / "else" / "where")
    assert isinstance(rooms.blobs(elsewhere), LocalBlobs)
    assert (tmp_path / "else" / "where").is_dir()
    bucket = Settings(data_dir=tmp_path, file_storage_type="s3", s3_bucket_name="b", s3_endpoint_url="http://minio:9000",
                      aws_access_key_id="k", aws_secret_access_key=SecretStr("s"))
    assert isinstance(rooms.blobs(bucket), S3Blobs)
