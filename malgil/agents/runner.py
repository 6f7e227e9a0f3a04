"""One attempt at an answer: take up the draft, ask the model step by step, run its tools, end the turn."""

import logging
from dataclasses import dataclass, replace

from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelMessage, ModelResponse, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models import ModelRequestParameters

from malgil.agents import actions, queries
from malgil.agents.actions import Ending
from malgil.agents.errors import AgentUnavailable, CannotContinue
from malgil.agents.events import AnswerReset, FinishReason
from malgil.agents.history import finished_steps, opening, prefix
from malgil.agents.mending import mended, mended_json
from malgil.agents.model import Call, Draft, Turn, plan_resume
from malgil.agents.providers import ModelCatalogue, Provided
from malgil.agents.queries import AgentRow
from malgil.agents.settings import TurnSettings
from malgil.agents.toolbox import UNKNOWN, Toolbox
from malgil.agents.transcript import Transcript
from malgil.agents.writer import AnswerWriter, PieceCommits
from malgil.kit.ids import CALL
from malgil.log.errors import Fenced
from malgil.log.model import Append
from malgil.log.scribe import Scribe
from malgil.storage.database import Database

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Work:
    """What an attempt carries from step to step."""

    turn: Turn
    agent: AgentRow
    provided: Provided
    opening: list[ModelMessage]
    draft: Draft
    writer: AnswerWriter
    tokens: int = 0


class Runner:
    """Runs claimed turns. Holds no state of its own between them: whatever an attempt must know is in the log."""

    def __init__(
        self, database: Database, scribe: Scribe, transcript: Transcript, pieces: PieceCommits,
        catalogue: ModelCatalogue, toolbox: Toolbox, settings: TurnSettings,
    ) -> None:
        self._database = database
        self._scribe = scribe
        self._transcript = transcript
        self._pieces = pieces
        self._catalogue = catalogue
        self._toolbox = toolbox
        self._settings = settings

    async def run(self, turn: Turn) -> None:
        """Answer, and end the turn. Raises Fenced when it was taken over and Unavailable when the database is away;
        then the turn is somebody else's, or will be when its lease is over."""
        if turn.exhausted:
            await self._fail(turn, "ATTEMPTS_EXHAUSTED", "The answer was interrupted too often.")
            return
        try:
            work = await self._take_up(turn)
        except AgentUnavailable as e:
            await self._fail(turn, e.code, e.detail)
            return
        try:
            reason = await self._answer(work)
        except (AgentRunError, UserError, AgentUnavailable) as e:
            _logger.warning("model failed: %s", e)
            await work.writer.flush()
            await self._fail(turn, "AGENT_UNAVAILABLE", "The model could not answer.")
            return
        finally:
            await work.writer.close()
        async with self._database.unit_of_work() as uow:
            ending = Ending(work.writer.text, reason, work.tokens, calls=work.draft.calls)
            await actions.end_turn(uow, self._scribe, self._transcript, turn, ending)

    async def _fail(self, turn: Turn, code: str, message: str) -> None:
        error = {"code": code, "message": message}
        async with self._database.unit_of_work() as uow:
            draft = await queries.draft(uow.conn, turn)
            await actions.end_turn(
                uow, self._scribe, self._transcript, turn, Ending.of(draft, "failed", error=error)
            )

    async def _take_up(self, turn: Turn) -> _Work:
        """Everything the attempt starts from. The claim has raised the fence: nobody else can change the log now."""
        async with self._database.read() as conn:
            agent = await queries.agent(conn, turn.agent_id, turn.tenant)
            said = await self._transcript.history(
                conn, turn.session_id, prompt_seq=turn.prompt_seq, before_seq=turn.started_seq or turn.queued_seq,
                most=self._settings.history_messages,
            )
            draft = await queries.draft(conn, turn) if turn.attempt > 1 else Draft()
        if agent is None:
            raise AgentUnavailable("The agent does not exist any more.")
        if not said or said[-1].seq != turn.prompt_seq:
            raise Fenced(f"The prompt of turn {turn.turn_id!r} was deleted, and the turn stopped with it.")
        provided = self._catalogue.get(agent.model)
        draft = await self._mend(turn, draft, provided)
        writer = AnswerWriter(self._pieces, turn, self._settings, text=draft.text)
        return _Work(turn, agent, provided, opening(agent.instructions, said), draft, writer)

    async def _mend(self, turn: Turn, draft: Draft, provided: Provided) -> Draft:
        """Apply the takeover table: finish or give up dangling calls, reset a half step that cannot be continued."""
        plan = plan_resume(
            draft, idempotent=self._toolbox.idempotent, continues_prefix=provided.continues_prefix
        )
        for call in plan.unknown:
            result = await self._toolbox.fail(turn, call, UNKNOWN, unknown=True)
            draft = _with_result(draft, replace(call, result=result, failed=True))
        for call in plan.rerun:
            result, failed = await self._toolbox.run(turn, call)
            draft = _with_result(draft, replace(call, result=result, failed=failed))
        return draft if plan.reset_to is None else await self._reset(turn, draft)

    async def _reset(self, turn: Turn, draft: Draft) -> Draft:
        offset = draft.step_offset
        fact = AnswerReset(turn_id=turn.turn_id, message_id=turn.answer_id, attempt=turn.attempt, offset=offset)
        async with self._database.unit_of_work() as uow:
            await self._scribe.record(uow, Append(turn.session_id, [fact], fence=turn.fence))
        return replace(draft, text=draft.text[:offset])

    async def _answer(self, work: _Work) -> FinishReason:
        """Model steps until one calls no tool."""
        for step in range(len({c.step for c in work.draft.calls}), self._settings.max_steps):
            response = await self._step(work)
            work.tokens += response.usage.total_tokens
            await work.writer.flush()
            calls = response.tool_calls
            if not calls:
                return "length" if response.finish_reason == "length" else "stop"
            for part in calls:
                # An id of ours: what models give is unique within one response at best.
                call = Call(self._scribe.new_id(CALL), mended(part.tool_name), mended_json(part.args_as_dict()), step,
                            len(work.writer.text))
                await self._call(work, call)
        return "length"

    async def _step(self, work: _Work) -> ModelResponse:
        try:
            return await self._ask(work, work.draft.half_step)
        except CannotContinue:
            # A piece that is still under way would land behind the reset and survive it.
            await work.writer.flush()
            await work.writer.close()
            work.draft = await self._reset(work.turn, work.draft)
            work.writer = AnswerWriter(self._pieces, work.turn, self._settings, text=work.draft.text,
                                       index=work.writer.index)
            return await self._ask(work, "")

    async def _ask(self, work: _Work, begun: str) -> ModelResponse:
        messages = [*work.opening, *finished_steps(work.draft), *prefix(begun)]
        parameters = ModelRequestParameters(function_tools=self._toolbox.definitions(work.agent.tools))
        async with model_request_stream(
            work.provided.model, messages, model_request_parameters=parameters
        ) as stream:
            async for event in stream:
                match event:
                    case PartStartEvent(part=TextPart(content=text)):
                        work.writer.write(text)
                    case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                        work.writer.write(text)
                    case _:
                        pass
            return stream.get()

    async def _call(self, work: _Work, call: Call) -> None:
        await self._toolbox.start(work.turn, call)
        result, failed = await self._toolbox.run(work.turn, call)
        done = replace(call, result=result, failed=failed)
        work.draft = replace(work.draft, text=work.writer.text, calls=(*work.draft.calls, done))


def _with_result(draft: Draft, done: Call) -> Draft:
    return replace(draft, calls=tuple(done if c.call_id == done.call_id else c for c in draft.calls))
