"""How tests ask the search."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from malgil.chat.room import ChatRoom
from malgil.chat.search.tasks import CONSUMER, Indexer
from tests.chat.people import eventually

SEARCH = "/api/chat/search"


@dataclass(frozen=True)
class Asker:
    """`ready` is awaited before each question."""

    client: httpx.AsyncClient
    ready: Callable[[], Awaitable[None]]

    async def __call__(self, q: str, **more: Any) -> dict[str, Any]:
        await self.ready()
        answer = await self.client.get(SEARCH, params={"q": q, **more})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def ids(self, q: str, **more: Any) -> list[str]:
        return [one["message_id"] for one in (await self(q, **more))["results"]]

    async def snippets(self, q: str, **more: Any) -> list[str]:
        return [one["snippet"] for one in (await self(q, **more))["results"]]


async def caught_up(indexer: Indexer) -> None:
    """Index until the consumer stands at the end of the log. Other work of the server may hold it up a little."""
    database = indexer._database

    async def done() -> bool:
        await indexer()
        async with database.read() as conn:
            return bool(await conn.fetchval(
                "SELECT NOT EXISTS (SELECT FROM log_events e, log_consumers c WHERE c.name = $1 "
                "AND (e.xid, e.number) > (c.xid, c.number))", CONSUMER,
            ))

    await eventually(done, 30)


async def index_rows(room: ChatRoom) -> list[tuple[str, int]]:
    """(session_id, seq) of all that is indexed."""
    async with room.database.read() as conn:
        rows = await conn.fetch("SELECT session_id, seq FROM chat_search ORDER BY session_id, seq")
    return [(row["session_id"], row["seq"]) for row in rows]


async def frequencies(room: ChatRoom) -> tuple[dict[int, int], dict[int, int]]:
    """The counts of the terms as they are kept, and as the index says."""
    async with room.database.read() as conn:
        kept = await conn.fetch("SELECT term, messages FROM chat_search_terms WHERE messages <> 0")
        counted = await conn.fetch(
            "SELECT term, count(*) AS messages FROM chat_search, unnest(terms) AS term GROUP BY term "
            "UNION ALL SELECT 0, count(*) FROM chat_search HAVING count(*) > 0 "
            "UNION ALL SELECT 1, sum(length) FROM chat_search HAVING count(*) > 0"
        )
    return ({row["term"]: int(row["messages"]) for row in kept}, {row["term"]: int(row["messages"]) for row in counted})
