"""Run the fuzzer over a server's description of itself."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from tests.journeys.node import ROOT

CONFIG = Path(__file__).with_name("schemathesis.toml")
SIGNED_IN = """
[auth.openapi.bearerAuth]
bearer = "{token}"
"""


@dataclass(frozen=True)
class Plan:
    """`examples` for each operation; with `seconds` it goes on until they are over. `token`: who is calling.

    What comes `same_each_time` needs no seed.
    """

    seed: int = 1
    same_each_time: bool = True
    examples: int = 10
    seconds: int | None = None
    phases: str = "examples,coverage,fuzzing,stateful"
    token: str | None = None


def fuzz(url: str, plan: Plan) -> subprocess.CompletedProcess[str]:
    """What the fuzzer says: 0 when it found nothing."""
    arguments = [
        f"--seed={plan.seed}", f"--max-examples={plan.examples}", f"--phases={plan.phases}", "--checks=all",
        "--no-shrink", "--no-color",
    ]
    arguments += ["--generation-deterministic"] if plan.same_each_time else []
    arguments += [f"--max-time={plan.seconds}"] if plan.seconds else []
    with NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(CONFIG.read_text() + (SIGNED_IN.format(token=plan.token) if plan.token else ""))
        config.flush()
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", config.name, "run", *arguments]
        return subprocess.run(
            [*command, f"{url}/openapi.json"], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )
