"""A Socket.IO client as it is in the wild, kept in a Client record like the others."""

import asyncio
import random
from typing import Any

import aiohttp
import socketio
from socketio.exceptions import SocketIOError

from tests.crash.clients import LOST, PATIENCE, PAUSE, Front, Listener, seq_of
from tests.crash.history import Client, Frame, Send, Visit


class SocketIO(Listener):
    """Follows the session from its beginning on the websocket transport, and sends with acknowledgements."""

    def __init__(self, front: Front, client: Client, chance: random.Random, *, drops: bool) -> None:
        super().__init__(front, client, chance, drops=drops)
        self._connection: socketio.AsyncClient | None = None

    async def visit(self, visit: Visit) -> bool:
        done = asyncio.Event()
        async with aiohttp.ClientSession() as http:
            connection = socketio.AsyncClient(reconnection=False, http_session=http)

            def hear(name: str, frame: Frame) -> None:
                if not done.is_set() and self._hear(visit, name, frame):
                    done.set()
                if visit.begin is not None and not done.is_set():
                    self._connection = connection

            def end(_reason: str) -> None:
                done.set()

            connection.on("*", hear)
            connection.on("disconnect", end)
            auth = {"session_id": self.client.session_id, "after": self.last or "start"}
            try:
                await connection.connect(self._front.url, auth=auth, transports=["websocket"], wait_timeout=PATIENCE)
                await done.wait()
            except SocketIOError as error:
                raise ConnectionError("refused, or not there") from error
            finally:
                self._connection = None
                await connection.disconnect()
        return False

    def _hear(self, visit: Visit, name: str, frame: Frame) -> bool:
        if name == "connected":
            visit.begin = seq_of(frame["cursor"])
        elif name == "error" and "close_code" in frame:
            visit.status = frame["close_code"]
        elif "seq" in frame and "cursor" in frame:
            return self.note(visit, frame, frame["cursor"])
        return False

    async def send(self, send: Send, user_id: str | None, *, repeats: int = 0) -> None:
        """Send until it is confirmed, on as many connections as it takes, and then `repeats` times more."""
        frame: dict[str, Any] = {"content": send.content, "client_message_id": send.client_message_id}
        frame |= {"user_id": user_id} if user_id else {}
        while len(send.acks) <= repeats:
            connection = self._connection
            if connection is None:
                await asyncio.sleep(PAUSE)
                continue
            send.times += 1
            try:
                ack = await connection.call("message", frame, timeout=PATIENCE)
            except (SocketIOError, *LOST):
                await asyncio.sleep(PAUSE)
                continue
            if "error" not in ack and "message_id" in ack:
                send.acks.append({"type": "ack"} | ack)
                send.accepted = True
            else:
                await asyncio.sleep(PAUSE)
