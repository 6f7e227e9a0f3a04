"""The long run: `python -m tests.crash --rounds 200 --seed 1`; one round again: `--seed 1 --only 17`."""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from pathlib import Path

from tests.crash.rounds import Outcome, report, run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--lanes", type=int, default=2, help="rounds at a time")
    parser.add_argument("--only", type=int, help="one round by its number")
    asked = parser.parse_args()
    numbers = list(range(asked.rounds)) if asked.only is None else [asked.only]
    # Told to go, it takes its servers with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.stdout.write(f"seed {asked.seed}\n")
    with tempfile.TemporaryDirectory(prefix="malgil-crash-") as folder:
        figures, failed = asyncio.run(run(Path(folder), asked.seed, numbers, lanes=asked.lanes, after=_tell))
    sys.stdout.write("\n".join([*map(report, failed), str(figures), ""]))
    return 1 if failed else 0


def _tell(outcome: Outcome) -> None:
    drawn = outcome.plan
    points = ", ".join(f"{n}:{nth}{'' if n in outcome.reached else ' (not reached)'}" for n, nth in drawn.failpoints)
    what = f"{len(outcome.violations)} VIOLATIONS" if outcome.violations else "ok"
    first = "drained" if drawn.drained else "killed"
    sys.stdout.write(f"round {drawn.number}: {first} after {drawn.pieces} pieces, {points}: {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
