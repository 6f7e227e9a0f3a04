"""Settings: exact names and defaults, one precedence, and faults told in the words of their source."""

from pathlib import Path
from typing import Any

import pytest

from malgil.app.limit_types import Limit
from malgil.app.settings import Settings, SettingsError, load

SECRET = "s" * 32
POSTGRES = "postgresql://malgil:hunter2@db:5432/chat"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def faults(root: Path, flags: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(flags, root)
    return caught.value.faults


def test_the_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    loaded = load(root=tmp_path)
    expected = {
        "service_name": "chat-service", "service_host": "127.0.0.1", "service_port": 8003, "debug": False,
        "log_level": "INFO", "log_format": "auto", "data_dir": Path(".malgil"), "database_url": None,
        "database_pool_size": 20, "database_max_overflow": 40, "database_pool_timeout": 30.0, "jwt_algorithm": "HS256",
        "ws_max_connections": 10_000, "ws_heartbeat_interval": 30.0, "ws_connection_timeout": 300.0,
        "ws_message_size_limit": 65_536, "stream_chunk_size": 10, "stream_delay_ms": 0, "cors_origins": [],
        "llm_model": "offline", "json_body_limit": 1_048_576, "auth_mode": "dev",
    }
    assert {name: getattr(loaded.settings, name) for name in expected} == expected
    assert (loaded.sources, loaded.remarks) == ({}, ())


def test_a_flag_goes_before_the_environment_before_dotenv_before_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "ws_max_connections"

    def effective(flags: dict[str, Any] | None = None) -> tuple[Any, str | None]:
        loaded = load(flags, tmp_path)
        return loaded.settings.ws_max_connections, loaded.sources.get(name)

    assert effective() == (10_000, None)
    write(tmp_path, "config/websocket.yaml", "# limits\nconnections:\n  max: 1\n")
    assert effective() == (1, "config/websocket.yaml:3: connections.max")
    write(tmp_path, ".env", "WS_MAX_CONNECTIONS=2\n")
    assert effective() == (2, ".env: WS_MAX_CONNECTIONS")
    write(tmp_path, ".env.local", "WS_MAX_CONNECTIONS=3\n")
    assert effective() == (3, ".env.local: WS_MAX_CONNECTIONS")
    monkeypatch.setenv("WS_MAX_CONNECTIONS", "4")
    assert effective() == (4, "environment: WS_MAX_CONNECTIONS")
    assert effective({name: 5}) == (5, "flag --ws-max-connections")
    assert effective({name: None}) == (4, "environment: WS_MAX_CONNECTIONS")


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("SERVICE_PORT", "")
    assert load(root=tmp_path).settings.database_url is None
    assert load(root=tmp_path).settings.service_port == 8003


def test_a_yaml_key_for_every_file(tmp_path: Path) -> None:
    write(tmp_path, "config/api.yaml", """
cors: {origins: ["https://app.example.com", "http://localhost:5173"]}
timeouts:
  drain: 12.5
  keep_alive: 60
  database_pool: 5
body_limits: {json: 2048}
""")
    write(tmp_path, "config/websocket.yaml", """
connections: {heartbeat_interval: 15, timeout: 60, message_size_limit: 1024}
sessions: {replay_entries: 10, replay_bytes: 2048}
""")
    settings = load(root=tmp_path).settings
    assert settings.cors_origins == ["https://app.example.com", "http://localhost:5173"]
    assert (settings.drain_timeout, settings.keep_alive_timeout, settings.database_pool_timeout) == (12.5, 60.0, 5.0)
    assert (settings.json_body_limit, settings.ws_heartbeat_interval, settings.ws_replay_bytes) == (2048, 15.0, 2048)


@pytest.mark.parametrize("text", ["", "# nothing\n", "cors:\n", "cors: {}\ntimeouts:\n"])
def test_a_yaml_file_may_say_nothing(tmp_path: Path, text: str) -> None:
    write(tmp_path, "config/api.yaml", text)
    assert load(root=tmp_path).sources == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cors:\n  origin: []\n", "config/api.yaml:2: cors.origin: no such key; did you mean cors.origins?"),
        ("\nzzz: 1\n", "config/api.yaml:2: zzz: no such key; there are body_limits.file, body_limits.json, cors"),
        ("cors:\n  origins: ['*']\n", "config/api.yaml:2: cors.origins[0]: an origin is written https://host[:port]"),
        ("cors: 5\n", "config/api.yaml:1: cors: no such key"),
        ("body_limits:\n\n  json: -5\n", "config/api.yaml:3: body_limits.json: Input should be greater than"),
        ("timeouts:\n  drain: soon\n", "config/api.yaml:2: timeouts.drain: Input should be a valid number"),
        ("timeouts:\n  drain: .inf\n", "config/api.yaml:2: timeouts.drain: Input should be a finite number"),
        ("timeouts:\n  drain: 1\n  drain: 2\n", "config/api.yaml:3: timeouts.drain: given twice"),
        ("timeouts: {drain: 1\n", "config/api.yaml:2: not YAML"),
        ("a: [\x00]\n", "config/api.yaml: cannot be read"),
        ("- 1\n", "config/api.yaml:1: want `key: value` lines"),
        ("just text", "config/api.yaml:1: want `key: value` lines"),
        ("? [a]\n: 1\n", "config/api.yaml:1: ?: no such key"),
        ("timeouts: {drain: !!python/name:os.getcwd }", "config/api.yaml:1: timeouts.drain: could not"),
        ("timeouts: &a {drain: *a}", "config/api.yaml:1: "),
    ],
)
def test_what_is_wrong_in_yaml_is_told_with_file_line_and_key(tmp_path: Path, text: str, fault: str) -> None:
    write(tmp_path, "config/api.yaml", text)
    (told,) = faults(tmp_path)
    assert told.startswith(fault)


