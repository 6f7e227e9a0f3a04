"""Where keys come from, and the secret that development mode keeps."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from malgil.access.jwks import JwksKeys
from malgil.access.tokens import SecretKey
from malgil.app.keys import jwt_secret, token_keys
from malgil.app.settings import Settings
from malgil.kit.errors import Invalid
from malgil.storage.errors import StorageUnusable
from tests.fixtures.time import FakeClock

SECRET = "s" * 32
JWKS = "https://id.example/jwks"


def settings(data_dir: Path, **given: Any) -> Settings:
    return Settings(data_dir=data_dir, **given)


def test_development_makes_one_secret_and_keeps_it_to_itself(tmp_path: Path) -> None:
    made = jwt_secret(settings(tmp_path / "data"))
    assert len(made) >= 32
    assert jwt_secret(settings(tmp_path / "data")) == made
    assert jwt_secret(settings(tmp_path / "other")) != made
    (kept,) = (tmp_path / "data" / "secrets").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_a_given_secret_goes_first_and_nothing_is_written(tmp_path: Path) -> None:
    assert jwt_secret(settings(tmp_path / "data", jwt_secret_key=SECRET)) == SECRET
    assert not (tmp_path / "data").exists()


def test_starting_at_once_all_agree_on_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        secrets = list(threads.map(lambda _: jwt_secret(settings(tmp_path)), range(16)))
    assert len(set(secrets)) == 1
    assert [one.name for one in (tmp_path / "secrets").iterdir()] == ["jwt_secret_key"]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 10])
def test_a_spoilt_secret_is_told_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "jwt_secret_key").write_bytes(content)
    with pytest.raises(StorageUnusable, match="Delete it"):
        jwt_secret(settings(tmp_path))


def test_a_data_dir_that_cannot_be_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable, match="DATA_DIR"):
        jwt_secret(settings(tmp_path / "file"))


def test_tokens_of_an_identity_provider_are_not_made_here(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="JWT_JWKS_URL"):
        jwt_secret(settings(tmp_path, jwt_jwks_url=JWKS, jwt_secret_key=SECRET))


async def test_keys_come_from_the_provider_when_there_is_one(tmp_path: Path, clock: FakeClock) -> None:
    async with httpx.AsyncClient() as client:
        assert isinstance(token_keys(settings(tmp_path, jwt_jwks_url=JWKS), clock, client), JwksKeys)
        assert isinstance(token_keys(settings(tmp_path), clock, client), SecretKey)
