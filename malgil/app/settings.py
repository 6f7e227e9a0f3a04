"""Settings: one flat list of names, each with one value and one known source.

Precedence: flag > environment > `.env.local` > `.env` > YAML under `config/` > default. The YAML files are another
way to write the same settings (`yaml_files.YAML_KEYS`). Whatever is wrong is reported all at once, in the words of the
source it came from: an environment name, or file, line and key. Nothing else in Malgil reads the environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from malgil.access.origin import is_loopback
from malgil.access.tokens import PUBLIC_KEY
from malgil.app.limit_types import EndpointLimits, Limit, Limits, RoleLimits
from malgil.app.setting_types import (
    FILE_TYPES,
    SECRET_BYTES,
    Algorithm,
    Count,
    Folder,
    HttpUrl,
    Level,
    MediaTypes,
    Origins,
    PostgresUrl,
    Proxies,
    RedisUrl,
    Seconds,
    Secret,
)
from malgil.app.yaml_files import Found, read_files
from malgil.kit.errors import MalgilError

ENVIRONMENT: Final = "environment"

# Public names (operations.md) of parts that are still to come.
NOT_YET: Final = frozenset({
    "database_replica_url", "encryption_keys", "ws_use_ssl", "llm_base_url", "llm_api_key", "llm_fallback_models",
    "embedding_model", "vector_url", "ai_service_url", "internal_api_key",
})

_WAY_OUT: Final = "Mend them where they stand and start again; `malgil config` shows what is in force."


class SettingsError(MalgilError):
    """The program cannot start with these settings. `faults` are sentences, one a fault."""

    code = "SETTINGS"
    title = "The settings are not right"

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(["The settings are not right:", *(f"  - {one}" for one in faults), _WAY_OUT]))


class Settings(BaseSettings):
    """Every setting under its public name in lower case."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    service_name: str = "chat-service"
    service_host: str = "127.0.0.1"
    service_port: Annotated[int, Field(ge=0, le=65_535)] = 8003
    service_role: Literal["all", "gateway", "ai"] = "all"
    debug: bool = False
    log_level: Level = "INFO"
    log_format: Literal["auto", "console", "json"] = "auto"
    data_dir: Folder = Path(".malgil")

    database_url: PostgresUrl | None = None
    database_pool_size: Count = 20
    database_max_overflow: Annotated[int, Field(ge=0)] = 40
    database_pool_timeout: Seconds = 30.0

    redis_url: RedisUrl | None = None
    redis_max_connections: Count = 50
    redis_pool_size: Count = 10

    auth_mode: Literal["dev", "jwt"] = "jwt"  # without DATABASE_URL: dev
    jwt_secret_key: Secret | None = None
    jwt_algorithm: Algorithm = "HS256"
    jwt_jwks_url: HttpUrl | None = None
    cors_origins: Origins = []

    ws_max_connections: Count = 10_000
    ws_heartbeat_interval: Seconds = 30.0
    ws_connection_timeout: Seconds = 300.0
    ws_message_size_limit: Count = 65_536
    ws_replay_entries: Count = 5_000
    ws_replay_bytes: Count = 1_048_576
    ws_max_connections_per_user: Count = 100

    max_file_size: Count = 10_485_760
    allowed_file_types: MediaTypes = list(FILE_TYPES)
    file_storage_type: Literal["local", "s3"] = "local"
    file_storage_path: Folder | None = None  # DATA_DIR/files
    s3_bucket_name: str | None = None
    s3_endpoint_url: HttpUrl | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_region: str = "us-east-1"

    rate_limit_enabled: bool = True
    rate_limit_messages_per_minute: Count = 60
    rate_limit_default: Limits = (Limit(limit=600),)
    rate_limit_endpoints: EndpointLimits = {}
    rate_limit_roles: RoleLimits = {}
    trusted_proxies: Proxies = []

    stream_chunk_size: Count = 10
    stream_delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    llm_model: Annotated[str, Field(min_length=1)] = "offline"

    json_body_limit: Count = 1_048_576
    drain_timeout: Seconds = 30.0
    keep_alive_timeout: Seconds = 75.0

    malgil_failpoints: str = ""  # test only: where the process shall kill or freeze itself (malgil.kit.failpoints)

    @property
    def level(self) -> str:
        """The active log level: DEBUG=true lowers it."""
        return "DEBUG" if self.debug else self.log_level

    @model_validator(mode="before")
    @classmethod
    def _mode_from_database(cls, given: dict[str, Any]) -> dict[str, Any]:
        """One's own machine with the embedded database needs no tokens; a shared database does."""
        return {"auth_mode": "jwt" if given.get("database_url") else "dev", **given}

    @model_validator(mode="after")
    def _safe_together(self) -> Self:
        if self.auth_mode == "dev" and not is_loopback(self.service_host):
            raise ValueError(
                f"AUTH_MODE=dev lets anybody in, so it is refused on SERVICE_HOST={self.service_host}: "
                "bind 127.0.0.1, or set AUTH_MODE=jwt and JWT_SECRET_KEY"
            )
        if self.service_role != "all" and self.database_url is None:
            raise ValueError(f"SERVICE_ROLE={self.service_role} is one of several processes and needs DATABASE_URL")
        if self.auth_mode == "jwt" and not (self.jwt_secret_key or self.jwt_jwks_url):
            raise ValueError(
                f"AUTH_MODE=jwt needs JWT_SECRET_KEY (at least {SECRET_BYTES} bytes) or JWT_JWKS_URL"
            )
        if self.file_storage_type == "s3" and not self.s3_bucket_name:
            raise ValueError("FILE_STORAGE_TYPE=s3 needs S3_BUCKET_NAME")
        if self.jwt_algorithm in PUBLIC_KEY and not self.jwt_jwks_url:
            raise ValueError(f"JWT_ALGORITHM={self.jwt_algorithm} needs JWT_JWKS_URL, where its public keys are")
        return self

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over, so that every value's source is known."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Valid settings, where each that is not a default came from, and remarks that a person should see at start."""

    settings: Settings
    sources: Mapping[str, str]
    remarks: tuple[str, ...] = ()


