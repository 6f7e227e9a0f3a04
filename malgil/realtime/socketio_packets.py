"""Socket.IO packets of version 5 as this server reads and writes them: text only, and nothing a client says raises."""

import re
from typing import Any

from malgil.kit import json

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR = range(5)

HEARD = "heard"
"""The only event that the library sees: (the native frame, whether an acknowledgement is asked for). So no name that a
client chooses can call anything but the handler of this one."""
MALFORMED = "42"
"""The packet that stands for any that cannot be one: an event without a name."""
LEAVE = str(DISCONNECT)

# The client's packets of Engine.IO: close, pong, message. The rest has its place in an upgrade only.
_ADMISSIBLE = re.compile(r"1|3|4[0-6].*", re.DOTALL)
# Type, namespace, number of the acknowledgement, JSON.
_PACKET = re.compile(r"([012])(?:(/[^,]*)(?:,|\Z))?(\d{1,15})?(.*)", re.DOTALL)
_HEAD = '{"type":"'


class Packet:
    """What the library is given as its serializer."""

    json = json

    def __init__(
        self, packet_type: int = EVENT, data: Any = None, namespace: str | None = None, id: int | None = None,
        encoded_packet: str | bytes | None = None,
    ) -> None:
        self.packet_type = packet_type
        self.data = data
        self.namespace = namespace
        self.id = id
        if encoded_packet is not None:
            self._read(encoded_packet)

    def encode(self) -> str:
        namespace = f"{self.namespace}," if self.namespace not in (None, "/") else ""
        number = "" if self.id is None else self.id
        data = "" if self.data is None else json.dumps(self.data)
        return f"{self.packet_type}{namespace}{number}{data}"

    def _read(self, packet: str | bytes) -> None:
        self.packet_type, self.data = EVENT, [HEARD, None, False]
        found = _PACKET.fullmatch(packet) if isinstance(packet, str) else None
        if found is None:
            return
        kind, namespace, number, text = found.groups()
        try:
            data = json.loads(text) if text else None
        except ValueError:
            return
        self.packet_type = int(kind)
        self.namespace = namespace and namespace.partition("?")[0]
        self.id = int(number) if number else None
        self.data = data if self.packet_type != EVENT else [HEARD, _frame(data), self.id is not None]


def _frame(data: Any) -> Any:
    """The native frame that an event is: its only argument, of the type that its name says."""
    match data:
        case [str(name)]:
            return {"type": name}
        case [str(name), dict(payload)]:
            return payload | {"type": name}
        case _:
            return None


def admitted(packet: str | None) -> str:
    """A packet of Engine.IO from a client as the library may see it."""
    return packet if packet is not None and _ADMISSIBLE.fullmatch(packet) else MALFORMED


def name_of(frame: str) -> str:
    """The type of a native frame in JSON."""
    if frame.startswith(_HEAD):
        return frame[len(_HEAD) : frame.index('"', len(_HEAD))]
    return str(json.loads(frame)["type"])


def event(frame: str) -> str:
    """The event that a native frame is."""
    return f'{EVENT}["{name_of(frame)}",{frame}]'
