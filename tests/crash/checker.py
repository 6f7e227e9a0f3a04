"""What must hold however often the server dies: pure, and written against the protocol alone (nothing of malgil here).

`check` takes what clients were told on the wire, what they sent, and what the server says afterwards (its log, its
messages, its refunds), and names every promise of realtime.md that was broken. It trusts nobody: a client's frames are
held against the log entry by entry, and what the frames add up to against the stored message.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.crash.fold import TERMINAL_STATES, Fold, first_seq
from tests.crash.history import ACTING_TOOL, Client, Frame, History, Send, Session, Violation

TAKEOVER_SECONDS = 3.0
"""How long after the lease a lost turn may wait for its new owner."""


def check(history: History) -> list[Violation]:
    """Everything that is wrong: of each session, of what was told, sent and done. Empty when all is well."""
    return [
        *(v for session in history.sessions.values() for v in _session(session, history)),
        *_payloads(history),
        *(v for send in history.sends for v in _send(send, history)),
        *_told_twice(history),
        *(v for client in history.clients for v in _client(client, history)),
        *_refunds(history),
        *_takeovers(history),
    ]


# One session as the server tells it afterwards.


def _session(session: Session, history: History) -> Iterator[Violation]:
    where = f"log of {session.session_id}"
    fold = Fold(where)
    for frame in session.log:
        fold.take(frame)
    yield from fold.violations
    if session.log and first_seq(session.log[0]) != 1:
        yield Violation("dense", where, f"begins at seq {session.log[0]['seq']}")
    for before, after in pairwise(session.log):
        if first_seq(after) != before["seq"] + 1:
            yield Violation("dense", where, f"seq {before['seq']} is followed by {first_seq(after)}")
    yield from _ends(session, where, fold, may_fail=history.may_fail)
    yield from _messages(session, where, fold)
    yield from _tools(session, where)


def _ends(session: Session, where: str, fold: Fold, *, may_fail: bool) -> Iterator[Violation]:
    """Each accepted message has its turn, and each turn one terminal state."""
    for prompt in _prompts(session.log):
        if prompt.answer_id is None:
            yield Violation("one-end", where, f"message {prompt.message_id} was accepted and no turn queued")
            continue
        ends = [f for f in session.log if f.get("message_id") == prompt.answer_id and _is_terminal(f)]
        if len(ends) != 1:
            yield Violation("one-end", where, f"answer {prompt.answer_id} has {len(ends)} terminal states")
        for end in ends:
            how = end.get("finish_reason") or end["state"]
            if how == "failed" and not may_fail:
                yield Violation("one-end", where, f"answer {prompt.answer_id} failed: {end.get('error')}")
    unasked = fold.answers.keys() - {prompt.answer_id for prompt in _prompts(session.log)}
    yield from (Violation("one-end", where, f"answer {answer} answers nothing") for answer in sorted(unasked))


def _messages(session: Session, where: str, fold: Fold) -> Iterator[Violation]:
    """The stored messages are exactly those of the log, and each answer's text is what its pieces add up to."""
    logged = [f["message_id"] for f in session.log if f["type"] in ("message", "stream_end")]
    stored = [m["message_id"] for m in session.messages]
    for message_id, count in (Counter(logged) - Counter(stored)).items():
        yield Violation("stored", where, f"message {message_id} is in the log and stored {count} times too few")
    for message_id, count in (Counter(stored) - Counter(logged)).items():
        yield Violation("stored", where, f"message {message_id} is stored {count} times more than logged")
    if stored != logged and Counter(stored) == Counter(logged):
        yield Violation("stored", where, "the messages are stored in another order than logged")
    for message in session.messages:
        answer = fold.answers.get(message["message_id"])
        if answer is not None:
            yield from answer.differences(message["content"], where)


def _tools(session: Session, where: str) -> Iterator[Violation]:
    """A call begins once and ends once; a call that acts runs once for one answer and one thing."""
    calls = [f for f in session.log if f["type"] == "tool"]
    for states in (("started",), ("finished", "failed")):
        for call_id, count in Counter(f["call_id"] for f in calls if f["state"] in states).items():
            if count > 1:
                yield Violation("tool-once", where, f"call {call_id} {' or '.join(states)} {count} times")
    started = {f["call_id"] for f in calls if f["state"] == "started"}
    ended = {f["call_id"] for f in calls if f["state"] != "started"}
    over = {f["message_id"] for f in session.log if f["type"] == "stream_end" and f["finish_reason"] == "stop"}
    for frame in calls:
        if frame["call_id"] not in started:
            yield Violation("tool-once", where, f"call {frame['call_id']} ended and never started")
        elif frame["call_id"] not in ended and frame["message_id"] in over:
            yield Violation("tool-once", where, f"call {frame['call_id']} has no result and its answer is complete")
    acts = Counter(
        (f["message_id"], f["arguments"].get("order_number"))
        for f in calls if f["name"] == ACTING_TOOL and f["state"] == "started"
    )
    for (message_id, order), count in acts.items():
        if count > 1:
            yield Violation("tool-once", where, f"{ACTING_TOOL} of order {order} ran {count} times for {message_id}")


