"""`malgil doctor`: every part looked at, and for each that is not well what is wrong and how to mend it."""

import asyncio
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

import httpx
import typer

from malgil.app.keys import jwt_secret
from malgil.app.settings import Settings, SettingsError, load
from malgil.kit.errors import MalgilError
from malgil.storage.data_dir import DataDirLock, reporting
from malgil.storage.database import Database
from malgil.storage.embedded import EmbeddedPostgres
from malgil.storage.errors import DataDirLocked, StorageUnusable
from malgil.storage.migrate import OLDEST_SERVER, current_revision, revisions

LOW_DISK_BYTES: Final = 500 * 1024 * 1024
OLDEST_PYTHON: Final = (3, 11)

_MARKS: Final = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: how it is, what was seen, and what to do when it is not well."""

    part: str
    state: Literal["ok", "note", "problem"]
    seen: str
    mend: str = ""


def run(flags: Mapping[str, Any]) -> None:
    """Print what was found; exits 1 when something is a problem."""
    problems = 0
    for finding in examine(flags):
        problems += finding.state == "problem"
        typer.echo(f"{_MARKS[finding.state]}  {finding.part}: {finding.seen}")
        if finding.mend:
            typer.echo(f"         → {finding.mend}")
    typer.echo(f"\n{problems} problem{'' if problems == 1 else 's'} found." if problems else "\nAll is well.")
    if problems:
        raise typer.Exit(1)


def examine(flags: Mapping[str, Any]) -> Iterator[Finding]:
    """The findings, in an order in which an earlier problem explains a later one."""
    yield _python()
    try:
        loaded = load(flags)
    except SettingsError as e:
        for fault in e.faults:
            yield Finding("settings", "problem", fault, "mend it where it stands; the other parts were not looked at")
        return
    settings = loaded.settings
    yield Finding("settings", "ok", f"AUTH_MODE={settings.auth_mode}, {len(loaded.sources)} set, the others default")
    for remark in loaded.remarks:
        yield Finding("settings", "note", remark)
    yield data_dir(settings.data_dir)
    yield _secret(settings)
    yield from database(settings)
    if settings.redis_url is not None:
        yield asyncio.run(_redis(settings.redis_url.get_secret_value()))
    yield port(settings)
    yield _model(settings)


def _python() -> Finding:
    seen = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", "problem", seen, "Malgil needs Python 3.11 or newer")
    return Finding("python", "ok", seen)


def data_dir(folder: Path) -> Finding:
    """Whether DATA_DIR, or the folder it will be made in, can be written, and how much room there is."""
    part = "DATA_DIR"
    place = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    try:
        with reporting(folder):
            probe = place / f".malgil-doctor-{socket.gethostname()}"
            probe.write_text("")
            probe.unlink()
            free = shutil.disk_usage(place).free
    except StorageUnusable as e:
        return Finding(part, "problem", e.detail.partition("\n")[0], e.way_out)
    seen = f"{folder} can be {'written' if place == folder.absolute() else 'made'}, {free // 2**20} MiB free"
    if free < LOW_DISK_BYTES:
        return Finding(part, "problem", seen, "free some space, or set DATA_DIR to a folder on another disk")
    return Finding(part, "ok", seen)


def _secret(settings: Settings) -> Finding:
    if settings.jwt_jwks_url:
        return Finding("tokens", "ok", "verified with the keys behind JWT_JWKS_URL")
    kept = settings.data_dir / "secrets" / "jwt_secret_key"
    if settings.jwt_secret_key is None and not kept.exists():
        return Finding("tokens", "ok", "the first start makes a secret")
    try:
        jwt_secret(settings)
    except StorageUnusable as e:
        return Finding("tokens", "problem", e.detail.partition("\n")[0], e.way_out)
    if settings.jwt_secret_key is None and kept.stat().st_mode & 0o077:
        return Finding("tokens", "problem", f"others may read {kept}", f"chmod 600 {kept}")
    return Finding("tokens", "ok", "a secret is there")


def database(settings: Settings) -> Iterator[Finding]:
    """The database of DATABASE_URL, or the embedded one, started for the look when nobody runs it."""
    if settings.database_url is not None:
        yield from asyncio.run(_ask(settings.database_url.get_secret_value(), "check DATABASE_URL and its server"))
        return
    server = EmbeddedPostgres(settings.data_dir)
    url = server.running_url()
    if url is not None:
        yield from asyncio.run(_ask(url, f"look into {server.log_file}"))
    elif not (server.pgdata / "PG_VERSION").exists():
        yield Finding("database", "ok", "embedded, not made yet; the first start makes it")
    else:
        try:
            with DataDirLock(settings.data_dir):
                try:
                    yield from asyncio.run(_ask(server.start(), f"look into {server.log_file}"))
                finally:
                    server.stop()
        except DataDirLocked:
            yield Finding("database", "note", "embedded, another Malgil is starting or stopping it", "ask again")
        except StorageUnusable as e:
            yield Finding("database", "problem", e.detail.partition("\n")[0], e.way_out)


async def _ask(url: str, mend: str) -> list[Finding]:
    found = Database(url, pool_size=1, max_overflow=0, timeout=5.0)
    try:
        await found.open()
        async with found.read() as conn:
            major = conn.get_server_version().major
            at = await current_revision(conn)
    except MalgilError as e:
        return [Finding("database", "problem", e.detail, mend)]
    finally:
        await found.close()
    if major < OLDEST_SERVER:
        return [Finding("database", "problem", f"PostgreSQL {major}", f"Malgil needs PostgreSQL {OLDEST_SERVER}")]
    return [Finding("database", "ok", f"PostgreSQL {major} answers"), _schema(at)]


def _schema(at: str | None) -> Finding:
    newest = revisions()[-1]
    if at is None:
        return Finding("schema", "note", "no tables yet", "the next start makes them, or `malgil migrate`")
    if at == newest:
        return Finding("schema", "ok", at)
    if at in revisions():
        return Finding("schema", "note", f"{at}, the newest is {newest}", "the next start migrates")
    return Finding("schema", "problem", f"{at} was made by a newer Malgil", "start that one, or restore a backup")


async def _redis(url: str) -> Finding:
    storage = import_module("malgil.storage.redis")  # whoever has no Redis does not pay for its library
    mend = "check REDIS_URL and its server; until then each replica hears of the others a second late"
    try:
        async with storage.connect(url) as client:
            version = (await client.info("server"))["redis_version"]
    except (ValueError, *storage.FAULTS) as e:
        return Finding("redis", "problem", f"does not answer ({type(e).__name__})", mend)
    return Finding("redis", "ok", f"Redis {version} answers")


def port(settings: Settings) -> Finding:
    """Whether the port is free, or Malgil's already."""
    host, number = settings.service_host, settings.service_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
            probe.listen()
        except OSError as e:
            fault = e
        else:
            return Finding("port", "ok", f"{host}:{number} is free")
    if _is_malgil(f"http://{f'[{host}]' if ':' in host else host}:{number}/health"):
        return Finding("port", "ok", f"Malgil is running on {host}:{number}")
    mend = "stop the program that has it, or set SERVICE_PORT (and SERVICE_HOST) to another"
    return Finding("port", "problem", f"{host}:{number}: {fault.strerror or fault}", mend)


def _is_malgil(url: str) -> bool:
    try:
        answer = httpx.get(url, timeout=2.0, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.status_code == 200 and answer.headers.get("x-trace-id", "").startswith("trace_")


def _model(settings: Settings) -> Finding:
    if settings.llm_model == "offline":
        return Finding("model", "ok", "offline, needs no key")
    return Finding("model", "problem", f"{settings.llm_model} is not known here", "set LLM_MODEL=offline")