def load(flags: Mapping[str, Any] | None = None, root: Path = Path()) -> Loaded:
    """The effective settings; `flags` by setting name (None: not given), files looked up in the folder `root`.

    Raises SettingsError with every fault that can be told at once.
    """
    yaml, faults = read_files(root / "config")
    layers: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({name: one.value for name, one in yaml.items()}, {name: one.where for name, one in yaml.items()})
    ]
    for label, source in _environments(root):
        faults += [
            f"{label}: {name.upper()}: no such setting"
            for name in source.env_vars
            if name.startswith("malgil_") and name not in Settings.model_fields
        ]
        layers.append(_layer(source(), f"{label}: "))
    layers.append(_layer({name: value for name, value in (flags or {}).items() if value is not None}, "flag --"))

    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for given, named in layers:
        values |= given
        sources |= named
    try:
        settings = Settings(**values)
    except ValidationError as e:
        raise SettingsError(faults + [_fault(error, sources, yaml) for error in e.errors()]) from None
    if faults:
        raise SettingsError(faults)
    return Loaded(settings, sources, (*_remarks(root), *_cautions(settings)))


def _environments(root: Path) -> list[tuple[str, EnvSettingsSource]]:
    files = [
        (name, DotEnvSettingsSource(Settings, env_file=root / name, dotenv_filtering="only_existing"))
        for name in (".env", ".env.local")
    ]
    return [*files, (ENVIRONMENT, EnvSettingsSource(Settings))]


def _layer(given: dict[str, Any], label: str) -> tuple[dict[str, Any], dict[str, str]]:
    flag = label.startswith("flag")
    return given, {name: label + (name.replace("_", "-") if flag else name.upper()) for name in given}


def _fault(error: Any, sources: Mapping[str, str], yaml: Mapping[str, Found]) -> str:
    """One fault in the words of its source. The value is never shown: it may be a secret."""
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return str(message)
    name, *inner = error["loc"]
    where = sources.get(name, name.upper())
    if name in yaml and yaml[name].where == where:
        where, inner = yaml[name].place(inner)
    return f"{where}{''.join(f'[{one}]' for one in inner if one != '[key]')}: {message}"


def _remarks(root: Path) -> tuple[str, ...]:
    """What was set in good faith and has no effect: nobody shall believe in a limit or a Redis that is not there."""
    return tuple(
        f"{label}: {name.upper()} has no effect: this version does not use it yet."
        for label, source in _environments(root)
        for name in source.env_vars
        if name in NOT_YET
    )


def _cautions(settings: Settings) -> list[str]:
    """What is right for one process and goes wrong for several."""
    if settings.database_url is None or settings.file_storage_type != "local" or settings.file_storage_path is not None:
        return []
    alone = (
        "Files are kept in this process's own DATA_DIR. If others share DATABASE_URL, give all of them one "
        "FILE_STORAGE_PATH, or set FILE_STORAGE_TYPE=s3: what is uploaded at one is missing at the others otherwise."
    )
    return [alone]
