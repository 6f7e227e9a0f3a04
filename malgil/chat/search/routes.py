"""The route of search."""

from starlette.requests import Request
from starlette.responses import Response

from malgil.chat.doors import Door, Doors
from malgil.chat.errors import SessionNotFound
from malgil.chat.http import answers, describe, read_query, reply
from malgil.chat.model import valid_session_id
from malgil.chat.queries import time_of
from malgil.chat.search import queries
from malgil.chat.search.requests import SearchQuery, SearchResults
from malgil.chat.search.store import Wanted

SEARCH = Doors("/api/chat/search", "Chat")

_KINDS = frozenset({"user", "agent"})


@SEARCH.at(
    "GET", "", summary="Search messages", operation_id="search_messages", openapi_extra=describe(query=SearchQuery),
    responses=answers(404, 422, model=SearchResults),
)
async def search(door: Door, request: Request) -> Response:
    """Over all sessions that the caller takes part in, archived ones too.

    Found are messages that hold all words of `q`; if there is none, those that hold some, the best first. A Korean
    word inside a longer one is found, an English word in all its forms.
    """
    caller = await door.authenticate(request)
    asked = read_query(request, SearchQuery)
    if asked.session_id is not None and not valid_session_id(asked.session_id):
        raise SessionNotFound(asked.session_id)
    kind = asked.sender if asked.sender in _KINDS else None
    wanted = Wanted(
        caller.user_id, caller.tenant, kind, None if kind else asked.sender,
        time_of(asked.since or ""), time_of(asked.until or ""),
    )
    room = door.room
    return reply(await queries.find(
        room.database, room.vocabulary, caller, asked.q, wanted, asked.session_id, asked.limit
    ))
