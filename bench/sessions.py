"""Sessions and messages for a benchmark to begin with, made by the product's own verbs."""

from collections.abc import Sequence

from bench.stage import USER
from malgil.access.model import DEFAULT_TENANT, Caller
from malgil.chat.actions import create_session
from malgil.chat.model import NewMessage, NewSession
from malgil.chat.posting import post_messages
from malgil.kit.clock import SystemClock
from malgil.kit.ids import SessionId, UlidIds, UserId
from malgil.log.model import Entry
from malgil.log.scribe import Scribe
from malgil.storage.database import Database

TEXT = "주문하신 상품이 오늘 오후에 출고되었습니다. 내일 저녁까지는 받아 보실 수 있습니다."
_AT_ONCE = 256

_CALLER = Caller(UserId(USER), DEFAULT_TENANT, frozenset({"user"}))


async def make(url: str, count: int, *, messages: int = 0) -> list[str]:
    """The ids of new sessions without an agent, each with so many messages of its owner, the user of benchmarks."""
    database = Database(url, pool_size=1)
    await database.open()
    clock = SystemClock()
    scribe = Scribe(UlidIds(clock), clock, _silence)
    try:
        made: list[str] = []
        while len(made) < count:
            async with database.unit_of_work() as uow:
                for _ in range(min(_AT_ONCE, count - len(made))):
                    made.append((await create_session(uow, scribe, NewSession(_CALLER, None))).session_id)
        news = [NewMessage(_CALLER, _CALLER, SessionId(one), TEXT) for one in made for _ in range(messages)]
        for start in range(0, len(news), _AT_ONCE):
            async with database.unit_of_work() as uow:
                outcomes = await post_messages(uow, scribe, news[start : start + _AT_ONCE])
            refused = [one for one in outcomes if isinstance(one, Exception)]
            if refused:
                raise refused[0]
        async with database.read() as conn:
            await conn.execute("VACUUM ANALYZE")
        return made
    finally:
        await database.close()


async def _silence(entries: Sequence[Entry]) -> None:
    """Nobody listens."""
