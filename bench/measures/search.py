"""Search over 1,000,000 messages in 20,000 sessions of 1,000 users.

`GET /api/chat/search` over HTTP, one client, one question at a time, the classes of questions in turn. One user takes
part in 10,000 of the sessions, one in 5, the others in what chance gives them; one session holds 50,000 messages. The
messages are one to three sentences out of some 20,000 different ones, Korean and English, made from templates and
words by Zipf's law, every third with an order number of its own. They are loaded by COPY, their terms read by the
product's own code once a sentence and merged, so the index holds what the product would have written, but for the
state that writing it in batches would leave (all of it is merged and vacuumed). Bar: p99 < 50 ms.

What is warm: the files are in the system's cache, since they have just been written; Korean words are loaded; every
question has been asked once, and what that took is a figure of its own.
"""

import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from urllib.parse import quote

import asyncpg

from bench.figures import Figure, below, note, percentile
from bench.phrases import Phrases
from bench.stage import Stage
from bench.talk import Http
from malgil.access.mint import mint
from malgil.app.indexing import vocabulary
from malgil.knowledge.analyst import Analyst
from malgil.knowledge.terms import Vocabulary, keys_of

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MANY, FEW, USUAL = "user_0", "user_1", "user_2"
LARGE = "sess_000000"
LOADING_SECONDS = 5.0
"""For the server's analyst of Korean, which the first Korean question starts."""
MONTH = "&from=2026-01-05T00:00:00Z&to=2026-02-05T00:00:00Z"

_INDEX = """
INSERT INTO chat_search SELECT f.session_id, f.seq, m.sender_type, m.sender_id, m.created_at,
    hashtextextended(m.content, 0), f.length, f.terms, f.counts
FROM filling f JOIN chat_messages m USING (session_id, seq) ORDER BY m.created_at
"""
_COUNT = """
INSERT INTO chat_search_terms SELECT term, count(*) FROM chat_search, unnest(terms) AS term GROUP BY term
UNION ALL SELECT 0, count(*) FROM chat_search UNION ALL SELECT 1, sum(length) FROM chat_search
"""

# what: (who asks, further parameters, the questions)
_CLASSES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "10,000 sessions, a common word": (MANY, "", ("배송", "환불", "주문", "delivery", "운동화", "order")),
    "10,000 sessions, two common words": (MANY, "", ("배송 운동화", "환불 교환", "delivery refund", "coat shipped")),
    "10,000 sessions, a rare pair": (MANY, "", ("찻잔 정기배송", "teacup subscription", "녹차 오배송", "악보 누락")),
    "10,000 sessions, an order number": (MANY, "", ("ORD-12345", "ORD-3", "ORD-299997", "ORD-77778")),
    "10,000 sessions, a question of 10 words": (MANY, "", (
        "어제 주문한 겨울코트 배송이 언제 도착하는지 그리고 교환 환불 쿠폰 적립금 영수증도 알려 주세요",
        "delivery refund exchange order payment cancellation return tracking invoice coupon for my sneakers",
    )),
    "10,000 sessions, in a month": (MANY, MONTH, ("배송", "찻잔", "refund")),
    "10,000 sessions, one syllable, letter, stop word": (MANY, "", ("을", "a", "the", "물", "송")),
    "10,000 sessions, nothing": (MANY, "", ("블랙홀천문학", "xylophone", "ORD-99999999")),
    "5 sessions, a common word": (FEW, "", ("배송", "delivery", "환불")),
    "5 sessions, a rare word": (FEW, "", ("찻잔", "teacup", "ORD-77778")),
    "5 sessions, a question of 10 words": (FEW, "", (
        "어제 주문한 겨울코트 배송이 언제 도착하는지 교환 환불 쿠폰 알려 주세요",
    )),
    "20 sessions, a common word": (USUAL, "", ("배송", "delivery", "환불", "운동화")),
    "20 sessions, a rare word": (USUAL, "", ("찻잔", "teacup", "ORD-77778", "보드게임")),
    "one session of 50,000, a common word": (MANY, f"&session_id={LARGE}", ("배송", "delivery", "환불")),
    "one session of 50,000, a rare word": (MANY, f"&session_id={LARGE}", ("찻잔 정기배송", "teacup", "악보")),
    "100 results with snippets": (MANY, "&limit=100", ("배송", "delivery", "환불 운동화")),
}


def run(quick: bool) -> list[Figure]:
    messages, rounds = (30_000, 10) if quick else (1_000_000, 120)
    with Stage() as stage:
        begun = time.perf_counter()
        asyncio.run(_fill(stage.database(), messages))
        filled = time.perf_counter() - begun
        _, port = stage.server()
        return [*asyncio.run(_measure(stage, port, rounds)), note("loading and indexing all of it", "s", filled)]


