"""The whole cluster is hurt for a minute: gateways, workers, Redis, PostgreSQL, the bus. The long run: `make chaos`."""

from pathlib import Path

from tests.crash.acts import run

SEED = 4
SECONDS = 60.0


async def test_three_gateways_two_workers_and_everything_that_can_happen_to_them(tmp_path: Path) -> None:
    said: list[str] = []
    figures = await run(tmp_path, SEED, SECONDS, say=said.append)
    assert not figures.violations, "\n".join(said)
    assert len(figures.hurts) >= 4, f"hardly anything happened\n{figures}"
    assert figures.told["answers"] >= 20, f"hardly anything was said\n{figures}"
    assert figures.told["reconnects"] >= 20, f"clients hardly ever lost their connection\n{figures}"
