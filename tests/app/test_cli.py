"""The command line: what it prints, and how it says that something is wrong."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from malgil.access.tokens import SecretKey, TokenVerifier
from malgil.app import cli
from malgil.app.commands import serve
from malgil.app.commands.config import shown
from malgil.app.keys import jwt_secret
from malgil.app.settings import Settings
from malgil.kit import failpoints
from malgil.kit.clock import SystemClock
from malgil.storage.errors import StorageUnusable
from malgil.storage.migrate import revisions
from tests.fixtures.database import renamed, run

Malgil = Callable[..., tuple[int, str, str]]


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URL of an empty database, for commands that run a loop of their own."""
    asyncio.run(run(postgres, "CREATE DATABASE test_cli STRATEGY FILE_COPY"))
    yield renamed(postgres, "test_cli")
    asyncio.run(run(postgres, "DROP DATABASE test_cli WITH (FORCE)"))


@pytest.fixture
def malgil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Malgil:
    """Runs a command in a folder of its own, without settings of the machine: exit code, output, error output."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["malgil", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return command


@pytest.fixture
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from malgil.app.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'pydantic', 'httpx', 'fastapi', 'starlette', 'asyncpg', 'sqlalchemy', 'uvicorn', 'jwt'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for command in ("serve", "migrate", "token", "config", "doctor", "chat"):
        assert f"  {command} " in done.stdout


def test_an_unknown_command_or_option_is_refused(malgil: Malgil) -> None:
    for arguments in (("sing",), ("serve", "--loud"), ("token",), ("serve", "--port", "many")):
        code, _, err = malgil(*arguments)
        assert code == 2
        assert "Traceback" not in err


class TestToken:
    async def test_the_token_is_accepted_and_stands_alone(self, malgil: Malgil, tmp_path: Path) -> None:
        code, out, err = malgil("token", "--user", "mina", "--tenant", "acme", "--role", "admin", "--role", "user",
                                "--expires", "30m")
        assert (code, err) == (0, "")
        secret = jwt_secret(Settings(data_dir=tmp_path / ".malgil"))
        caller = await TokenVerifier(SecretKey(secret), SystemClock()).verify(out.removesuffix("\n"))
        assert (caller.user_id, caller.tenant, caller.roles) == ("mina", "acme", {"admin", "user"})
        assert caller.expires_at is not None
        assert 1700 < caller.expires_at - SystemClock().now().timestamp() <= 1800

    @pytest.mark.parametrize("expires", ["", "5", "5x", "-5m", "0h", "9999d", "1.5h", "٣h", "9999999999s"])
    def test_times_that_are_none(self, malgil: Malgil, expires: str) -> None:
        code, out, err = malgil("token", "--user", "mina", "--expires", expires)
        assert (code, out) == (2, "")
        assert err.startswith("malgil: ")

    @pytest.mark.parametrize("arguments", [("--user", ""), ("--user", "a\nb"), ("--user", "a", "--tenant", " "),
                                           ("--user", "a", "--role", "king")])
    def test_names_that_are_none(self, malgil: Malgil, arguments: tuple[str, ...]) -> None:
        code, out, err = malgil("token", *arguments)
        assert (code, out) == (2, "")
        assert err.startswith("malgil: ")

    def test_where_an_identity_provider_signs(self, malgil: Malgil, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JWT_JWKS_URL", "https://id.example/jwks")
        code, _, err = malgil("token", "--user", "mina")
        assert code == 2
        assert "JWT_JWKS_URL" in err


class TestConfig:
    def test_every_setting_with_its_source_and_no_secret(
        self, malgil: Malgil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://malgil:hun@ter2@db:5432/chat?password=hunter2")
        monkeypatch.setenv("FILE_STORAGE_PATH", "/srv/files")
        monkeypatch.setenv("JWT_SECRET_KEY", "hunter2" * 5)
        (tmp_path / ".env").write_text('CORS_ORIGINS=["https://a.example"]\n')
        code, out, _ = malgil("config", "--port", "9000")
        assert code == 0
        assert "hunter2" not in out
        assert "ter2" not in out
        lines = out.splitlines()
        assert [line.partition(" = ")[0] for line in lines] == [name.upper() for name in Settings.model_fields]
        assert "SERVICE_PORT = 9000   # flag --service-port" in lines
        assert "DATABASE_URL = postgresql://***@db:5432/chat   # environment: DATABASE_URL" in lines
        assert "JWT_SECRET_KEY = ***   # environment: JWT_SECRET_KEY" in lines
        assert 'CORS_ORIGINS = ["https://a.example"]   # .env: CORS_ORIGINS' in lines
        assert "AUTH_MODE = jwt" in lines
        assert "LLM_MODEL = offline" in lines

    def test_wrong_settings_are_one_paragraph(self, malgil: Malgil, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SERVICE_PORT", "many")
        code, out, err = malgil("config")
        assert (code, out) == (2, "")
        assert "environment: SERVICE_PORT" in err
        assert "Traceback" not in err
        assert "\n\n" not in err

    def test_a_secret_url_that_is_none_shows_nothing(self) -> None:
        settings = Settings(database_url="postgresql://[hunter2", auth_mode="dev")
        assert shown(settings.database_url) == "***"


@pytest.mark.usefixtures("root_logger")
class TestServe:
    @pytest.fixture
    def served(self, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
        served: list[Settings] = []
        monkeypatch.setattr(serve.serve, "run", served.append)
        return served

    def test_flags_reach_the_server(self, malgil: Malgil, served: list[Settings], tmp_path: Path) -> None:
        flags = ("--host", "localhost", "--port", "9000", "--data-dir", "here", "--log-level", "debug")
        code, *_ = malgil("serve", *flags)
        assert code == 0
        (settings,) = served
        assert (settings.service_host, settings.service_port, str(settings.data_dir)) == ("localhost", 9000, "here")
        assert logging.getLogger().level == logging.DEBUG

    def test_remarks_are_seen(self, malgil: Malgil, served: list[Settings], tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("WS_USE_SSL=true\n")
        assert "WS_USE_SSL" in malgil("serve")[2]
        assert served

    def test_what_stops_the_start_is_told_with_the_way_out(
        self, malgil: Malgil, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(settings: Settings) -> None:
            raise StorageUnusable("The disk is full.", "Free some space.")

        monkeypatch.setattr(serve.serve, "run", refuse)
        assert malgil("serve") == (2, "", "malgil: The disk is full.\nFree some space.\n")

    def test_an_open_door_is_refused(self, malgil: Malgil, served: list[Settings]) -> None:
        code, _, err = malgil("serve", "--host", "0.0.0.0")
        assert (code, served) == (2, [])
        assert "AUTH_MODE=dev" in err

    def test_failpoints_are_armed_or_refused(
        self, malgil: Malgil, served: list[Settings], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        armed: list[str] = []
        monkeypatch.setattr(failpoints, "arm", armed.append)
        monkeypatch.setenv("MALGIL_FAILPOINTS", "turn.claimed:kill:2")
        assert malgil("serve")[0] == 0
        assert armed == ["turn.claimed:kill:2"]

    def test_failpoints_that_are_none_are_refused(
        self, malgil: Malgil, served: list[Settings], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MALGIL_FAILPOINTS", "turn.claimed:explode")
        code, _, err = malgil("serve")
        assert (code, served) == (2, [])
        assert "MALGIL_FAILPOINTS" in err

    def test_ctrl_c_leaves_quietly(self, malgil: Malgil, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(settings: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(serve.serve, "run", interrupted)
        assert malgil("serve") == (130, "", "")


class TestMigrate:
    def test_a_database_by_url(self, malgil: Malgil, monkeypatch: pytest.MonkeyPatch, database: str) -> None:
        monkeypatch.setenv("DATABASE_URL", database)
        monkeypatch.setenv("AUTH_MODE", "dev")
        assert malgil("migrate")[:2] == (0, f"migrated to schema {revisions()[-1]}\n")
        assert malgil("migrate")[:2] == (0, f"already at schema {revisions()[-1]}\n")

    def test_nobody_there(self, malgil: Malgil, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://malgil:hunter2@127.0.0.1:1/x")
        monkeypatch.setenv("AUTH_MODE", "dev")
        code, out, err = malgil("migrate")
        assert (code, out) == (2, "")
        assert "cannot be reached" in err
        assert "hunter2" not in err

    def test_the_embedded_one_is_started_for_it_and_stopped(self, malgil: Malgil, tmp_path: Path) -> None:
        assert malgil("migrate")[:2] == (0, f"migrated to schema {revisions()[-1]}\n")
        assert not (tmp_path / ".malgil" / "postgres" / "postmaster.pid").exists()
