"""SIGSTOP for longer than the lease: somebody else takes over, and what the old owner still writes is refused."""

from pathlib import Path

import pytest

from tests.crash.freezing import Pair, freeze_and_thaw

POLICY = "What is your refund policy?"
REFUND = "1042번 환불해 주세요"


@pytest.mark.parametrize(
    ("failpoint", "question"),
    [("turn.before_append:stop:5", POLICY), ("tool.before_commit:stop", REFUND)],
)
async def test_a_frozen_owner_is_refused(failpoint: str, question: str, tmp_path: Path, database_url: str) -> None:
    """Between its check and its append; and in the middle of a refund, whose row must then not be there."""
    async with Pair(tmp_path, database_url) as pair:
        await pair.start(failpoint)
        violations = await freeze_and_thaw(pair, question)
    assert not violations, "\n".join(map(str, violations))
    assert "was taken over" in pair.owner.said()
    assert "was taken over" not in pair.taker.said()


async def test_an_owner_that_freezes_with_locks_in_its_hands(tmp_path: Path, database_url: str) -> None:
    """Everything of the end is written and not committed: turn row, head and message are locked."""
    async with Pair(tmp_path, database_url) as pair:
        await pair.start("turn.before_end_commit:stop")
        violations = await freeze_and_thaw(pair, POLICY)
    assert not violations, "\n".join(map(str, violations))
    assert "is left to its lease" in pair.owner.said()