@dataclass(frozen=True, slots=True)
class _Prompt:
    message_id: str
    answer_id: str | None
    frame: Frame


def _prompts(log: Sequence[Frame]) -> list[_Prompt]:
    """The users' messages; a message and its queued turn are one append, so they stand next to each other."""
    found = []
    for frame, following in zip(log, [*log[1:], None], strict=True):
        if frame["type"] == "message" and frame["sender_type"] == "user":
            queued = following is not None and following["type"] == "turn" and following["state"] == "queued"
            found.append(_Prompt(frame["message_id"], following["message_id"] if queued and following else None, frame))
    return found


def _is_terminal(frame: Frame) -> bool:
    return frame["type"] == "stream_end" or (frame["type"] == "turn" and frame["state"] in TERMINAL_STATES)


# What is true of all who were told something.


def _payloads(history: History) -> Iterator[Violation]:
    """A (session, epoch, seq) never has two payloads, whoever was told and whenever; and there is one epoch."""
    told: dict[tuple[str, str], tuple[str, Frame]] = {}
    for where, session_id, frames in _tellings(history):
        for frame in frames:
            if first_seq(frame) != frame["seq"]:
                continue  # merged pieces are another form of the same entries; the fold checks their text
            key = (session_id, frame["cursor"])
            first, payload = told.setdefault(key, (where, frame))
            if payload != frame:
                yield Violation("payload", where, f"{key[1]} is {frame}, but to {first} it was {payload}")
    for session in history.sessions.values():
        epochs = {c.partition(".")[0] for s, c in told if s == session.session_id}
        if len(epochs) > 1:
            yield Violation("epoch", session.session_id, f"has the epochs {sorted(epochs)}")


def _tellings(history: History) -> Iterator[tuple[str, str, Iterable[Frame]]]:
    for session in history.sessions.values():
        yield f"log of {session.session_id}", session.session_id, session.log
    for client in history.clients:
        if not client.translated:
            yield client.name, client.session_id, (seen.frame for visit in client.visits for seen in visit.seen)


def _send(send: Send, history: History) -> Iterator[Violation]:
    """However often it was sent: one message, and every answer to the sender names it."""
    session = history.sessions[send.session_id]
    found = [p for p in _prompts(session.log) if p.frame.get("client_message_id") == send.client_message_id]
    ids = {p.message_id for p in found} | {ack["message_id"] for ack in send.acks}
    if len(found) > 1 or len(ids) > 1:
        yield Violation("one-message", send.client_message_id, f"sent {send.times} times, became {sorted(ids)}")
    if not found and send.accepted:
        yield Violation("one-message", send.client_message_id, "was accepted and is not in the log")
    if not send.accepted:
        yield Violation("one-message", send.client_message_id, f"was not accepted in {send.times} sends")
    for prompt in found:
        if prompt.frame["content"] != send.content:
            yield Violation("one-message", send.client_message_id, f"was stored as {prompt.frame['content']!r}")


def _told_twice(history: History) -> Iterator[Violation]:
    """No message stands for two sends."""
    owners: dict[str, set[str]] = {}
    for send in history.sends:
        for ack in send.acks:
            owners.setdefault(ack["message_id"], set()).add(send.client_message_id)
    for message_id, sends in owners.items():
        if len(sends) > 1:
            yield Violation("one-message", message_id, f"was given to the sends {sorted(sends)}")


# One client.


def _client(client: Client, history: History) -> Iterator[Violation]:
    session = history.sessions[client.session_id]
    fold = Fold(client.name, projected=client.follows == "answer")
    if client.follows == "session":
        yield from _whole(client, session, fold)
    else:
        yield from _projected(client, session, fold)
    yield from fold.violations
    stored = {m["message_id"]: m for m in session.messages}
    for answer_id, answer in fold.answers.items():
        if answer.ended and answer_id in stored:
            yield from answer.differences(stored[answer_id]["content"], client.name)


@dataclass
class _Place:
    """Where a client stands, and what was wrong on its way there."""

    client: str
    seq: int
    wrong: list[Violation] = field(default_factory=list)

    def missed(self, first: int, last: int) -> None:
        if first <= last:
            self.wrong.append(Violation("delivered", self.client, f"was never told seq {first}–{last}"))

    def twice(self, seq: int) -> None:
        self.wrong.append(Violation("delivered", self.client, f"was told seq {seq} again, standing at {self.seq}"))


