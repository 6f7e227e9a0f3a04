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


class Bus(Protocol):
    """At most once, payload included, in order per channel and publisher while healthy; no replay.

    A message reaches the listeners of its channel in this process too. Who subscribes hears what is published after.
    """

    async def publish(self, channel: str, message: Message) -> None:
        """Tell whoever listens. Never raises for a dead transport or a failing listener."""
        ...

    def subscribe(self, channel: str, listener: Listener) -> Unsubscribe:
        """Call `listener` with each message until the returned function is called (twice does no harm).

        The listener runs on the event loop and must not block; what it raises is logged and goes no further.
        """
        ...


class MemoryBus:
    """The bus of a single process. Delivers before `publish` returns."""

    def __init__(self) -> None:
        # Tuples, replaced and never changed: a listener may subscribe or leave while it is being called.
        self._channels: dict[str, tuple[_Subscription, ...]] = {}

    async def publish(self, channel: str, message: Message) -> None:
        for one in self._channels.get(channel, ()):
            try:
                one.listener(message)
            except Exception:
                _log.exception("a listener of %s failed", channel)

    def subscribe(self, channel: str, listener: Listener) -> Unsubscribe:
        one = _Subscription(self._channels, channel, listener)
        self._channels[channel] = (*self._channels.get(channel, ()), one)
        return one


class _Subscription:
    """Called, it ends. An object and not two closures: a server holds some ten thousand of them."""

    __slots__ = ("channel", "channels", "listener")

    def __init__(self, channels: "dict[str, tuple[_Subscription, ...]]", channel: str, listener: Listener) -> None:
        self.channels = channels
        self.channel = channel
        self.listener = listener

    def __call__(self) -> None:
        left = tuple(one for one in self.channels.get(self.channel, ()) if one is not self)
        if left:
            self.channels[self.channel] = left
        else:
            self.channels.pop(self.channel, None)
