"""Tools whose effect is a row, and that wait or fail where a test wants them to."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from malgil.agents.tools import Tool, ToolContext
from tests.agents.script import Gate


class Thing(BaseModel):
    """What the tools of these tests are asked for."""

    model_config = ConfigDict(extra="forbid")

    what: str = "thing"
    count: int = Field(1, ge=1)


class Doing:
    """Writes a row in the transaction it is given; then waits at `gate`, raises, or answers."""

    def __init__(self, *, gate: Gate | None = None, raises: Exception | None = None, result: Any = None) -> None:
        self.gate = gate
        self.raises = raises
        self.result = result
        self.contexts: list[ToolContext] = []

    @property
    def calls(self) -> list[str]:
        """The call id of each run."""
        return [context.call_id for context in self.contexts]

    async def __call__(self, context: ToolContext, asked: Thing) -> dict[str, Any]:
        self.contexts.append(context)
        await context.uow.conn.execute(
            "INSERT INTO effects (call_id, what) VALUES ($1, $2)", context.call_id, asked.what
        )
        if self.gate is not None:
            await self.gate()
        if self.raises is not None:
            raise self.raises
        return {"did": asked.what} if self.result is None else self.result


def tool(name: str, run: Doing, *, idempotent: bool = True) -> dict[str, Tool]:
    """One tool by its name."""
    return {name: Tool(name, f"{name} it. 해 줘.", Thing, run, idempotent)}