async def _measure(stage: Stage, port: int, rounds: int) -> list[Figure]:
    people = {user: await Http.open(port, _token(stage, user)) for user in (MANY, FEW, USUAL)}
    for warm in ("말길", "warm words"):
        await people[MANY].ask("GET", f"/api/chat/search?q={quote(warm)}")
    await asyncio.sleep(LOADING_SECONDS)

    async def asked(user: str, more: str, q: str) -> float:
        begun = time.perf_counter()
        await people[user].ask("GET", f"/api/chat/search?q={quote(q)}{more}")
        return time.perf_counter() - begun

    first = [await asked(user, more, q) for user, more, questions in _CLASSES.values() for q in questions]
    seconds: dict[str, list[float]] = {what: [] for what in _CLASSES}
    for number in range(rounds):
        for what, (user, more, questions) in _CLASSES.items():
            seconds[what].append(await asked(user, more, questions[number % len(questions)]))
    everything = [one for each in seconds.values() for one in each]
    figures = [
        below("any of these questions, p99", "ms", 1000 * percentile(everything, 0.99), 50),
        note("the first time that they are asked, p50", "ms", 1000 * percentile(first, 0.5)),
        note("the first time that they are asked, worst", "ms", 1000 * max(first)),
    ]
    for what, taken in seconds.items():
        figures.append(note(f"{what}, p50", "ms", 1000 * percentile(taken, 0.5)))
        figures.append(note(f"{what}, p99", "ms", 1000 * percentile(taken, 0.99)))
    return figures


def _token(stage: Stage, user: str) -> str:
    return mint(
        stage.secret, user=user, tenant="default", roles=["user"], now=datetime.now(UTC), lifetime=timedelta(hours=1)
    )


async def _fill(url: str, count: int) -> None:
    chance = random.Random(42)
    sessions = count // 50
    conn = await asyncpg.connect(url)
    try:
        people = _people(chance, sessions)
        await conn.execute("DROP INDEX ix_chat_search_terms")
        await conn.execute(
            "CREATE TEMP TABLE filling (session_id text, seq bigint, length int, terms bigint[], counts smallint[])"
        )
        async with Analyst() as analyst:
            await analyst.ready()
            sizes = await _messages(conn, chance, count, people, vocabulary(analyst))
        await _sessions(conn, people, sizes)
        await conn.execute(_INDEX)
        await conn.execute(_COUNT)
        await conn.execute("SET maintenance_work_mem = '512MB'")
        await conn.execute(
            "CREATE INDEX ix_chat_search_terms ON chat_search USING gin (terms) WITH (gin_pending_list_limit = 256)"
        )
        await conn.execute("VACUUM ANALYZE")
    finally:
        await conn.close()


def _people(chance: random.Random, sessions: int) -> dict[str, str]:
    """{session: its owner}: every second the one's with many, the first five of the others the one's with few."""
    found: dict[str, str] = {}
    for number in range(sessions):
        few, usual = 0 < number < 10, 10 < number < 50
        owner = FEW if few else USUAL if usual else f"user_{chance.randrange(3, 1000)}"
        found[f"sess_{number:06}"] = owner if number % 2 else MANY
    return found


async def _messages(
    conn: Any, chance: random.Random, count: int, people: dict[str, str], words: Vocabulary
) -> Counter[str]:
    phrases = Phrases(chance)
    known: dict[str, tuple[tuple[str, int], ...]] = {}
    names, seqs = list(people), Counter[str]()
    for start in range(0, count, 20_000):
        rows, fills = [], []
        numbers = range(start, min(start + 20_000, count))
        texts = {number: [phrases.sentence() for _ in range(chance.choice((1, 1, 2, 3)))] for number in numbers}
        new = [one for one in dict.fromkeys(chain.from_iterable(texts.values())) if one not in known]
        known |= zip(new, [tuple(terms.items()) for terms in await words.terms(new)], strict=True)
        for number, said in texts.items():
            session = LARGE if number % 20 == 0 else chance.choice(names)
            seqs[session] += 2
            found = Counter[str]()
            for one in said:
                for term, times in known[one]:
                    found[term] += times
            if number % 3 == 0:
                said.append(f"ORD-{number}")
                found.update((f"ord-{number}", "ord", str(number)))
            rows.append((
                f"msg_{number:08}", session, seqs[session], "user", people[session], "text", " ".join(said),
                _BEGIN + timedelta(seconds=10 * number),
            ))
            fills.append((session, seqs[session], sum(found.values()), keys_of(list(found)), list(found.values())))
        await conn.copy_records_to_table("chat_messages", records=rows, columns=[
            "message_id", "session_id", "seq", "sender_type", "sender_id", "message_type", "content", "created_at"])
        await conn.copy_records_to_table("filling", records=fills)
    return Counter({session: seq // 2 for session, seq in seqs.items()})


async def _sessions(conn: Any, people: dict[str, str], sizes: Counter[str]) -> None:
    await conn.copy_records_to_table("chat_sessions", columns=[
        "session_id", "tenant", "owner_id", "message_count", "last_activity", "created_at",
    ], records=[(name, "default", owner, sizes[name], _BEGIN, _BEGIN) for name, owner in people.items()])
    await conn.copy_records_to_table("chat_participants", columns=["session_id", "user_id", "role", "joined_at"],
                                     records=[(name, owner, "owner", _BEGIN) for name, owner in people.items()])
