"""The ward: looks after all open connections of the process with one timer, and sends them away on a drain."""

import asyncio
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from malgil.access.model import Caller
from malgil.kit.errors import RateLimited, Unavailable
from malgil.realtime.settings import RealtimeSettings

NEVER = float("inf")

_log = logging.getLogger(__name__)


def expiry(caller: Caller, now: datetime) -> float:
    """When the caller's token expires, by the event loop's time."""
    if caller.expires_at is None:
        return NEVER
    return asyncio.get_running_loop().time() + caller.expires_at - now.timestamp()


class Patient(Protocol):
    """An open connection. `due` is when it wants to be looked at next, by the event loop's time."""

    due: float

    def check(self, now: float) -> None:
        """Do what the time asks for, and set `due` anew."""
        ...

    def warn(self, reconnect_ms: int) -> None:
        """Tell the client to reconnect after so many milliseconds, because the server is going away."""
        ...

    def dismiss(self) -> None:
        """Say goodbye: the server is going away."""
        ...


class Ward:
    """Use as a context manager: the timer runs while it is open. `draining` once it lets nobody in any more."""

    def __init__(self, settings: RealtimeSettings) -> None:
        self.settings = settings
        self.draining = False
        self._sockets = 0
        self._seats: dict[tuple[str, str], int] = {}
        self._patients: dict[Patient, None] = {}
        self._empty = asyncio.Event()
        self._round: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._round = asyncio.create_task(self._go_round())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)

    @property
    def sockets(self) -> int:
        """Open WebSockets, those included that are not let in yet, and event streams that have a place."""
        return self._sockets

    @property
    def full(self) -> bool:
        return self._sockets > self.settings.max_connections

    def open_socket(self) -> None:
        self._sockets += 1

    def close_socket(self) -> None:
        self._sockets -= 1

    @contextmanager
    def seat(self, caller: Caller) -> Iterator[None]:
        """One of the caller's places in this process. Raises RateLimited when all of them are taken."""
        who = caller.tenant, caller.user_id
        taken = self._seats.get(who, 0)
        if taken >= self.settings.max_per_user:
            raise RateLimited("You have too many connections; close some of them first.")
        self._seats[who] = taken + 1
        try:
            yield
        finally:
            self._seats[who] -= 1
            if not self._seats[who]:
                del self._seats[who]

    @contextmanager
    def place(self, caller: Caller) -> Iterator[None]:
        """A seat of the caller's for an event stream, which counts as a WebSocket does. Raises RateLimited, and
        Unavailable when the process is full."""
        with self.seat(caller):
            self.open_socket()
            try:
                if self.full:
                    raise Unavailable("This server is full.")
                yield
            finally:
                self.close_socket()

    def admit(self, patient: Patient) -> None:
        """Look after `patient` from now on. While draining it is sent away at once."""
        self._patients[patient] = None
        if self.draining:
            patient.dismiss()

    def release(self, patient: Patient) -> None:
        self._patients.pop(patient, None)
        if not self._patients:
            self._empty.set()

    async def drain(self, *, notice: float = 1.0, limit: float = 20.0) -> None:
        """Let nobody in, warn everybody, say goodbye after `notice` seconds, and return when they are gone.

        Clients that do not read are cut when their grace is over, so this ends; it never takes more than `limit`.
        """
        self.draining = True
        for patient in tuple(self._patients):
            patient.warn(random.randrange(self.settings.reconnect_ms + 1))
        if self._patients:
            await asyncio.sleep(notice)
        for patient in tuple(self._patients):
            patient.dismiss()
        if self._patients:
            self._empty.clear()
            try:
                await asyncio.wait_for(self._empty.wait(), limit)
            except TimeoutError:
                _log.warning("%s connections did not end in time", len(self._patients))

    async def _go_round(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.settings.tick)
            now = loop.time()
            for patient in [one for one in self._patients if one.due <= now]:
                try:
                    patient.check(now)
                except Exception:
                    _log.exception("a connection could not be looked after")
