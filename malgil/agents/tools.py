"""The tool port: what an agent can do besides talking.

A tool's effect, when it has one, goes through the unit of work in its context: the runner commits it together
with the logged result, fenced, so an effect and the record of it exist both or neither.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError

from malgil.kit.errors import FieldError, Invalid, MalgilError
from malgil.kit.ids import CallId, TenantId, UserId
from malgil.storage.database import UnitOfWork


class ToolRefused(MalgilError):
    """The tool will not do it; `detail` is for the model, which tells the user. Nothing was changed."""

    status = 409
    code = "TOOL_REFUSED"
    title = "The tool refused"


@dataclass(frozen=True, slots=True)
class ToolContext:
    """For whom, when, and in which transaction a tool runs. A tool reads nobody else's rows."""

    uow: UnitOfWork
    caller_user: UserId
    tenant: TenantId
    call_id: CallId
    now: datetime


@dataclass(frozen=True)
class Tool:
    """One ability. `run` gets validated arguments and returns a JSON object of facts, or raises ToolRefused.

    `description` is read by models; the offline model chooses by it, so it names the tool's purpose in Korean and
    in English. `idempotent` says that running it again changes nothing more: only such a tool is repeated after a
    crash. A result may say how it reads to a person under `say` (see `malgil.agents.offline`).
    """

    name: str
    description: str
    arguments: type[BaseModel]
    run: Callable[[ToolContext, Any], Awaitable[dict[str, Any]]]
    idempotent: bool = True
    title: str = ""

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments, as models are told it."""
        return self.arguments.model_json_schema()

    def parse(self, arguments: dict[str, Any]) -> BaseModel:
        """`arguments` validated. Raises Invalid (code INVALID_ARGUMENTS), naming each faulty field."""
        try:
            return self.arguments.model_validate(arguments)
        except ValidationError as e:
            faults = [_fault(one["loc"], one["msg"]) for one in e.errors()]
            said = "; ".join(f"{f['field'] or 'arguments'}: {f['message']}" for f in faults)
            raise Invalid(f"{self.name}: {said}", code="INVALID_ARGUMENTS", errors=faults) from e


def _fault(place: Sequence[int | str], message: str) -> FieldError:
    return {"field": ".".join(str(step) for step in place), "message": message}
