"""Programs that tests run as processes of their own."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import DEADLINE

PRELUDE = """
import asyncio, gc, os, resource, signal, sys, threading
from dxstream import DXLinkStreamer, Endpoint
from dxstream.dxfeed import Quote, Trade
from dxstream.exchange import Exchange
URL = sys.argv[1]
"""


ENDS = """
import atexit, time
# Registered first, and therefore called last.
atexit.register(lambda: print(time.monotonic_ns(), flush=True))
"""
"""Lets a program say when it ends."""


@contextmanager
def program(
    script: str, url: str = "sim://", before: str = ""
) -> Iterator["subprocess.Popen[str]"]:
    """Run a program in which every warning is an error; kill it where it does not end."""
    source = before + PRELUDE + textwrap.dedent(script)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", source, url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def is_asleep(running: subprocess.Popen[str]) -> bool:
    """Say whether a program's main thread waits for something. Linux only."""
    stat = Path(f"/proc/{running.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "S"


def ended(running: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Wait for a program's end; return its exit code and what it said."""
    out, err = running.communicate(timeout=DEADLINE)
    return running.returncode, out, err


def output(*arguments: str | Path) -> str:
    """Run Python to an end that is good and without complaint; return what it said."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def says(script: str, url: str = "sim://") -> str:
    """Run a program that ends well and complains of nothing; return what it said."""
    with program(script, url) as running:
        code, out, err = ended(running)
    assert (code, err) == (0, ""), err
    return out
