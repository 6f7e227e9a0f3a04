"""The HTTP face of the chat room, imported by app only."""

from fastapi import APIRouter

from malgil.chat.agent_routes import AGENT
from malgil.chat.doors import Authenticate, Door
from malgil.chat.editing_routes import EDITING
from malgil.chat.files.routes import FILES
from malgil.chat.files.shelf import Shelf
from malgil.chat.members.routes import PARTICIPANTS
from malgil.chat.message_routes import MESSAGES
from malgil.chat.room import ChatRoom
from malgil.chat.search.routes import SEARCH
from malgil.chat.session_routes import SESSIONS


def build_router(room: ChatRoom, authenticate: Authenticate, shelf: Shelf) -> APIRouter:
    """All routes of the room. `authenticate` tells the caller behind a request, or raises Unauthenticated.

    One flat table with the hot routes first: each route that does not match costs, and each router around it more.
    """
    router = APIRouter()
    for doors in (MESSAGES, SESSIONS, EDITING, PARTICIPANTS, FILES, SEARCH, AGENT):
        doors.open(Door(room, authenticate, shelf), router)
    return router
