"""Clients as they are in the wild: they lose their connection, come back to where they were, and send again what was
not confirmed. Everything they are told goes into a Client record, for the checker."""

import asyncio
import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.crash.harness import until
from tests.crash.history import Client, Frame, Seen, Send, Visit

PAUSE = 0.05
"""Between two attempts to connect."""
LATER = 503
PATIENCE = 2.0
"""How long a sender waits for an answer before it sends again."""

class Front(Protocol):
    """Where clients connect to: one server, or whatever stands before several. Asked anew for every connection."""

    @property
    def url(self) -> str: ...


LOST = (ConnectionClosed, InvalidHandshake, InvalidMessage, httpx.HTTPError, OSError, EOFError)


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    id: str
    name: str
    data: str


async def events(response: httpx.Response) -> AsyncGenerator[Event, None]:
    """The whole events of a stream; one that was cut in the middle is none."""
    rest = b""
    async for chunk in response.aiter_raw():
        *whole, rest = (rest + chunk).split(b"\n\n")
        for block in whole:
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if ": " in line)
            if "id" in fields:
                yield Event(fields["id"], fields.get("event", ""), fields.get("data", ""))


class Listener(ABC):
    """A client that comes back until it has heard everything. `drops`: it also leaves of its own, now and then."""

    def __init__(self, front: Front, client: Client, chance: random.Random, *, drops: bool) -> None:
        self.client = client
        self.last = ""
        self._front = front
        self._chance = chance
        self._drops = drops
        self._left = 0

    @property
    def seq(self) -> int:
        """How far it has been told."""
        return seq_of(self.last) if self.last else 0

    async def run(self) -> None:
        """Listen until there is nothing more to hear (`visit` says so) or until cancelled."""
        while True:
            visit = Visit()
            self.client.visits.append(visit)
            self._left = self._chance.randrange(1, 40) if self._drops else 1_000_000
            try:
                if await self.visit(visit):
                    return
            except LOST:
                pass
            await asyncio.sleep(PAUSE)

    @abstractmethod
    async def visit(self, visit: Visit) -> bool:
        """One connection, to its end or to where the client hangs up. Whether everything has been heard."""

    def note(self, visit: Visit, frame: Frame, cursor: str) -> bool:
        """Keep an entry; whether it is time to hang up."""
        visit.seen.append(Seen(time.monotonic(), frame))
        self.last = cursor
        self._left -= 1
        return self._left <= 0


class Socket(Listener):
    """A WebSocket that follows the session from its beginning, and sends."""

    def __init__(self, front: Front, client: Client, chance: random.Random, *, drops: bool) -> None:
        super().__init__(front, client, chance, drops=drops)
        self._connection: ClientConnection | None = None
        self._acks: list[dict[str, Any]] = []

    async def visit(self, visit: Visit) -> bool:
        after = self.last or "start"
        uri = f"{self._front.url.replace('http', 'ws', 1)}/ws/{self.client.session_id}?after={after}"
        async with connect(uri, compression=None, ping_interval=None, close_timeout=0.2, max_queue=None) as connection:
            try:
                async for text in connection:
                    if self._hear(visit, json.loads(text)):
                        connection.transport.abort()
                        return False
                    if visit.begin is not None:
                        self._connection = connection
            finally:
                self._connection = None
                visit.status = connection.close_code
        return False

    def _hear(self, visit: Visit, frame: Frame) -> bool:
        if frame["type"] == "connected":
            visit.begin = seq_of(frame["cursor"])
        elif frame["type"] == "ack":
            self._acks.append(frame)
        elif "seq" in frame:
            return self.note(visit, frame, frame["cursor"])
        return False

    async def send(self, send: Send, user_id: str | None, *, repeats: int = 0) -> None:
        """Send until it is confirmed, on as many connections as it takes, and then `repeats` times more."""
        frame = {"type": "message", "content": send.content, "client_message_id": send.client_message_id}
        frame |= {"user_id": user_id} if user_id else {}
        while len(send.acks) <= repeats:
            connection = self._connection
            if connection is None:
                await asyncio.sleep(PAUSE)
                continue
            send.times += 1
            try:
                await connection.send(json.dumps(frame))
            except LOST:
                await asyncio.sleep(PAUSE)
                continue
            await self._confirmed(send, connection)

    async def _confirmed(self, send: Send, connection: ClientConnection) -> None:
        """Wait for one more ack, as long as there is hope."""
        heard = len(send.acks)
        await until(lambda: len(self._acks_of(send)) > heard or self._connection is not connection, PATIENCE)
        send.acks = self._acks_of(send)
        send.accepted = bool(send.acks)

    def _acks_of(self, send: Send) -> list[dict[str, Any]]:
        return [ack for ack in self._acks if ack["client_message_id"] == send.client_message_id]


class EventFollower(Listener):
    """`GET …/events` as an EventSource would: from the beginning, and resumed by Last-Event-ID."""

    def __init__(self, front: Front, client: Client, chance: random.Random, http: httpx.AsyncClient) -> None:
        super().__init__(front, client, chance, drops=True)
        self._http = http

    async def visit(self, visit: Visit) -> bool:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.last} if self.last else {})
        where = f"{self._front.url}/api/chat/sessions/{self.client.session_id}/events?after=start"
        async with self._http.stream("GET", where, headers=headers) as response:
            visit.status = response.status_code
            if response.status_code == 200:
                async with aclosing(events(response)) as heard:
                    async for event in heard:
                        if not event.data:
                            visit.begin = seq_of(event.id)
                        elif self.note(visit, json.loads(event.data), event.id):
                            break
        return False


