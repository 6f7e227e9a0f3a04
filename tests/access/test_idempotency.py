"""Idempotency keys: one key, one effect, one answer."""

import asyncio
from datetime import timedelta

import pytest

from malgil.access import idempotency
from malgil.access.errors import StillUnderWay
from malgil.access.idempotency import Stored, claim, digest, remember, sweep
from malgil.access.model import Caller
from malgil.kit.errors import Invalid, Mismatch
from malgil.storage.database import Database
from tests.fixtures.time import FakeClock

MINA = Caller("mina", "acme", frozenset({"user"}))
ROUTE = "POST /api/chat/sessions"
BODY = digest(b'{"title":"a"}')
ANSWER = Stored(201, {"session_id": "sess_1", "title": "안녕"})


async def do(
    database: Database, clock: FakeClock, key: str = "k", *, caller: Caller = MINA, route: str = ROUTE,
    body: str = BODY, answer: Stored = ANSWER,
) -> Stored | None:
    """What a route does: None when it did the work, the stored answer when it was done before."""
    async with database.unit_of_work() as uow:
        stored = await claim(uow, caller, key, route, body, clock.now())
        if stored is None:
            await remember(uow, caller, key, answer)
        return stored


async def test_the_second_request_gets_the_first_answer(database: Database, clock: FakeClock) -> None:
    assert await do(database, clock) is None
    assert await do(database, clock, answer=Stored(500, None)) == ANSWER
    assert await do(database, clock) == ANSWER


async def test_another_body_or_route_is_a_mismatch(database: Database, clock: FakeClock) -> None:
    await do(database, clock)
    for changed in ({"body": digest(b"other")}, {"route": "POST /api/chat/sessions/x/messages"}):
        with pytest.raises(Mismatch):
            await do(database, clock, **changed)
    assert await do(database, clock) == ANSWER


async def test_a_key_belongs_to_one_user_of_one_tenant(database: Database, clock: FakeClock) -> None:
    await do(database, clock)
    for other in (Caller("jun", "acme", frozenset()), Caller("mina", "other", frozenset())):
        assert await do(database, clock, caller=other, body=digest(b"other")) is None


async def test_after_a_day_the_key_is_new(database: Database, clock: FakeClock) -> None:
    await do(database, clock)
    clock.advance(24 * 3600 - 1)
    assert await do(database, clock) == ANSWER
    clock.advance(1)
    assert await do(database, clock, body=digest(b"other"), answer=Stored(200, [1])) is None
    assert await do(database, clock, body=digest(b"other")) == Stored(200, [1])


async def test_work_that_fails_leaves_the_key_free(database: Database, clock: FakeClock) -> None:
    with pytest.raises(RuntimeError):
        async with database.unit_of_work() as uow:
            assert await claim(uow, MINA, "k", ROUTE, BODY, clock.now()) is None
            raise RuntimeError
    assert await do(database, clock) is None


async def test_an_equal_request_waits_for_the_first_and_gets_its_answer(database: Database, clock: FakeClock) -> None:
    async with database.unit_of_work() as uow:
        assert await claim(uow, MINA, "k", ROUTE, BODY, clock.now()) is None
        second = asyncio.create_task(do(database, clock))
        await blocked(database)
        assert not second.done()
        await remember(uow, MINA, "k", ANSWER)
    assert await second == ANSWER


async def test_an_equal_request_takes_over_when_the_first_fails(database: Database, clock: FakeClock) -> None:
    with pytest.raises(RuntimeError):
        async with database.unit_of_work() as uow:
            await claim(uow, MINA, "k", ROUTE, BODY, clock.now())
            second = asyncio.create_task(do(database, clock))
            await blocked(database)
            raise RuntimeError
    assert await second is None


async def test_of_many_at_once_one_does_the_work(database: Database, clock: FakeClock) -> None:
    for _ in range(2):  # a new key, then one whose day is over
        answers = await asyncio.gather(*(do(database, clock) for _ in range(12)))
        assert sorted(answers, key=lambda one: one is not None) == [None] + [ANSWER] * 11
        clock.advance(25 * 3600)


async def test_a_first_request_without_an_answer_says_so(database: Database, clock: FakeClock) -> None:
    async with database.unit_of_work() as uow:
        await claim(uow, MINA, "k", ROUTE, BODY, clock.now())
    with pytest.raises(StillUnderWay):
        await do(database, clock)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "열쇠", "a\x00", "\ud800", "\x7f"])
async def test_a_malformed_key_is_refused(database: Database, clock: FakeClock, key: str) -> None:
    with pytest.raises(Invalid) as caught:
        await do(database, clock, key)
    assert caught.value.code == "INVALID_IDEMPOTENCY_KEY"


async def test_a_sweep_takes_what_is_over_and_leaves_the_rest(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "SWEEP_MOST", 2)
    for key in ("a", "b", "c"):
        await do(database, clock, key)
    clock.advance(12 * 3600)
    await do(database, clock, "young")
    at_end = clock.now() + timedelta(hours=12)
    swept = []
    for _ in range(3):
        async with database.unit_of_work() as uow:
            swept.append(await sweep(uow, at_end))
    assert swept == [2, 1, 0]
    assert await do(database, clock, "young") == ANSWER


async def blocked(database: Database) -> None:
    """Until some statement waits for another transaction."""
    async with database.read() as conn:
        for _ in range(500):
            if await conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                return
            await asyncio.sleep(0.01)
    pytest.fail("nothing waits")
