"""Running a tool inside a turn: logged before, logged after, its effect and its result in one fenced transaction."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from pydantic_ai.tools import ToolDefinition

from malgil.agents.events import ToolFailed, ToolFinished, ToolStarted
from malgil.agents.model import Call, Turn
from malgil.agents.tools import Tool, ToolContext
from malgil.kit import failpoints
from malgil.kit.errors import MalgilError, Unavailable
from malgil.kit.ids import CallId
from malgil.log.errors import Fenced
from malgil.log.model import Append, Fact
from malgil.log.scribe import Scribe
from malgil.storage.database import STILL_SECONDS, Database

_logger = logging.getLogger(__name__)

UNKNOWN = {
    "outcome": "unknown",
    "error": {"code": "OUTCOME_UNKNOWN", "message": "The server stopped while this ran: it is not known whether it "
              "took effect. It was not run again. Check before asking for it once more."},
}
"""What the model is told of a call that was started, has no logged result, and must not run twice."""


_FAILED = {"code": "TOOL_FAILED", "message": "The tool failed."}


class Toolbox:
    """The tools that exist, run on behalf of turns."""

    def __init__(self, database: Database, scribe: Scribe, tools: Mapping[str, Tool], *, timeout: float) -> None:
        self._database = database
        self._scribe = scribe
        self._tools = dict(tools)
        self._timeout = timeout

    @property
    def idempotent(self) -> frozenset[str]:
        """Names of the tools that may run again after a crash."""
        return frozenset(name for name, tool in self._tools.items() if tool.idempotent)

    def definitions(self, names: list[str]) -> list[ToolDefinition]:
        """The named tools as models are told of them; names that are not installed are left out."""
        found = (self._tools[name] for name in names if name in self._tools)
        return [
            ToolDefinition(
                name=t.name, description=t.description, parameters_json_schema=t.schema,
                metadata={"title": t.title, "idempotent": t.idempotent},
            )
            for t in found
        ]

    async def start(self, turn: Turn, call: Call) -> None:
        """Log that the call is about to run."""
        await self._record(turn, ToolStarted(
            turn_id=turn.turn_id, message_id=turn.answer_id, call_id=call.call_id, name=call.name,
            arguments=call.arguments, attempt=turn.attempt, step=call.step, offset=call.offset,
        ))
        failpoints.reach("tool.started")

    async def run(self, turn: Turn, call: Call) -> tuple[dict[str, Any], bool]:
        """(result, failed) of the call, logged. Raises Fenced and Unavailable; every other failure is a result."""
        try:
            tool = self._tools.get(call.name)
            if tool is None:
                raise MalgilError(f"There is no tool {call.name!r}.", code="TOOL_NOT_FOUND")
            return await self._run_and_log(turn, call, tool, tool.parse(call.arguments)), False
        except (Fenced, Unavailable, OSError):
            raise  # not the tool's fault but the log's: it may even have committed
        except MalgilError as e:
            error = {"code": e.code, "message": e.detail}
        except Exception:
            _logger.exception("the result of tool %s could not be kept", call.name)
            error = _FAILED
        return await self.fail(turn, call, {"error": error}), True

    async def fail(self, turn: Turn, call: Call, result: dict[str, Any], *, unknown: bool = False) -> dict[str, Any]:
        """Log that the call failed, or that nobody can know."""
        await self._record(turn, ToolFailed(
            turn_id=turn.turn_id, message_id=turn.answer_id, call_id=call.call_id, name=call.name, result=result,
            unknown=unknown,
        ))
        return result

    async def _run_and_log(self, turn: Turn, call: Call, tool: Tool, arguments: Any) -> dict[str, Any]:
        async with self._database.unit_of_work() as uow:
            await uow.may_pause(self._timeout + STILL_SECONDS)
            now = self._scribe.now()
            context = ToolContext(uow, turn.user_id, turn.tenant, CallId(call.call_id), now)
            result = await self._result(tool, context, arguments)
            failpoints.reach("tool.before_commit")
            fact = ToolFinished(
                turn_id=turn.turn_id, message_id=turn.answer_id, call_id=call.call_id, name=call.name, result=result
            )
            await self._scribe.record(uow, Append(turn.session_id, [fact], fence=turn.fence))
        return result

    async def _result(self, tool: Tool, context: ToolContext, arguments: Any) -> dict[str, Any]:
        """What the tool answers within its time. Whatever it raises comes out as a MalgilError that says no more.

        The limit is on the tool alone: one that could strike during the commit would call failed what was done. A
        tool that failed because its connection is gone makes the end of the transaction fail too (Unavailable).
        """
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                return await tool.run(context, arguments)
        except MalgilError as e:
            raise MalgilError(e.detail, code=e.code) from e
        except Exception as e:
            if limit.expired():
                raise MalgilError(f"The tool took longer than {self._timeout:g} s.", code="TOOL_TIMEOUT") from e
            _logger.exception("tool %s failed", tool.name)
            raise MalgilError(_FAILED["message"], code=_FAILED["code"]) from e

    async def _record(self, turn: Turn, fact: Fact) -> None:
        async with self._database.unit_of_work() as uow:
            await self._scribe.record(uow, Append(turn.session_id, [fact], fence=turn.fence))