def _whole(client: Client, session: Session, fold: Fold) -> Iterator[Violation]:
    """A follower of the session is told every entry after its beginning, once and in order, across all its visits."""
    begins = [visit.begin for visit in client.visits if visit.begin is not None]
    if not begins:
        yield Violation("delivered", client.name, "was never let in")
        return
    place = _Place(client.name, begins[0])
    for visit in client.visits:
        if visit.begin is not None and visit.begin != place.seq:
            yield Violation("resumed", client.name, f"stood at {place.seq} and was let in at {visit.begin}")
        for frame in (seen.frame for seen in visit.seen):
            if frame["seq"] <= place.seq:
                place.twice(frame["seq"])
                continue
            place.missed(place.seq + 1, first_seq(frame) - 1)
            place.seq = frame["seq"]
            fold.take(frame)
    head = session.log[-1]["seq"] if session.log else 0
    place.missed(place.seq + 1, head)
    if place.seq > head:
        yield Violation("delivered", client.name, f"was told seq {place.seq}, but the log ends at {head}")
    yield from place.wrong


def _projected(client: Client, session: Session, fold: Fold) -> Iterator[Violation]:
    """A follower of one answer is told exactly its entries, from `stream_start` to its end."""
    frames = [seen.frame for visit in client.visits for seen in visit.seen]
    if client.refused:
        yield Violation("finished", client.name, client.refused)
    answers = {f["message_id"] for f in frames}
    if len(answers) != 1:
        yield Violation("delivered", client.name, f"was told of {len(answers)} answers: {sorted(answers)}")
        return
    (answer_id,) = answers
    expected = {f["seq"]: f for f in session.log if f.get("message_id") == answer_id and _is_shown(f)}
    place = _Place(client.name, 0)
    for frame in frames:
        if frame["seq"] <= place.seq:
            place.twice(frame["seq"])
            continue
        place.seq = frame["seq"]
        fold.take(frame)
        entry = expected.pop(frame["seq"], None)
        if entry is None:
            yield Violation("delivered", client.name, f"was told {frame}, which is not of its answer")
        elif any(entry.get(key) != value for key, value in frame.items()):
            yield Violation("payload", client.name, f"was told {frame}, but the log says {entry}")
    for seq in expected:
        place.missed(seq, seq)
    yield from place.wrong


def _is_shown(frame: Frame) -> bool:
    return frame["type"] in ("stream_start", "stream_chunk", "stream_reset", "tool") or _is_terminal(frame)


# What happened outside of the log.


def _refunds(history: History) -> Iterator[Violation]:
    """A refund and its logged result exist both or neither, one for an order."""
    said = dict(_refunded(history))
    rows = {row["call_id"]: row["order_number"] for row in history.refunds}
    for call_id in sorted(said.keys() | rows.keys()):
        if said.get(call_id) != rows.get(call_id):
            what = f"the log says that it refunded {said.get(call_id)}, the rows {rows.get(call_id)}"
            yield Violation("effect", call_id, what)
    for order, count in (Counter(said.values()) | Counter(rows.values())).items():
        if count > 1:
            yield Violation("effect", f"order {order}", f"was refunded {count} times")


def _refunded(history: History) -> Iterator[tuple[str, int]]:
    """(call, order) of every result that says that an order was refunded by it."""
    for session in history.sessions.values():
        for frame in session.log:
            if frame["type"] == "tool" and frame["name"] == ACTING_TOOL and frame["state"] == "finished":
                result = frame["result"]
                if result.get("requested"):
                    yield frame["call_id"], result["order_number"]


def _takeovers(history: History) -> Iterator[Violation]:
    """A turn that was lost goes on within the lease and three seconds (or three seconds of there being a taker)."""
    first: dict[tuple[str, int], float] = {}
    for client in history.clients:
        for seen in (seen for visit in client.visits for seen in visit.seen):
            if seen.frame["type"] == "turn" and seen.frame["state"] == "resumed":
                key = (client.session_id, seen.frame["seq"])
                first[key] = min(first.get(key, seen.at), seen.at)
    for (session_id, seq), at in first.items():
        before = [outage for outage in history.outages if outage.lost_at <= at]
        if not before:
            continue
        last = before[-1]
        late = at - max(last.lost_at + last.lease, last.taker_at) - TAKEOVER_SECONDS
        if late > 0:
            yield Violation("takeover", session_id, f"seq {seq}: resumed {late:.1f} s too late")
