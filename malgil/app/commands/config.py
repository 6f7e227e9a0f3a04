"""`malgil config`."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr
from pydantic_core import to_jsonable_python

from malgil.app.settings import load
from malgil.kit import json
from malgil.observe.masking import HIDDEN, mask_text


def run(flags: Mapping[str, Any]) -> None:
    """One setting a line: `NAME = value` and, when it is not the default, its source."""
    loaded = load(flags)
    for name in type(loaded.settings).model_fields:
        source = loaded.sources.get(name)
        typer.echo(f"{name.upper()} = {shown(getattr(loaded.settings, name))}{f'   # {source}' if source else ''}")
    for remark in loaded.remarks:
        typer.echo(f"# {remark}")


def shown(value: Any) -> str:
    """A value for people: of a secret only that it is set, of a secret URL also where it leads."""
    match value:
        case None:
            return "(not set)"
        case SecretStr():
            return _where(value.get_secret_value())
        case str():
            return mask_text(value)
        case bool() | list() | tuple() | dict():
            return json.dumps(to_jsonable_python(value))
        case _:
            return str(value)


def _where(secret: str) -> str:
    try:
        parts = urlsplit(secret)
    except ValueError:
        return HIDDEN
    if not parts.scheme or not parts.netloc:
        return HIDDEN
    # Everything before the last @ may be a password, and so may a query.
    return f"{parts.scheme}://{HIDDEN}@{parts.netloc.rpartition('@')[2]}{parts.path}"
