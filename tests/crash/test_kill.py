"""kill -9 between any two pieces, and at every failpoint: nobody may notice more than a pause.

The short run; the long one is `make chaos`.
"""

from pathlib import Path

from tests.crash.plan import FAILPOINTS
from tests.crash.rounds import report, run

SEED = 20
ROUNDS = len(FAILPOINTS) + 2


async def test_killed_again_and_again(tmp_path: Path) -> None:
    figures, failed = await run(tmp_path, SEED, list(range(ROUNDS)))
    assert not failed, "\n\n".join(map(report, failed))
    assert figures.kills + figures.drains >= ROUNDS
    assert set(figures.failpoints) == {name for name, _ in FAILPOINTS}, f"a failpoint was never reached\n{figures}"
    assert figures.resumed >= ROUNDS, f"answers were hardly ever cut\n{figures}"
    assert figures.reconnects >= ROUNDS, f"clients hardly ever lost their connection\n{figures}"
