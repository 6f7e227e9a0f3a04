"""What a value of a setting may be, and how it is said that it is not."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from malgil.kit import json

SECRET_BYTES: Final = 32
FILE_TYPES: Final = (
    "image/jpeg", "image/png", "image/webp", "image/gif", "application/pdf", "text/plain",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)


_MEDIA_TYPE = re.compile(r"[a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+", re.ASCII)


def _origin(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme not in ("http", "https") or not rest or "/" in rest or "*" in rest:
        raise ValueError("an origin is written https://host[:port], without a path; `*` is refused")
    return text.lower()


def _postgres(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("want postgresql://user:password@host:port/name")
    return url


def _redis(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("want redis://[user:password@]host:port/number, rediss:// or unix://path")
    return url


def _network(text: str) -> str:
    return str(ip_network(text.strip(), strict=False))


def _media_type(text: str) -> str:
    if not _MEDIA_TYPE.fullmatch(text):
        raise ValueError("want a media type such as image/png")
    return text.lower()


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < SECRET_BYTES:
        raise ValueError(f"want at least {SECRET_BYTES} bytes; `openssl rand -base64 48` makes a good one")
    return secret


def _http(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("want an http:// or https:// URL")
    return url


def _listed(value: Any) -> Any:
    """A list as it comes from the environment: JSON, or names between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [one.strip() for one in value.split(",") if one.strip()]


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


Origins = Annotated[list[Annotated[str, AfterValidator(_origin)]], NoDecode, BeforeValidator(_listed)]
MediaTypes = Annotated[list[Annotated[str, AfterValidator(_media_type)]], NoDecode, BeforeValidator(_listed)]
Proxies = Annotated[list[Annotated[str, AfterValidator(_network)]], NoDecode, BeforeValidator(_listed)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres)]
HttpUrl = Annotated[str, AfterValidator(_http)]
Algorithm = Literal["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Secret = Annotated[SecretStr, AfterValidator(_long_enough)]
Folder = Annotated[Path, AfterValidator(Path.expanduser)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
