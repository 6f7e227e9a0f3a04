"""Failpoints: silent until armed, then exactly at the nth passage."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from malgil.kit import failpoints

PROGRAM = """
import sys
from malgil.kit import failpoints
failpoints.arm(sys.argv[1])
for passage in range(1, 6):
    print(passage, flush=True)
    failpoints.reach("here")
    failpoints.reach("elsewhere")
"""


def start(spec: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, spec], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )


@pytest.mark.parametrize(
    ("spec", "passages"),
    [("here:kill", 1), ("here:kill:3", 3), ("other:kill,here:kill:2", 2), ("here:kill:4,elsewhere:kill:2", 2)],
)
def test_it_kills_at_the_nth_passage(spec: str, passages: int) -> None:
    with start(spec) as program:
        out, _ = program.communicate()
    assert program.returncode == -signal.SIGKILL
    assert out.split() == [str(n) for n in range(1, passages + 1)]


@pytest.mark.parametrize("spec", ["", ",", "nowhere:kill", "here:kill:6"])
def test_what_is_not_armed_or_not_reached_does_nothing(spec: str) -> None:
    with start(spec) as program:
        out, _ = program.communicate()
    assert program.returncode == 0
    assert len(out.split()) == 5


def test_it_freezes_and_goes_on_when_continued() -> None:
    with start("here:stop:2") as program:
        deadline = time.monotonic() + 10
        while os.waitid(os.P_PID, program.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        program.send_signal(signal.SIGCONT)
        out, _ = program.communicate()
    assert program.returncode == 0
    assert len(out.split()) == 5


@pytest.mark.parametrize("spec", ["here", "here:burn", "here:kill:soon", "here:kill:-1", ":"])
def test_what_cannot_be_read_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="want name:kill"):
        failpoints.arm(spec)
