"""Keys: the secret that development mode makes for itself, and where token verification takes its keys from."""

import os
import secrets
from pathlib import Path

import httpx

from malgil.access.jwks import JwksKeys
from malgil.access.tokens import PUBLIC_KEY, Keys, SecretKey
from malgil.app.setting_types import SECRET_BYTES
from malgil.app.settings import Settings
from malgil.kit.clock import Clock
from malgil.kit.errors import Invalid
from malgil.storage.data_dir import reporting
from malgil.storage.errors import StorageUnusable


def token_keys(settings: Settings, clock: Clock, client: httpx.AsyncClient) -> Keys:
    """The keys that verify tokens: those behind JWT_JWKS_URL when it is set (read with `client`), else the secret."""
    if settings.jwt_jwks_url:
        # The default algorithm says nothing about the provider's; a public-key one narrows it to that.
        named = frozenset({settings.jwt_algorithm})
        return JwksKeys(settings.jwt_jwks_url, client, clock, algorithms=named & PUBLIC_KEY or PUBLIC_KEY)
    return SecretKey(jwt_secret(settings), settings.jwt_algorithm)


def jwt_secret(settings: Settings) -> str:
    """The secret that signs tokens: JWT_SECRET_KEY, or in development mode one made once and kept in DATA_DIR/secrets.

    Raises Invalid when tokens are signed elsewhere, StorageUnusable when DATA_DIR cannot be used.
    """
    if settings.jwt_jwks_url:
        raise Invalid("Tokens are signed by the identity provider behind JWT_JWKS_URL; get one there.")
    if settings.jwt_secret_key is not None:
        return settings.jwt_secret_key.get_secret_value()
    with reporting(settings.data_dir):
        return _kept(settings.data_dir / "secrets" / "jwt_secret_key")


def _kept(path: Path) -> str:
    """The secret in the file `path`, made on first use. Two processes that start at once agree on one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make(path)
    secret = path.read_text(encoding="ascii", errors="replace").strip()
    if len(secret) < SECRET_BYTES:
        raise StorageUnusable(f"{path} holds no whole secret.", "Delete it, and the next start makes a new one.")
    return secret


def _make(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        # A link is refused when the name is taken: the first process wins, and no file is ever half written.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
