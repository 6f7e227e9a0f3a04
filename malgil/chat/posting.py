"""Posting messages: the verb behind the group commit, with a constant number of statements a batch.

    lock the streams → who may post where → which are known → append (once per sender and session) → rows,
    counters, turns

Where several people write to one session in the same batch each gets an append of their own, because an append has
one actor; that is the one loop over statements, and as long as a batch has one sender a session it runs once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from malgil.agents import actions as agents
from malgil.agents.model import NewTurn, Queued
from malgil.chat import policy, store
from malgil.chat.errors import NoAgent, OtherAgent, SessionNotFound
from malgil.chat.events import MessageCreated
from malgil.chat.model import Message, NewMessage, Posted, SendKey
from malgil.chat.projection import created_message
from malgil.kit.errors import MalgilError
from malgil.kit.ids import MESSAGE, MessageId
from malgil.log import actions as log
from malgil.log.model import Append, Entry
from malgil.log.scribe import Scribe
from malgil.realtime.errors import Gone
from malgil.storage.database import Row, UnitOfWork

Outcome = Posted | Exception


class NeedsOwnUnit(Exception):
    """The session's queue policy asks for `actions.post_alone`. Never leaves this room."""


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A message that will be written: its place in the batch, its fact, its turn when there is one to come."""

    place: int
    new: NewMessage
    fact: MessageCreated
    turn: NewTurn | None

    @property
    def facts(self) -> int:
        return 1 if self.turn is None else 2


async def post_messages(
    uow: UnitOfWork, scribe: Scribe, sent: Sequence[NewMessage], *, alone: bool = False
) -> list[Outcome]:
    """What became of each message: Posted, or the error that its sender alone is told.

    A message whose client_message_id is known, from before or from earlier in the batch, is the first one again,
    marked duplicate. Sessions whose policy is not `enqueue` answer NeedsOwnUnit unless `alone`.
    """
    await log.lock(uow, sorted({new.session_id for new in sent}))
    doors = await _doors(uow, sent)
    keys = [new.key for new in sent if new.key]
    known = await store.sent_before(uow.conn, keys) if keys else {}
    outcomes: dict[int, Outcome] = {}
    accepted: list[_Accepted] = []
    first: dict[SendKey, int] = {}
    for place, new in enumerate(sent):
        key = new.key
        door = _door(doors, new)
        if door is None:
            outcomes[place] = SessionNotFound(new.session_id)
        elif door["status"] == "deleted":
            outcomes[place] = Gone(f"Session {new.session_id!r} has been erased.")
        elif key in known:
            outcomes[place] = _again(known[key])
        elif key in first:
            continue
        elif refusal := _refusal(new, door, alone):
            outcomes[place] = refusal
        else:
            accepted.append(_accept(scribe, place, new, door))
            if key:
                first[key] = place
    await _write(uow, scribe, accepted, outcomes)
    return [_outcome(place, new, outcomes, first) for place, new in enumerate(sent)]


async def known(uow: UnitOfWork, new: NewMessage) -> Posted | None:
    """The message that this one repeats, if its sender may see it."""
    if new.key is None or _door(await _doors(uow, [new]), new) is None:
        return None
    rows = await store.sent_before(uow.conn, [new.key])
    return _again(rows[new.key]) if new.key in rows else None


async def _doors(uow: UnitOfWork, sent: Sequence[NewMessage]) -> dict[tuple[str, str], Row]:
    users = sorted({user for new in sent for user in new.users})
    rows = await store.postable(uow.conn, sorted({new.session_id for new in sent}), users)
    return {(row["session_id"], row["user_id"]): row for row in rows}


def _door(doors: dict[tuple[str, str], Row], new: NewMessage) -> Row | None:
    """The session as seen by whoever of the two takes part in it, the sender first."""
    found = doors.get((new.session_id, new.sender.user_id)) or doors.get((new.session_id, new.caller.user_id))
    return found if found and found["tenant"] == new.caller.tenant else None


def _refusal(new: NewMessage, door: Row, alone: bool) -> Exception | None:
    try:
        policy.require_post(new.session_id, door["status"], door["role"])
    except MalgilError as e:
        return e
    if door["agent_id"] is None:
        return NoAgent(new.session_id) if new.wants_answer else None
    if new.agent_id not in (None, door["agent_id"]):
        return OtherAgent(f"In session {new.session_id!r} agent {door['agent_id']} answers, not {new.agent_id}.")
    return None if alone or door["queue_policy"] == "enqueue" else NeedsOwnUnit()


def _accept(scribe: Scribe, place: int, new: NewMessage, door: Row) -> _Accepted:
    message_id = MessageId(scribe.new_id(MESSAGE))
    fact = MessageCreated(
        message_id=message_id, sender_type="user", sender_id=new.sender.user_id, message_type=new.message_type,
        content=new.content, metadata=new.metadata, client_message_id=new.client_message_id,
        client_time=new.client_time,
    )
    turn = None if door["agent_id"] is None else agents.plan_turn(
        scribe, session_id=new.session_id, tenant=new.caller.tenant, user_id=new.sender.user_id,
        agent_id=door["agent_id"], prompt_id=message_id,
    )
    return _Accepted(place, new, fact, turn)


async def _write(
    uow: UnitOfWork, scribe: Scribe, accepted: Sequence[_Accepted], outcomes: dict[int, Outcome]
) -> None:
    messages: list[Message] = []
    turns: list[Queued] = []
    for groups in _rounds(accepted):
        results = await scribe.record_many(uow, [_append(group) for group in groups])
        for group, result in zip(groups, results, strict=True):
            if isinstance(result, Exception):
                outcomes.update({one.place: result for one in group})
                continue
            for one, entry in zip(group, _prompts(group, result), strict=True):
                messages.append(created_message(one.fact, entry))
                outcomes[one.place] = Posted(one.new.session_id, MessageId(one.fact.message_id), entry.seq, entry.at)
                if one.turn is not None:
                    turns.append(Queued(one.turn, entry.seq, entry.seq + 1))
    if messages:
        await store.write_messages(uow.conn, messages)
        await agents.enqueue(uow, scribe, turns)


def _rounds(accepted: Sequence[_Accepted]) -> Iterator[list[list[_Accepted]]]:
    """Groups of one session and one sender; each session at most once a round."""
    by_session: dict[str, dict[str, list[_Accepted]]] = {}
    for one in accepted:
        by_session.setdefault(one.new.session_id, {}).setdefault(one.fact.sender_id, []).append(one)
    for groups in zip_longest(*(senders.values() for senders in by_session.values())):
        yield [group for group in groups if group]


def _append(group: Sequence[_Accepted]) -> Append:
    facts = [fact for one in group for fact in ((one.fact, one.turn.fact) if one.turn else (one.fact,))]
    return Append(group[0].new.session_id, facts, actor=group[0].fact.sender_id)


def _prompts(group: Sequence[_Accepted], entries: Sequence[Entry]) -> Iterator[Entry]:
    """Of the append's entries those that are messages, in the order of the group."""
    place = 0
    for one in group:
        yield entries[place]
        place += one.facts


def _again(row: Row) -> Posted:
    return Posted(row["session_id"], row["message_id"], row["seq"], row["created_at"], duplicate=True)


def _outcome(place: int, new: NewMessage, outcomes: dict[int, Outcome], first: dict[SendKey, int]) -> Outcome:
    if place in outcomes:
        return outcomes[place]
    assert new.key is not None
    original = outcomes[first[new.key]]
    return replace(original, duplicate=True) if isinstance(original, Posted) else original
