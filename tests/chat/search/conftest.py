"""The chat room with the words of both languages, and its index."""

from dataclasses import replace

import httpx
import pytest

from malgil.chat.room import ChatRoom
from malgil.chat.search.tasks import Indexer
from malgil.knowledge.terms import Vocabulary
from tests.chat.search.asking import Asker, caught_up


@pytest.fixture
def room(rooms: list[ChatRoom], words: Vocabulary) -> ChatRoom:
    return replace(rooms[0], vocabulary=words)


@pytest.fixture
def indexer(room: ChatRoom) -> Indexer:
    return Indexer(room.database, room.vocabulary)


@pytest.fixture
async def ask(kim: httpx.AsyncClient, indexer: Indexer) -> Asker:
    """Kim's questions, each asked when the index has caught up."""

    async def ready() -> None:
        await caught_up(indexer)

    return Asker(kim, ready)
