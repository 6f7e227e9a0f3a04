"""`malgil serve` for tests: the same application, with times and faults that a test chooses.

    python -m tests.crash.server [--lease 2 --renew 3600 --scan 0.2] [--without fence|head|reconciliation]
                                 [--bus LOST,DOUBLED,DELAYED] [--slow-commits SECONDS] [--seed N] [--resets]

Everything else comes from the environment, as in the product.
"""

import argparse
import functools

from malgil.agents.providers import Provided
from malgil.agents.settings import TurnSettings
from malgil.app import serve, wiring
from malgil.app.settings import load
from malgil.kit import failpoints
from malgil.observe import logs
from malgil.realtime.bus import MemoryBus
from malgil.realtime.redis_bus import RedisBus
from malgil.storage import database
from tests.crash import ablation


def main() -> None:
    parser = argparse.ArgumentParser()
    turns = TurnSettings()
    parser.add_argument("--lease", type=float, default=turns.lease)
    parser.add_argument("--renew", type=float, default=turns.renew_every)
    parser.add_argument("--scan", type=float, default=turns.scan_every)
    parser.add_argument("--without", choices=list(ablation.ABLATIONS))
    parser.add_argument("--bus")
    parser.add_argument("--slow-commits", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resets", action="store_true", help="the model cannot go on from a half-written text")
    asked = parser.parse_args()

    settings = load().settings
    logs.configure(settings.level, settings.log_format)
    failpoints.arm(settings.malgil_failpoints)
    if asked.without:
        ablation.ABLATIONS[asked.without]()
    if asked.bus:
        lost, doubled, delayed = map(float, asked.bus.split(","))
        ablation.faulty_bus(RedisBus if settings.redis_url else MemoryBus, asked.seed, lost, doubled, delayed)
    if asked.slow_commits:
        ablation.slow_commits(asked.seed, asked.slow_commits)
    if asked.resets:
        wiring.Provided = lambda model, **_: Provided(model, continues_prefix=False)
    database.STILL_SECONDS = asked.lease
    chosen = TurnSettings(lease=asked.lease, renew_every=asked.renew, scan_every=asked.scan)
    serve.build = functools.partial(wiring.build, turns=chosen)
    serve.run(settings)


if __name__ == "__main__":
    main()
