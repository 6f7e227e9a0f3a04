"""The bus between listeners: hints and copies, which may be lost. The log alone is the truth (realtime.md)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from malgil.log.model import Entry

TURNS = "agents:turns"

_log = logging.getLogger(__name__)


def session_channel(session_id: str) -> str:
    """Where committed entries of a session are told: `Message("entries", entries)`."""
    return f"chat:session:{session_id}"


def user_channel(user_id: str) -> str:
    """Where notifications of a user are told."""
    return f"chat:user:{user_id}"


def typing_channel(session_id: str) -> str:
    """Where it is told who is typing in a session: `Message("typing", data=…)`."""
    return f"chat:typing:{session_id}"


def presence_channel(session_id: str) -> str:
    """Where it is told who is present in a session."""
    return f"chat:presence:{session_id}"


@dataclass(frozen=True, slots=True)
class Message:
    """What travels on a channel. `kind` says what to expect: entries, or free JSON in `data`."""

    kind: str
    entries: tuple[Entry, ...] = ()
    data: dict[str, Any] | None = None


Listener = Callable[[Message], None]
Unsubscribe = Callable[[], None]
InForce = Callable[[], None]


class Bus(Protocol):
    """At most once, payload included, in order per channel and publisher while healthy; no replay.

    A message reaches the listeners of its channel in this process too. Who subscribes hears what is published after.
    """

    async def publish(self, channel: str, message: Message) -> None:
        """Tell whoever listens. Never raises for a dead transport or a failing listener."""
        ...

    def subscribe(self, channel: str, listener: Listener, in_force: InForce | None = None) -> Unsubscribe:
        """Call `listener` with each message until the returned function is called (twice does no harm).

        The listener runs on the event loop and must not block; what it raises is logged and goes no further. A bus
        that needs time until it hears other processes calls `in_force` each time that it does from now on: what was
        told before may be missing.
        """
        ...


class MemoryBus:
    """The bus of a single process. Delivers before `publish` returns."""

    def __init__(self) -> None:
        # Tuples, replaced and never changed: a listener may subscribe or leave while it is being called.
        self._channels: dict[str, tuple[_Subscription, ...]] = {}

    async def publish(self, channel: str, message: Message) -> None:
        self._deliver(channel, message)

    def subscribe(self, channel: str, listener: Listener, in_force: InForce | None = None) -> Unsubscribe:
        one = _Subscription(self, channel, listener, in_force)
        others = self._channels.get(channel, ())
        self._channels[channel] = (*others, one)
        if not others:
            self._opened(channel)
        return one

    def _deliver(self, channel: str, message: Message) -> None:
        for one in self._channels.get(channel, ()):
            try:
                one.listener(message)
            except Exception:
                _log.exception("a listener of %s failed", channel)

    def _leave(self, one: "_Subscription") -> None:
        here = self._channels.get(one.channel, ())
        left = tuple(other for other in here if other is not one)
        if left:
            self._channels[one.channel] = left
        elif here:
            del self._channels[one.channel]
            self._closed(one.channel)

    # For a bus that hears of other processes too.

    def _opened(self, channel: str) -> None:
        """The first listener of a channel has come."""

    def _closed(self, channel: str) -> None:
        """The last one has left."""


class _Subscription:
    """Called, it ends. An object and not two closures: a server holds some ten thousand of them."""

    __slots__ = ("_bus", "channel", "in_force", "listener")

    def __init__(self, bus: MemoryBus, channel: str, listener: Listener, in_force: InForce | None) -> None:
        self._bus = bus
        self.channel = channel
        self.listener = listener
        self.in_force = in_force

    def __call__(self) -> None:
        self._bus._leave(self)
