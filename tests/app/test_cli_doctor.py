"""`malgil doctor`: each part well, and each part ill with the way out."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from malgil.app.commands import doctor
from malgil.app.commands.doctor import Finding, data_dir, examine, port, run
from malgil.app.settings import Settings
from malgil.storage.data_dir import DataDirLock
from malgil.storage.migrate import migrate, revisions
from tests.fixtures.database import renamed
from tests.fixtures.database import run as execute
from tests.fixtures.redis import RedisServer


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SERVICE_PORT", "0")


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URL of an empty database, for a command that runs loops of its own."""
    asyncio.run(execute(postgres, "CREATE DATABASE test_doctor STRATEGY FILE_COPY"))
    yield renamed(postgres, "test_doctor")
    asyncio.run(execute(postgres, "DROP DATABASE test_doctor WITH (FORCE)"))


def found(part: str) -> Finding:
    return next(finding for finding in examine({}) if finding.part == part)


def test_a_fresh_machine_is_well_and_stays_untouched(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run({})
    assert "All is well." in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_problem_has_a_way_out_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_MODEL", "openai:gpt-5")
    with pytest.raises(typer.Exit) as left:
        run({})
    assert left.value.exit_code == 1
    out = capsys.readouterr().out
    assert "PROBLEM  model: openai:gpt-5" in out
    assert "→ set LLM_MODEL=offline" in out
    assert "1 problem found." in out


def test_every_fault_of_the_settings_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("MALGIL_X", "1")
    faults = [finding for finding in examine({}) if finding.part == "settings"]
    assert [finding.state for finding in faults] == ["problem", "problem"]
    assert [finding.part for finding in examine({})][-1] == "settings"


class TestDataDir:
    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        finding = data_dir(tmp_path / "file" / "data")
        assert finding.state == "problem"
        assert "DATA_DIR" in finding.mend

    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=10 * 2**20))
        assert (data_dir(tmp_path).state, data_dir(tmp_path).seen[-11:]) == ("problem", "10 MiB free")

    def test_nothing_is_left_behind(self, tmp_path: Path) -> None:
        assert data_dir(tmp_path).state == "ok"
        assert list(tmp_path.iterdir()) == []


class TestTokens:
    def test_a_secret_that_others_may_read(self, tmp_path: Path) -> None:
        kept = tmp_path / ".malgil" / "secrets" / "jwt_secret_key"
        kept.parent.mkdir(parents=True)
        kept.write_text("s" * 32)
        kept.chmod(0o644)
        assert (found("tokens").state, found("tokens").mend) == ("problem", "chmod 600 .malgil/secrets/jwt_secret_key")
        kept.chmod(0o600)
        assert found("tokens").state == "ok"
        kept.write_text("short")
        assert "Delete it" in found("tokens").mend

    def test_an_identity_provider(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JWT_JWKS_URL", "https://id.example/jwks")
        assert "JWT_JWKS_URL" in found("tokens").seen


class TestDatabase:
    def test_a_database_by_url_and_its_schema(self, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", database)
        monkeypatch.setenv("AUTH_MODE", "dev")
        assert found("database").seen == "PostgreSQL 18 answers"
        assert found("schema").seen == "no tables yet"
        asyncio.run(migrate(database))
        assert found("schema") == Finding("schema", "ok", revisions()[-1])
        asyncio.run(execute(database, "UPDATE alembic_version SET version_num = '9999_future'"))
        assert (found("schema").state, found("schema").mend[:20]) == ("problem", "start that one, or r")

    def test_nobody_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://malgil:hunter2@127.0.0.1:1/x")
        monkeypatch.setenv("AUTH_MODE", "dev")
        finding = found("database")
        assert (finding.state, finding.mend) == ("problem", "check DATABASE_URL and its server")
        assert "hunter2" not in finding.seen

    def test_an_embedded_one_is_started_for_the_look(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        server = doctor.EmbeddedPostgres(tmp_path / ".malgil")
        server.start()
        assert found("database").seen == "PostgreSQL 18 answers"
        assert server.running_url() is not None  # somebody's: left running
        server.stop()
        assert found("database").seen == "PostgreSQL 18 answers"
        assert server.running_url() is None
        with DataDirLock(tmp_path / ".malgil"):
            assert found("database").state == "note"

    def test_a_spoilt_data_folder(self, tmp_path: Path) -> None:
        pgdata = tmp_path / ".malgil" / "postgres"
        pgdata.mkdir(parents=True)
        (pgdata / "PG_VERSION").write_text("12\n")
        assert (found("database").state, bool(found("database").mend)) == ("problem", True)


class TestPort:
    @pytest.fixture
    def taken(self) -> Iterator[int]:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            holder.settimeout(0)
            yield holder.getsockname()[1]

    def test_one_that_another_program_has(self, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "_is_malgil", lambda url: False)
        finding = port(Settings(service_port=taken))
        assert (finding.state, "SERVICE_PORT" in finding.mend) == ("problem", True)

    def test_an_address_that_is_not_ours(self) -> None:
        assert port(Settings(service_host="203.0.113.7", auth_mode="jwt", jwt_secret_key="s" * 32)).state == "problem"

    @pytest.mark.parametrize(("header", "state"), [("trace_1", "ok"), ("other", "problem"), (None, "problem")])
    def test_one_that_malgil_has_already(self, header: str | None, state: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                if header:
                    self.send_header("X-Trace-Id", header)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            assert port(Settings(service_port=server.server_port)).state == state
            server.shutdown()
            thread.join()


def test_redis_when_there_is_one(monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer) -> None:
    assert [finding for finding in examine({}) if finding.part == "redis"] == []
    monkeypatch.setenv("REDIS_URL", redis_server.url.replace("//", "//user:secret@"))
    assert found("redis").state == "problem"
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    assert (found("redis").state, found("redis").seen[:6]) == ("ok", "Redis ")
    redis_server.kill()
    away = found("redis")
    assert away.state == "problem"
    assert "REDIS_URL" in away.mend
    assert "secret" not in away.seen
