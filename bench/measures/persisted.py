"""Persisted messages: `POST …/messages`, answered after the commit.

32 connections, each posting into a session of its own that has no agent (`agent_id: null`), so that a post is a
message and nothing but a message; the database is durable (fsync on), as the product ships it. The limit is the
product's append statement alone, from bare asyncpg at 32 connections in another process, each on a stream of its own,
with a fact of the same bytes; the product also checks access, writes the message's row and the session's counters.
Slices of both alternate on one database. Bar: messages a second ≥ 0.5 × appends a second.
"""

import asyncio

from bench.figures import Figure, at_least, note
from bench.sessions import TEXT, make
from bench.stage import USER, Stage
from bench.talk import request
from malgil.chat.events import MessageCreated

CONNECTIONS = 32


def run(quick: bool) -> list[Figure]:
    rounds, seconds = (2, 1.0) if quick else (6, 3.0)
    with Stage() as stage:
        url = stage.database()
        server, port = stage.server()
        ours, theirs = (asyncio.run(make(url, CONNECTIONS)) for _ in range(2))
        load, driver = stage.helper("bench.load"), stage.helper("bench.appends")
        paths = [f"/api/chat/sessions/{one}/messages" for one in ours]
        posts = [request("POST", path, stage.token(), {"content": TEXT}) for path in paths]
        fact = MessageCreated(
            message_id="msg_01m7x7jjz6y0x9p0vvadvxa2bh", sender_type="user", sender_id=USER, message_type="text",
            content=TEXT, metadata={},
        )
        posted, appended, cpu = [], [], 0.0
        for _ in range(rounds):
            before = server.cpu()
            posted.append(load.ask("run", port=port, requests=posts, connections=CONNECTIONS, seconds=seconds))
            cpu += server.cpu() - before
            appended.append(driver.ask(
                "run", url=url, streams=theirs, fact=fact.model_dump_json(), connections=CONNECTIONS, seconds=seconds
            ))
    pairs = list(zip(posted, appended, strict=True))
    total = sum(one["total"] for one in posted)
    return [
        at_least("messages persisted at 32 connections", "/s", [(a["rate"], b["rate"]) for a, b in pairs], 0.5),
        note("p50 of a post, and of an append", "ms", *_middle(pairs, "p50")),
        note("p99 of a post, and of an append", "ms", *_middle(pairs, "p99")),
        note("CPU of the server a message", "µs", cpu / total * 1e6),
        note("CPU of the load generator (must stay well under 100)", "% of a core",
             100 * max(one["own_cpu"] for one in posted)),
    ]


def _middle(pairs: list[tuple[dict[str, float], dict[str, float]]], key: str) -> tuple[float, float]:
    ours, theirs = (sorted(1000 * one[key] for one in side) for side in zip(*pairs, strict=True))
    return ours[len(ours) // 2], theirs[len(theirs) // 2]
