"""The reads of the agents room."""

from dataclasses import dataclass

from malgil.agents import store
from malgil.agents.model import Draft, Turn
from malgil.log import queries as log
from malgil.storage.database import Connection

_PAGE = 2000


@dataclass(frozen=True, slots=True)
class AgentRow:
    """Who answers: the configuration of one agent."""

    agent_id: int
    name: str
    avatar_url: str | None
    instructions: str
    model: str
    tools: list[str]


async def agent(conn: Connection, agent_id: int, tenant: str) -> AgentRow | None:
    """The agent, if it exists and the tenant may use it."""
    row = await store.agent(conn, agent_id, tenant)
    return AgentRow(**dict(row)) if row else None


async def turn(conn: Connection, turn_id: str) -> Turn | None:
    """The turn of that id."""
    return await store.one(conn, "turn_id = $1", turn_id)


async def open_turn(conn: Connection, session_id: str) -> Turn | None:
    """The session's running turn, or else the first one queued."""
    return await store.one(
        conn, "session_id = $1 AND status IN ('queued', 'running') ORDER BY status DESC, queued_seq", session_id
    )


async def turn_of_prompt(conn: Connection, prompt_id: str) -> Turn | None:
    """The turn that was queued together with the user's message of that id."""
    return await store.one(conn, "prompt_id = $1 ORDER BY queued_seq", prompt_id)


async def being_answered(conn: Connection, prompt_id: str) -> bool:
    """Whether an answer to the message is queued or being written."""
    return await store.one(conn, "prompt_id = $1 AND status IN ('queued', 'running')", prompt_id) is not None


async def turn_at(conn: Connection, session_id: str, seq: int) -> Turn | None:
    """The newest turn that was queued at or before `seq`."""
    return await store.one(conn, "session_id = $1 AND queued_seq <= $2 ORDER BY queued_seq DESC", session_id, seq)


async def draft(conn: Connection, of: Turn) -> Draft:
    """The turn's answer as far as it is in the log."""
    found = Draft()
    after = of.queued_seq
    while page := await log.read(conn, of.session_id, after=after, limit=_PAGE):
        for entry in page:
            if entry.data.get("message_id") == of.answer_id:
                found = found.apply(entry)
        after = page[-1].seq
        if len(page) < _PAGE:
            break
    return found