def test_yaml_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "api.yaml").write_bytes(b"\xff\xfe\x00cors")
    (told,) = faults(tmp_path)
    assert told.startswith("config/api.yaml: cannot be read")


def test_all_faults_are_told_at_once_and_no_value_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SERVICE_PORT": "abc", "DATABASE_URL": "mysql://malgil:hunter2@db", "JWT_SECRET_KEY": "hunter2",
        "LOG_LEVEL": "loud", "MALGIL_SECRT": "hunter2", "CORS_ORIGINS": "https://a.example/path",
        "JWT_JWKS_URL": "ftp://x", "STREAM_DELAY_MS": "-1", "WS_HEARTBEAT_INTERVAL": "nan",
    }.items():
        monkeypatch.setenv(name, value)
    write(tmp_path, ".env", "MALGIL_OTHER=1\n")
    told = faults(tmp_path)
    named = [fault.partition(": ")[2].partition(":")[0] for fault in told]
    assert sorted(named) == [
        "CORS_ORIGINS[0]", "DATABASE_URL", "JWT_JWKS_URL", "JWT_SECRET_KEY", "LOG_LEVEL", "MALGIL_OTHER",
        "MALGIL_SECRT", "SERVICE_PORT", "STREAM_DELAY_MS", "WS_HEARTBEAT_INTERVAL",
    ]
    assert "hunter2" not in "\n".join(told)


@pytest.mark.parametrize("port", ["-1", "65536", "80.5", "٣", "8003 tcp"])
def test_ports_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("SERVICE_PORT", port)
    assert faults(tmp_path)[0].startswith("environment: SERVICE_PORT: ")


def test_strangers_without_our_prefix_are_nobodys_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_OTHER_PROGRAM", "1")
    write(tmp_path, ".env", "COMPOSE_PROJECT_NAME=x\n")
    assert load(root=tmp_path).sources == {}


@pytest.mark.parametrize(
    ("text", "origins"),
    [('["https://a.example","http://b.example:81"]', ["https://a.example", "http://b.example:81"]),
     ("https://A.example, http://b.example", ["https://a.example", "http://b.example"]), ("[]", []), (" , ", [])],
)
def test_lists_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, origins: list[str]
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)
    assert load(root=tmp_path).settings.cors_origins == origins


@pytest.mark.parametrize("text", ["[", "*", "https://*.example", "https://", "a.example", "https://a/", "null"])
def test_origins_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)
    assert faults(tmp_path)[0].startswith("environment: CORS_ORIGINS")


def test_debug_lowers_the_level(tmp_path: Path) -> None:
    assert load({"log_level": "warning"}, tmp_path).settings.level == "WARNING"
    assert load({"debug": True}, tmp_path).settings.level == "DEBUG"


class TestAuthMode:
    def test_embedded_is_development(self, tmp_path: Path) -> None:
        assert load(root=tmp_path).settings.auth_mode == "dev"

    def test_a_database_url_asks_for_tokens(self, tmp_path: Path) -> None:
        assert "AUTH_MODE=jwt needs JWT_SECRET_KEY" in faults(tmp_path, {"database_url": POSTGRES})[0]
        given = {"database_url": POSTGRES, "jwt_secret_key": SECRET}
        assert load(given, tmp_path).settings.auth_mode == "jwt"

    def test_development_may_be_asked_for_with_a_database_url(self, tmp_path: Path) -> None:
        assert load({"database_url": POSTGRES, "auth_mode": "dev"}, tmp_path).settings.auth_mode == "dev"

    def test_tokens_may_be_asked_for_without_one(self, tmp_path: Path) -> None:
        assert faults(tmp_path, {"auth_mode": "jwt"})
        assert load({"auth_mode": "jwt", "jwt_secret_key": SECRET}, tmp_path).settings.auth_mode == "jwt"

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.5", "chat.example.com", "", "localhost.example.com"])
    def test_development_is_refused_where_others_can_reach_it(self, tmp_path: Path, host: str) -> None:
        (told,) = faults(tmp_path, {"service_host": host})
        assert "AUTH_MODE=dev" in told
        given = {"service_host": host, "auth_mode": "jwt", "jwt_secret_key": SECRET}
        assert load(given, tmp_path).settings.service_host == host

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    def test_development_on_loopback(self, tmp_path: Path, host: str) -> None:
        assert load({"service_host": host}, tmp_path).settings.auth_mode == "dev"

    @pytest.mark.parametrize("secret", ["short", "s" * 31, "가" * 10])
    def test_a_short_secret_is_refused_in_every_mode(self, tmp_path: Path, secret: str) -> None:
        (told,) = faults(tmp_path, {"jwt_secret_key": secret})
        assert told.startswith("flag --jwt-secret-key: want at least 32 bytes")

    def test_algorithms_of_public_keys_need_the_url_of_the_keys(self, tmp_path: Path) -> None:
        given = {"jwt_algorithm": "RS256", "jwt_secret_key": SECRET}
        assert "JWT_JWKS_URL" in faults(tmp_path, given)[0]
        loaded = load({**given, "jwt_jwks_url": "https://id.example/jwks"}, tmp_path)
        assert loaded.settings.jwt_algorithm == "RS256"

    @pytest.mark.parametrize("algorithm", ["none", "hs256", "RS512", ""])
    def test_unknown_algorithms_are_refused(self, tmp_path: Path, algorithm: str) -> None:
        assert faults(tmp_path, {"jwt_algorithm": algorithm})[0].startswith("flag --jwt-algorithm: ")


