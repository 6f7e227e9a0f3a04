"""`python -m bench [name …] [--quick]`: runs the benchmarks, each in a process of its own, and writes RESULTS.md.

--quick is for working on a benchmark: seconds instead of minutes, too short for figures, so nothing is written.
With names, the results of the others stay as they are.
"""

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import results
from bench.machine import describe

NAMES = (
    "persisted", "layers", "reads", "sse", "fanout", "slow", "idle", "growth", "start", "first_piece", "search", "lag",
)
LIMIT_SECONDS = {"search": 900}
"""Of those that load much first; of the others USUAL_LIMIT_SECONDS."""
USUAL_LIMIT_SECONDS = 300


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if asked.one:
        figures = importlib.import_module(f"bench.measures.{asked.one}").run(asked.quick)
        print(json.dumps([figure.plain() for figure in figures]))
        return 0
    runs = {name: _run(name, asked.quick) for name in asked.names or NAMES}
    if asked.quick:
        print("\nToo short for figures: nothing is written.")
    else:
        results.write(describe(), "python -m bench" + "".join(f" {name}" for name in asked.names), runs)
    return 0 if all("error" not in run for run in runs.values()) else 1


def _run(name: str, quick: bool) -> results.Run:
    print(f"\n{name}", flush=True)
    begun = time.monotonic()
    run: results.Run = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "load": round(os.getloadavg()[0], 2)}
    command = [sys.executable, "-m", "bench", "--one", name, *(["--quick"] if quick else [])]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    try:
        said, _ = child.communicate(timeout=LIMIT_SECONDS.get(name, USUAL_LIMIT_SECONDS))
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)  # so that it stops what it has started
        said, _ = child.communicate()
    if child.returncode == 0:
        run["figures"] = json.loads(said.splitlines()[-1])
        for figure in run["figures"]:
            print("  " + results.line(figure), flush=True)
    else:
        run["error"] = f"exit code {child.returncode}"
        print(f"  FAILED: {run['error']}", flush=True)
    run["seconds"] = round(time.monotonic() - begun, 1)
    print(f"  ({run['seconds']} s)", flush=True)
    return run


if __name__ == "__main__":
    sys.exit(main())
