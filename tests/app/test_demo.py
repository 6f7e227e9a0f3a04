"""The demo of a fresh installation is put in place once, and what its owner changed stays."""

from malgil.agents import queries as agents
from malgil.app import demo
from malgil.kit.clock import SystemClock
from malgil.storage.database import Database


async def counted(database: Database) -> list[int]:
    async with database.read() as conn:
        tables = ("agents", "shop_orders", "shop_products")
        return [await conn.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


async def test_twice_is_once(database: Database) -> None:
    await demo.install(database, SystemClock(), model="offline")
    first = await counted(database)
    assert all(first)
    async with database.unit_of_work() as uow:
        await uow.conn.execute("UPDATE agents SET name = 'Mina' WHERE agent_id = $1", demo.SUPPORT_AGENT)
    await demo.install(database, SystemClock(), model="offline")
    assert await counted(database) == first
    async with database.read() as conn:
        agent = await agents.agent(conn, demo.SUPPORT_AGENT, "default")
    assert agent is not None
    assert (agent.name, agent.model) == ("Mina", "offline")
    assert "request_refund" in agent.tools
