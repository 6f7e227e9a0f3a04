"""What the log announces is counted."""

from datetime import timedelta
from typing import Any

import pytest

from malgil.app.metering import MeteringAnnouncer
from malgil.log.model import DELTA, Entry
from malgil.observe.metrics import Metrics
from tests.fixtures.time import FakeClock


def entry(kind: str, clock: FakeClock, **data: Any) -> Entry:
    return Entry("s", 1, 1, kind, {"message_id": "m"} | data, clock.now())


async def test_one_answer(clock: FakeClock) -> None:
    metrics = Metrics("1")
    announce = MeteringAnnouncer(metrics)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    await announce([entry("message.created", clock), entry("turn.queued", clock)])
    await announce([entry("turn.started", clock)])
    clock.time += timedelta(milliseconds=300)
    await announce([entry(DELTA, clock), entry(DELTA, clock)])
    await announce([entry("turn.resumed", clock), entry("answer.ended", clock, finish_reason="stop")])
    assert value("malgil_log_appends_total") == 5
    assert value("malgil_log_pieces_total") == 2
    assert value("malgil_takeovers_total") == 1
    assert value("malgil_turn_first_piece_seconds_count") == 1
    assert value("malgil_turn_first_piece_seconds_sum") == pytest.approx(0.3)
    for state in ("queued", "running", "completed"):
        assert value("malgil_turns_total", state=state) == 1


@pytest.mark.parametrize(("reason", "state"), [("length", "completed"), ("stopped", "stopped"), ("failed", "failed")])
async def test_other_ends(clock: FakeClock, reason: str, state: str) -> None:
    metrics = Metrics("1")
    announce = MeteringAnnouncer(metrics)
    await announce([entry("answer.ended", clock, finish_reason=reason)])
    assert metrics.registry.get_sample_value("malgil_turns_total", {"state": state}) == 1


async def test_a_turn_that_never_began(clock: FakeClock) -> None:
    metrics = Metrics("1")
    await MeteringAnnouncer(metrics)([entry("turn.dropped", clock, state="stopped")])
    assert metrics.registry.get_sample_value("malgil_turns_total", {"state": "stopped"}) == 1
