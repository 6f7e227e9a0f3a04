"""`malgil serve`."""

from collections.abc import Mapping
from typing import Any

import typer

from malgil.app import serve
from malgil.app.settings import load
from malgil.kit import failpoints
from malgil.kit.errors import Invalid
from malgil.observe import logs


def run(flags: Mapping[str, Any]) -> None:
    """Serve until told to stop. Raises MalgilErrors that a person can mend."""
    loaded = load(flags)
    logs.configure(loaded.settings.level, loaded.settings.log_format)
    for remark in loaded.remarks:
        typer.echo(f"malgil: {remark}", err=True)
    try:
        failpoints.arm(loaded.settings.malgil_failpoints)
    except ValueError as e:
        raise Invalid(f"MALGIL_FAILPOINTS (test only): {e}") from e
    serve.run(loaded.settings)
