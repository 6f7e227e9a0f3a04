"""What each room is told of the settings."""

from malgil.access.origin import OriginRules
from malgil.app.settings import Settings
from malgil.chat.files.settings import FileSettings
from malgil.realtime.settings import RealtimeSettings
from malgil.storage.blobs import BlobStore, LocalBlobs, S3Blobs


def realtime(settings: Settings) -> RealtimeSettings:
    """Limits and rules of live connections."""
    return RealtimeSettings(
        max_connections=settings.ws_max_connections,
        max_per_user=settings.ws_max_connections_per_user,
        heartbeat=settings.ws_heartbeat_interval,
        connection_timeout=settings.ws_connection_timeout,
        message_size_limit=settings.ws_message_size_limit,
        replay_entries=settings.ws_replay_entries,
        replay_bytes=settings.ws_replay_bytes,
    )


def origin_rules(settings: Settings, changing_gets: frozenset[str]) -> OriginRules:
    """The cross-site guard; `changing_gets` are the paths whose GET starts something."""
    return OriginRules(settings.auth_mode == "dev", frozenset(settings.cors_origins), changing_gets)


def files(settings: Settings) -> FileSettings:
    """Which files are taken. What is coming in waits in DATA_DIR, which is no RAM disk."""
    return FileSettings(
        spool=settings.data_dir / "uploads", types=frozenset(settings.allowed_file_types),
        size_most=settings.max_file_size,
    )


def blobs(settings: Settings) -> BlobStore:
    """Where files are kept."""
    if settings.file_storage_type == "local":
        return LocalBlobs(settings.file_storage_path or settings.data_dir / "files")
    secret = settings.aws_secret_access_key
    return S3Blobs(
        settings.s3_bucket_name or "", region=settings.aws_region, endpoint=settings.s3_endpoint_url,
        key_id=settings.aws_access_key_id, secret=secret.get_secret_value() if secret else None,
    )
