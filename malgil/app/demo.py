"""The demo that a fresh installation starts with: a shop's support agent and the rows that its tools read."""

from malgil.access.model import DEFAULT_TENANT
from malgil.agents import actions as agents
from malgil.agents.queries import AgentRow
from malgil.agents.shop.seed import seed
from malgil.agents.shop.tools import SHOP_TOOLS
from malgil.kit.clock import Clock
from malgil.storage.database import Database

SUPPORT_AGENT = 1

_INSTRUCTIONS = """\
You are the support agent of an online shop. Answer in the language of the customer, politely and briefly.
Look up orders, deliveries, products and rules with the tools; never invent an order, a price or a date.
Ask for the order number before you request a refund, and say plainly when you do not know.
당신은 온라인 상점의 상담원입니다. 고객의 언어로, 정중하고 짧게 답하세요."""


async def install(database: Database, clock: Clock, *, model: str) -> None:
    """Put the support agent and the shop in place. What is there already stays as it is."""
    tools = [tool.name for tool in SHOP_TOOLS]
    agent = AgentRow(SUPPORT_AGENT, "상담 도우미 · Support", None, _INSTRUCTIONS, model, tools)
    async with database.unit_of_work() as uow:
        await agents.put_agent(uow, agent, clock.now())
        await seed(uow, DEFAULT_TENANT, clock.now())
