"""What a question finds, within what its caller may see.

Those messages that hold all of its words; if there is none, or it is a whole sentence, those that hold any, the best
first; and a question without words to look for (a letter, a particle, a sign) is read through the newest messages as
it is.

A caller's sessions are looked through one by one as long as they are few messages, or when the words are so common
that the newest hits come at once; otherwise the words lead to the messages. So no word and no caller is slow.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from malgil.access.model import Caller
from malgil.chat import queries as chat
from malgil.chat.queries import Json
from malgil.chat.search import store
from malgil.chat.search.snippets import literal, snippet
from malgil.chat.search.store import LENGTH, MESSAGES, Wanted, Weighed
from malgil.knowledge.terms import Sought, Vocabulary, key_of
from malgil.storage.database import Connection, Database, Row

ALL_MOST = 4
"""A question of more words is not expected to be answered in all of them: the best matches are looked for at once."""
PART = 0.35
"""What a part of a word counts against a whole one."""
LEADS = 3_000
"""Messages that the words of a question may lead to, together."""
LEADS_ALL = 20_000
"""The same where all words must be there and few messages are expected to have them."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where to look. `sessions` are the one that was named, or the caller's newest; `messages`: how many all of them
    have, None where the caller has other sessions too."""

    sessions: list[str]
    named: list[str] | None
    messages: int | None

    def within(self, most: int) -> bool:
        """Whether looking through so many messages of `sessions` is looking through all."""
        return self.messages is not None and self.messages <= most


@dataclass(frozen=True, slots=True)
class _Words:
    """The question in numbers: `required` and all terms that any message has, and how many messages have each."""

    required: list[int]
    known: list[int]
    frequency: Mapping[int, int]

    @property
    def messages(self) -> int:
        return max(1, self.frequency.get(MESSAGES, 0))

    def weighed(self) -> Weighed:
        """BM25's weight of each known term; a part of a word counts less than a word."""
        total = self.messages
        words = frozenset(self.required)
        weights = [
            math.log1p((total - (n := self.of(term)) + 0.5) / (n + 0.5)) * (1 if term in words else PART)
            for term in self.known
        ]
        return Weighed(self.known, weights, max(1.0, self.frequency.get(LENGTH, 0) / total))

    def of(self, term: int) -> int:
        """In how many messages the term occurs; the count may lag behind, and never exceeds that of all."""
        return min(self.frequency.get(term, 0), self.messages)

    def expected(self) -> float:
        """How many messages have all required terms, if they were spread by chance."""
        return self.messages * math.prod(self.of(term) / self.messages for term in self.required)


async def find(
    database: Database, vocabulary: Vocabulary, caller: Caller, q: str, wanted: Wanted, session_id: str | None,
    limit: int
) -> Json:
    """The answer of the route. Raises what `chat.queries.open_session` raises for the session."""
    sought = await vocabulary.sought(q)
    async with database.read() as conn:
        scope = await _scope(conn, caller, session_id)
        rows, partial = await _by_terms(conn, scope, wanted, sought, limit)
        as_it_is = not sought.terms or (not rows and len(q.strip()) <= 2)
        if as_it_is:
            rows = await store.read_through(conn, scope.sessions, wanted, q.strip(), limit)
            partial = not scope.within(store.LITERAL)
    shown = await asyncio.to_thread(_snippets, vocabulary, rows, None if as_it_is else sought, q.strip())
    total = min(rows[0]["total"], store.CANDIDATES) if rows else 0
    return {
        "results": [_result(row, one) for row, one in zip(rows, shown, strict=True)],
        "total": total, "partial": partial or total == store.CANDIDATES,
    }


def _snippets(vocabulary: Vocabulary, rows: Sequence[Row], sought: Sought | None, q: str) -> list[str]:
    """In a thread: a hundred long messages are some work."""
    if sought is None:
        return [literal(row["content"], q) for row in rows]
    return [snippet(vocabulary, row["content"], sought) for row in rows]


async def _scope(conn: Connection, caller: Caller, session_id: str | None) -> _Scope:
    if session_id is not None:
        session, _ = await chat.open_session(conn, caller, session_id)
        return _Scope([session_id], [session_id], session.message_count)
    row = await store.scope(conn, caller.user_id, caller.tenant)
    return _Scope(row["sessions"], None, row["messages"] if row["all"] else None)


async def _by_terms(
    conn: Connection, scope: _Scope, wanted: Wanted, sought: Sought, limit: int
) -> tuple[list[Row], bool]:
    """The best, and whether messages were left out that were not looked at."""
    if not sought.terms:
        return [], False
    words = await _words(conn, sought)
    rows: list[Row] = []
    partial = False
    if words.required and len(words.required) <= ALL_MOST and all(map(words.of, words.required)):
        rarest = min(map(words.of, words.required))
        few = rarest <= LEADS or (rarest <= LEADS_ALL and words.expected() <= LEADS / 3)
        rows, partial = await _look(conn, scope, wanted, words, words.required, few=few, every=True, limit=limit)
    if not rows and words.known:
        leading = _leading(words)
        few = words.of(leading[0]) <= LEADS
        rows, missed = await _look(conn, scope, wanted, words, leading, few=few, every=False, limit=limit)
        partial = partial or missed
    return rows, partial


async def _look(
    conn: Connection, scope: _Scope, wanted: Wanted, words: _Words, terms: Sequence[int], *, few: bool, every: bool,
    limit: int
) -> tuple[list[Row], bool]:
    """`few`: so few messages have the terms that these lead to them."""
    whole = scope.within(store.SCAN)
    look, where = (store.look_up, scope.named) if few and not whole else (store.look_through, scope.sessions)
    rows = await look(conn, where, wanted, words.weighed(), terms, every=every, limit=limit)
    return rows, not few and not whole


async def _words(conn: Connection, sought: Sought) -> _Words:
    keys = {term: key_of(term) for term in sought.terms}
    frequency = await store.frequencies(conn, list(keys.values()))
    return _Words(
        [keys[term] for term in sought.required],
        [key for key in keys.values() if frequency.get(key, 0) > 0],
        frequency,
    )


def _leading(words: _Words) -> list[int]:
    """The rarest terms, as many as lead to no more messages than are scored, and one in any case."""
    found: list[int] = []
    messages = 0
    for term in sorted(words.known, key=words.of):
        messages += words.of(term)
        if found and messages > store.PARTIAL:
            break
        found.append(term)
    return found


def _result(row: Row, shown: str) -> Json:
    return {
        "message_id": row["message_id"], "session_id": row["session_id"], "snippet": shown,
        "score": round(row["score"], 4), "created_at": row["created_at"],
    }