def test_secrets_do_not_show_in_a_repr(tmp_path: Path) -> None:
    settings = load({"database_url": POSTGRES, "jwt_secret_key": SECRET}, tmp_path).settings
    assert SECRET not in repr(settings)
    assert "hunter2" not in repr(settings)


RATE_LIMITS = """
enabled: true
messages_per_minute: 30
default: {limit: 1000, burst: 200}
endpoints:
  POST /agent/chat: {limit: 100}
  "GET /api/chat/search": [{limit: 5, per: 1}, {limit: 60}]
roles:
  admin:
    messages: {limit: 600}
"""


def test_limits_come_from_their_file_and_one_of_them_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "config/rate_limit.yaml", RATE_LIMITS)
    settings = load(root=tmp_path).settings
    assert settings.rate_limit_messages_per_minute == 30
    assert settings.rate_limit_default == (Limit(limit=1000, burst=200),)
    assert settings.rate_limit_endpoints["GET /api/chat/search"] == (Limit(limit=5, per=1), Limit(limit=60))
    assert settings.rate_limit_roles["admin"].messages == (Limit(limit=600),)
    monkeypatch.setenv("RATE_LIMIT_MESSAGES_PER_MINUTE", "7")
    assert load(root=tmp_path).settings.rate_limit_messages_per_minute == 7
    monkeypatch.setenv("RATE_LIMIT_DEFAULT", '{"limit": 1}')
    assert faults(tmp_path)[0].startswith("environment: RATE_LIMIT_DEFAULT: ")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("defualt: {limit: 2}\n", ":1: defualt: no such key; did you mean default?"),
        ("default: {limit: 0}\n", ":1: default.limit: Input should be greater than or equal to 1"),
        ("default:\n  limit: 1\n  limit: 2\n", ":3: default.limit: given twice"),
        ("default: {limit: 1, per: .inf}\n", ":1: default.per: Input should be a finite number"),
        ("default: {burst: 1}\n", ":1: default[limit]: Field required"),
        ("default: 5\n", ":1: default: "),
        ("endpoints:\n\n  POST agent: {limit: 1}\n", ":3: endpoints.POST agent: an endpoint is written"),
        ("endpoints:\n  POST /a/{b}:\n    limit: 1\n    pre: 3\n", ":4: endpoints.POST /a/{b}.pre: Extra"),
        ("endpoints: {POST /a: []}\n", ":1: endpoints.POST /a: Value should have at least 1 item"),
        ("roles:\n  admin:\n    default:\n      - limit: 1\n      - limit: x\n", ":5: roles.admin.default[1].limit: "),
        ("roles: {' x': {}}\n", ":1: roles. x: that is not the name of a role"),
        ("messages_per_minute: none\n", ":1: messages_per_minute: Input should be a valid integer"),
    ],
)
def test_what_is_wrong_inside_a_limit_is_told_where_it_stands(tmp_path: Path, text: str, fault: str) -> None:
    write(tmp_path, "config/rate_limit.yaml", text)
    assert faults(tmp_path)[0].startswith(f"config/rate_limit.yaml{fault}")


def test_the_error_says_what_and_the_way_out() -> None:
    text = str(SettingsError(["environment: SERVICE_PORT: no number"]))
    assert "environment: SERVICE_PORT: no number" in text
    assert "malgil config" in text


def test_a_role_is_one_of_several_processes_and_needs_their_database(tmp_path: Path) -> None:
    for role in ("gateway", "ai"):
        (told,) = faults(tmp_path, {"service_role": role})
        assert told.endswith(f"SERVICE_ROLE={role} is one of several processes and needs DATABASE_URL")
        flags = {"service_role": role, "database_url": POSTGRES, "jwt_secret_key": SECRET}
        assert load(flags, tmp_path).settings.service_role == role
    (told,) = faults(tmp_path, {"service_role": "worker"})
    assert told.startswith("flag --service-role: ")
