"""The HTTP face of the chat room, imported by app only."""

from fastapi import APIRouter

from malgil.chat.agent_routes import AGENT
from malgil.chat.doors import Authenticate, Door
from malgil.chat.message_routes import MESSAGES
from malgil.chat.room import ChatRoom
from malgil.chat.session_routes import SESSIONS


def build_router(room: ChatRoom, authenticate: Authenticate) -> APIRouter:
    """All routes of the room. `authenticate` tells the caller behind a request, or raises Unauthenticated.

    One flat table with the hot routes first: each route that does not match costs, and each router around it more.
    """
    router = APIRouter()
    for doors in (MESSAGES, SESSIONS, AGENT):
        doors.open(Door(room, authenticate), router)
    return router
