"""Packets as the library may see them: whatever a client says, nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.kit import json
from malgil.realtime.socketio_packets import ACK, CONNECT, EVENT, HEARD, MALFORMED, Packet, admitted, event, name_of


def read(packet: str) -> tuple[int, object, object, object]:
    found = Packet(encoded_packet=packet)
    return found.packet_type, found.namespace, found.id, found.data


@pytest.mark.parametrize(
    ("packet", "found"),
    [
        ('0{"token":"t"}', (CONNECT, None, None, {"token": "t"})),
        ("0", (CONNECT, None, None, None)),
        ("0/admin", (CONNECT, "/admin", None, None)),
        ('0/admin?a=b,{"x":1}', (CONNECT, "/admin", None, {"x": 1})),
        ("1", (1, None, None, None)),
        ('2["stop"]', (EVENT, None, None, [HEARD, {"type": "stop"}, False])),
        ('27["read",{"seq":4}]', (EVENT, None, 7, [HEARD, {"seq": 4, "type": "read"}, True])),
        ('2/a,0["x",{"type":"y"}]', (EVENT, "/a", 0, [HEARD, {"type": "x"}, True])),
        ('2["x",1]', (EVENT, None, None, [HEARD, None, False])),
        ('51-["x",{"_placeholder":true,"num":0}]', (EVENT, None, None, [HEARD, None, False])),
        ("31[]", (EVENT, None, None, [HEARD, None, False])),
        ("2" + "9" * 400, (EVENT, None, 10**15 - 1, [HEARD, None, True])),
    ],
)
def test_reading(packet: str, found: tuple[object, ...]) -> None:
    assert read(packet) == found


@given(st.one_of(st.text(), st.binary(), st.from_regex(r"[0-6](/[a-z]*,?)?[0-9]*[\[{].*", fullmatch=True)))
def test_nothing_a_client_says_raises(packet: str | bytes) -> None:
    found = Packet(encoded_packet=packet)
    assert found.packet_type in (CONNECT, 1, EVENT)
    if found.packet_type == EVENT:
        assert found.data[0] == HEARD


@given(st.text())
def test_the_library_is_shown_packets_that_it_can_read(packet: str) -> None:
    shown = admitted(packet)
    assert shown in ("1", "3") or (shown[0] == "4" and shown[1] in "0123456")
    assert shown in (packet, MALFORMED)


def test_writing() -> None:
    assert Packet(CONNECT, {"sid": "a"}, namespace="/").encode() == '0{"sid":"a"}'
    assert Packet(4, data="no", namespace="/admin").encode() == '4/admin,"no"'
    assert Packet(ACK, namespace="/", id=3, data=[{"seq": 1}]).encode() == '33[{"seq":1}]'


@given(st.from_regex(r"[a-z_]{1,20}", fullmatch=True), st.dictionaries(st.text(), st.integers() | st.text()))
def test_a_frame_is_an_event_of_its_type(kind: str, more: dict[str, object]) -> None:
    for frame in ({"type": kind} | more, more | {"type": kind}):
        text = json.dumps(frame | {"type": kind})
        assert name_of(text) == kind
        assert json.loads(event(text)[1:]) == [kind, frame | {"type": kind}]
