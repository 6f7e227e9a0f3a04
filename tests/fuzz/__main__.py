"""`make fuzz`: for as long as one likes.  python -m tests.fuzz [--seconds 600] [--seed 7]"""

import argparse
import sys

from tests.fuzz.run import Plan, fuzz
from tests.fuzz.test_openapi import UNLIMITED
from tests.journeys.node import node


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=int, default=600)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--examples", type=int, default=100)
    wanted = asked.parse_args()
    with node(**UNLIMITED, AUTH_MODE="dev") as server:
        server.start()
        server.ready()
        plan = Plan(seed=wanted.seed, examples=wanted.examples, seconds=wanted.seconds, same_each_time=False)
        found = fuzz(server.url, plan)
    sys.stdout.write(found.stdout)
    return found.returncode


if __name__ == "__main__":
    raise SystemExit(main())