class AnswerFollower(Listener):
    """Follows one answer on the stream that its question opened, and at the end asks once more, to be told 204."""

    def __init__(
        self, front: Front, client: Client, chance: random.Random, http: httpx.AsyncClient, *, drops: bool
    ) -> None:
        super().__init__(front, client, chance, drops=drops)
        self._http = http
        self._ended = False

    @abstractmethod
    def request(self) -> httpx.Request:
        """The request that asks, or that goes on from `last`."""

    @abstractmethod
    def entry(self, event: Event) -> Frame:
        """The event as a native frame, as far as it tells."""

    def sent(self) -> None:
        """The request may have reached the server."""

    def accepted(self) -> None:
        """The server has taken the question."""

    async def visit(self, visit: Visit) -> bool:
        try:
            response = await self._http.send(self.request(), stream=True)
        except httpx.ConnectError:
            raise
        except LOST:
            self.sent()
            raise
        self.sent()
        visit.status = response.status_code
        try:
            if self._ended and response.status_code != LATER:
                if response.status_code != 204:
                    self.client.refused = f"came back to a finished stream and got {response.status_code}"
                return True
            if response.status_code == 204:
                self.client.refused = "was told that there is nothing left before it had heard the end"
                return True
            if response.status_code == 200:
                self.accepted()
                await self._listen(visit, response)
        finally:
            await response.aclose()
        return False

    async def _listen(self, visit: Visit, response: httpx.Response) -> None:
        async with aclosing(events(response)) as heard:
            async for event in heard:
                if not event.data:
                    self.last = event.id
                    continue
                frame = self.entry(event)
                self._ended = frame["type"] in ("stream_end", "turn")
                if self.note(visit, frame, event.id) and not self._ended:
                    return


class StreamedPost(AnswerFollower):
    """`POST …/messages/stream`: sent again with the same client_message_id it goes on with its answer."""

    def __init__(
        self, front: Front, client: Client, chance: random.Random, http: httpx.AsyncClient, send: Send,
        user_id: str | None,
    ) -> None:
        super().__init__(front, client, chance, http, drops=True)
        self._send = send
        self._user = {"user_id": user_id} if user_id else {}

    def request(self) -> httpx.Request:
        body = {"content": self._send.content, "client_message_id": self._send.client_message_id, "stream": True}
        return self._http.build_request(
            "POST", f"{self._front.url}/api/chat/sessions/{self.client.session_id}/messages/stream",
            json=body | self._user, headers={"Last-Event-ID": self.last} if self.last else {},
        )

    def sent(self) -> None:
        self._send.times += 1

    def accepted(self) -> None:
        self._send.accepted = True

    def entry(self, event: Event) -> Frame:
        frame: Frame = json.loads(event.data)
        return frame


class NamedStream(AnswerFollower):
    """`GET /agent/chat/stream` as an EventSource. Lost before its first event it asks anew, as an EventSource does."""

    def __init__(
        self, front: Front, client: Client, chance: random.Random, http: httpx.AsyncClient, task: str,
        user_id: str | None,
    ) -> None:
        super().__init__(front, client, chance, http, drops=True)
        self.client.translated = True
        self._asked = {"task": task, "session_id": client.session_id} | ({"user_id": user_id} if user_id else {})
        self._answer_id = ""

    def request(self) -> httpx.Request:
        headers = {"Last-Event-ID": self.last} if self.last else {}
        where = f"{self._front.url}/agent/chat/stream"
        return self._http.build_request("GET", where, params=self._asked, headers=headers)

    def entry(self, event: Event) -> Frame:
        data = json.loads(event.data)
        self._answer_id = data.get("message_id", self._answer_id)
        said: dict[str, Frame] = {
            "start": {"type": "stream_start"},
            "message": {"type": "stream_chunk"} | data,
            "reset": {"type": "stream_reset"} | data,
            "tool": data,
            "done": {"type": "stream_end", "finish_reason": data.get("finish_reason")},
            "error": {"type": "stream_end", "finish_reason": "failed"},
        }
        if data.get("code") == "TURN_STOPPED":
            said["error"] = {"type": "turn", "state": "stopped"}
        cursor = event.id.partition("@")[0]
        return said[event.name] | {"message_id": self._answer_id, "seq": seq_of(cursor), "cursor": cursor}


async def post(
    http: httpx.AsyncClient, front: Front, send: Send, user_id: str | None, *, repeats: int
) -> None:
    """Post over REST until it is accepted, and then `repeats` times more, as a client with a bad network does."""
    body = {"content": send.content, "client_message_id": send.client_message_id}
    body |= {"user_id": user_id} if user_id else {}
    while not send.accepted or repeats > 0:
        repeats -= send.accepted
        try:
            response = await http.post(f"{front.url}/api/chat/sessions/{send.session_id}/messages", json=body,
                                       timeout=PATIENCE)
        except LOST as error:
            send.times += not isinstance(error, httpx.ConnectError)
            await asyncio.sleep(PAUSE)
            continue
        send.times += 1
        if response.status_code == 201:
            send.acks.append(response.json())
            send.accepted = True
        else:
            await asyncio.sleep(PAUSE)


def seq_of(cursor: str) -> int:
    """The position in `<epoch>.<seq>`, whatever is hung on it."""
    return int(cursor.partition("@")[0].rpartition(".")[2])
