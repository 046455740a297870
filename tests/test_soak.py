"""A minute of the soak, of which `make soak` is half an hour."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SECONDS = 60
LIMIT = 115
"""Seconds after which it counts as hanging: as long again as it should take to come to rest."""


@pytest.mark.skipif(sys.platform != "linux", reason="what a process takes is read from /proc")
def test_a_minute_of_faults_leaves_everything_accounted_for_and_nothing_behind() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "soak", f"--seconds={SECONDS}"],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert run.returncode == 0, run.stdout
