"""The clients of one round, and what they leave behind: a History for the checker."""

import asyncio
import random
import time
from collections.abc import Coroutine
from typing import Any, Literal, Protocol, Self

import httpx

from tests.crash.clients import (
    LATER,
    LOST,
    PAUSE,
    EventFollower,
    Front,
    Listener,
    NamedStream,
    Socket,
    StreamedPost,
    post,
)
from tests.crash.fold import TERMINAL_STATES
from tests.crash.harness import until
from tests.crash.history import Client, Frame, History, Outage, Send, Session
from tests.crash.plan import Ask
from tests.crash.socketio_client import SocketIO

Kind = Literal["socket", "events", "socketio"]

_TALKERS: dict[str, type[Socket] | type[SocketIO]] = {"socket": Socket, "socketio": SocketIO}
_TITLED = {"title": "chaos"}
"""With a title: otherwise the agent gives one some time after the first answer, when the history is being read."""


class Nodes(Front, Protocol):
    """One server or several: where clients connect to, and what their database says."""

    async def rows(self, sql: str) -> list[dict[str, object]]: ...


class Play:
    """Opens sessions, lets clients listen and ask. `server` is who is asked when all is over.

    Use as a context manager: when it is left, no client is left.
    """

    def __init__(self, server: Nodes, chance: random.Random) -> None:
        self.history = History()
        self.notes: list[str] = []
        self._server = server
        self._chance = chance
        self._begun = time.monotonic()
        self._steady: dict[str, Socket | SocketIO] = {}
        self._listeners: list[Listener] = []
        self._background: list[asyncio.Task[None]] = []
        self._asking: list[asyncio.Task[None]] = []
        self._refunded: set[object] = set()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(5.0, read=None), limits=limits, trust_env=False)

    async def __aenter__(self) -> Self:
        self._refunded = {row["call_id"] for row in await self._refunds()}
        return self

    async def __aexit__(self, *error: object) -> None:
        tasks = [*self._background, *self._asking]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.aclose()

    def note(self, what: str) -> None:
        """Something that happened, for the report."""
        self.notes.append(f"{time.monotonic() - self._begun:7.3f} s  {what}")

    # Who is there.

    async def session(self, talks: Literal["socket", "socketio"] = "socket") -> str:
        """A new session, and a steady listener in it: a socket that comes back at once and never leaves by itself."""
        key = f"session-{self._chance.getrandbits(64):016x}"
        while True:
            try:
                response = await self._http.post(
                    f"{self._server.url}/api/chat/sessions", json=_TITLED, headers={"Idempotency-Key": key}, timeout=5.0
                )
            except LOST:
                await asyncio.sleep(PAUSE)
                continue
            if response.status_code == LATER:
                await asyncio.sleep(PAUSE)
                continue
            assert response.status_code == 201, response.text
            break
        session_id: str = response.json()["session_id"]
        self.history.sessions[session_id] = Session(session_id)
        client = self._client(session_id, "steady")
        self._steady[session_id] = _TALKERS[talks](self._server, client, self._chance, drops=False)
        self._start(self._background, self._steady[session_id].run())
        return session_id

    def listen(self, session_id: str, kind: Kind, server: Front | None = None) -> Client:
        """A client that follows the session and now and then drops its connection."""
        client = self._client(session_id, kind)
        front = server or self._server
        chance = random.Random(self._chance.getrandbits(64))
        listener: Listener = (
            EventFollower(front, client, chance, self._http) if kind == "events"
            else _TALKERS[kind](front, client, chance, drops=True)
        )
        self._listeners.append(listener)
        self._start(self._background, listener.run())
        return client

    def ask(self, session_id: str, ask: Ask, server: Front | None = None) -> None:
        """Send a question, when its time has come, until it is accepted."""
        self._start(self._asking, self._ask(session_id, ask, server or self._server))

    def stop(self, session_id: str, pieces: int) -> None:
        """Stop the session's answers once so many pieces have been told."""
        self._start(self._background, self._stop(session_id, pieces))

    # How it goes.

    @property
    def pieces(self) -> int:
        """How many pieces the steady listeners have been told."""
        return sum(f["type"] == "stream_chunk" for one in self._steady.values() for f in told(one.client))

    @property
    def quiet(self) -> bool:
        """Whether everything was asked, accepted and, as far as the steady listeners are told, answered."""
        if not all(task.done() for task in self._asking):
            return False
        known = [told(one.client) for one in self._steady.values()]
        heard = {frame.get("client_message_id") for frames in known for frame in frames if frame["type"] == "message"}
        return all(send.client_message_id in heard for send in self.history.sends) and not any(map(open_answers, known))

    def told(self, session_id: str) -> list[Frame]:
        """What the session's steady listener has been told so far."""
        return told(self._steady[session_id].client)

    def lost(self, since: float, lease: float = 0.0) -> None:
        """A process was gone from `since` to now, when there is one that can take over."""
        self.history.outages.append(Outage(since, time.monotonic(), lease))

    async def finish(self, deadline: float, *, grace: float = 10.0) -> History:
        """The whole history, once every question is answered (at the latest in `deadline` seconds).

        Who listens gets `grace` seconds more to be told what the log holds.
        """
        end = time.monotonic() + deadline
        while not await until(lambda: self.quiet, 1.0):
            if time.monotonic() > end or await self._answered():
                break
        for session in self.history.sessions.values():
            session.log = await self._log(session.session_id)
            session.messages = await self._messages(session.session_id)
        heads = {s.session_id: s.log[-1]["seq"] for s in self.history.sessions.values()}
        followers = [*self._listeners, *self._steady.values()]
        await until(lambda: all(one.seq >= heads[one.client.session_id] for one in followers), grace)
        for task in (*self._asking, *self._background):
            # A client of ours that broke must not look like a server that did not serve it.
            if task.done() and not task.cancelled() and (fault := task.exception()):
                raise fault
        rows = await self._refunds()
        self.history.refunds = [row for row in rows if row["call_id"] not in self._refunded]
        return self.history

    # How it is done.

    async def _ask(self, session_id: str, ask: Ask, front: Front) -> None:
        await asyncio.sleep(ask.after)
        if ask.way == "named":
            client = self._client(session_id, ask.way, answer=True)
            await NamedStream(front, client, self._chance, self._http, ask.text, ask.user_id).run()
            return
        send = Send(session_id, f"c{len(self.history.sends)}-{self._chance.getrandbits(32):08x}", ask.text)
        self.history.sends.append(send)
        if ask.way == "socket":
            await self._steady[session_id].send(send, ask.user_id, repeats=ask.repeats)
        elif ask.way == "post":
            await post(self._http, front, send, ask.user_id, repeats=ask.repeats)
        else:
            client = self._client(session_id, ask.way, answer=True)
            await StreamedPost(front, client, self._chance, self._http, send, ask.user_id).run()

    async def _stop(self, session_id: str, pieces: int) -> None:
        def enough() -> bool:
            return sum(f["type"] == "stream_chunk" for f in self.told(session_id)) >= pieces

        while not await until(enough, 60.0):
            pass
        self.note(f"stop {session_id}")
        while True:
            try:
                said = await self._http.post(f"{self._server.url}/api/chat/sessions/{session_id}/stop", timeout=5.0)
                if said.status_code != LATER:
                    return
            except LOST:
                pass
            await asyncio.sleep(PAUSE)

    async def _answered(self) -> bool:
        """Whether everything is asked and answered in the log, whatever listeners were told."""
        if not all(task.done() for task in self._asking):
            return False
        logs = [await self._log(session_id) for session_id in self.history.sessions]
        return not any(map(open_answers, logs))

    async def _log(self, session_id: str) -> list[Frame]:
        frames: list[Frame] = []
        after = "start"
        while True:
            page = await self._get(f"/api/chat/sessions/{session_id}/events?after={after}&limit=500")
            frames += page["events"]
            after = page["cursor"]
            if not page["has_more"]:
                return frames

    async def _messages(self, session_id: str) -> list[dict[str, Any]]:
        page = await self._get(f"/api/chat/sessions/{session_id}/messages?after=0&limit=200")
        assert not page["has_more"], "a round has fewer messages"
        messages: list[dict[str, Any]] = page["messages"]
        return messages

    async def _get(self, path: str) -> dict[str, Any]:
        response = await self._http.get(self._server.url + path, timeout=10.0)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def _refunds(self) -> list[dict[str, Any]]:
        return await self._server.rows("SELECT call_id, order_number FROM shop_refunds")

    def _client(self, session_id: str, kind: str, *, answer: bool = False) -> Client:
        name = f"{kind} {len(self.history.clients)} in {session_id}"
        client = Client(name, session_id, "answer" if answer else "session")
        self.history.clients.append(client)
        return client

    def _start(self, tasks: list[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        tasks.append(asyncio.create_task(work))


def told(client: Client) -> list[Frame]:
    """The entries that the client has been told, in the order of telling."""
    return [seen.frame for visit in client.visits for seen in visit.seen]


def open_answers(frames: list[Frame]) -> set[str]:
    """The answers that have been queued and have not ended."""
    found: set[str] = set()
    for frame in frames:
        if frame["type"] == "turn" and frame["state"] == "queued":
            found.add(frame["message_id"])
        elif frame["type"] == "stream_end" or (frame["type"] == "turn" and frame["state"] in TERMINAL_STATES):
            found.discard(frame["message_id"])
    return found
