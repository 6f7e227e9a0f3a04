"""The command line. `--help` must be there at once, so nothing heavy is imported before a command is chosen."""

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from malgil.kit.errors import MalgilError

app = typer.Typer(
    name="malgil", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Malgil: chat sessions and agents whose answers survive everything. `malgil serve` is all it takes.",
)

DataDir = Annotated[Path | None, typer.Option(help="Where the embedded database and the keys live (DATA_DIR).")]
Host = Annotated[str | None, typer.Option(help="The address to listen on (SERVICE_HOST).")]
PortNumber = Annotated[int | None, typer.Option(help="The port to listen on (SERVICE_PORT).")]


def main() -> None:
    """The entry point: what a person can mend is told in one paragraph, without a traceback, with exit code 2."""
    try:
        app()
    except MalgilError as e:
        typer.echo(f"malgil: {e}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def serve(
    host: Host = None, port: PortNumber = None, data_dir: DataDir = None,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING, … (LOG_LEVEL).")] = None,
    role: Annotated[
        str | None, typer.Option(help="gateway: clients only; ai: answers only; all: both (SERVICE_ROLE).")
    ] = None,
) -> None:
    """Run the server: database, API, sockets, agents, in one process, or one role of it beside others."""
    flags = {
        "service_host": host, "service_port": port, "data_dir": data_dir, "log_level": log_level, "service_role": role,
    }
    _command("serve").run(flags)


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to the newest schema, and say which it is."""
    _command("migrate").run({"data_dir": data_dir})


@app.command()
def token(
    user: Annotated[str, typer.Option(help="Whose token: the claim `sub`.")],
    tenant: Annotated[str, typer.Option(help="The claim `tenant`.")] = "default",
    role: Annotated[list[str] | None, typer.Option(help="user, agent_builder or admin; may be given again.")] = None,
    expires: Annotated[str, typer.Option(help="How long it is good: 30m, 24h, 7d …")] = "24h",
    data_dir: DataDir = None,
) -> None:
    """Print a token that this installation accepts."""
    _command("token").run({"data_dir": data_dir}, user=user, tenant=tenant, roles=role or ["user"], expires=expires)


@app.command()
def config(host: Host = None, port: PortNumber = None, data_dir: DataDir = None) -> None:
    """Print every setting in force and where it comes from, secrets masked."""
    _command("config").run({"service_host": host, "service_port": port, "data_dir": data_dir})


@app.command()
def doctor(host: Host = None, port: PortNumber = None, data_dir: DataDir = None) -> None:
    """Check every part; say what is wrong and how to mend it. Exit code 1 when something is."""
    _command("doctor").run({"service_host": host, "service_port": port, "data_dir": data_dir})


@app.command()
def chat(
    url: Annotated[str | None, typer.Option(help="The server; default: the one of the settings here.")] = None,
    session: Annotated[str | None, typer.Option(help="Come back to this session; default: a new one.")] = None,
    token: Annotated[str | None, typer.Option(help="As printed by `malgil token`; not needed in development.")] = None,
) -> None:
    """Talk to an agent in this terminal. The conversation outlives the network, the server and the terminal."""
    _command("chat").run(url=url, session=session, token=token)


def _command(name: str) -> Any:
    # The one lazy import: settings, database drivers and web frameworks take most of a second, `--help` a tenth.
    return importlib.import_module(f"malgil.app.commands.{name}")
