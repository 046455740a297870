"""What ``import dxstream`` brings along: what every program needs, and nothing else."""

import subprocess
import sys

import pytest
from conftest import DEADLINE

EVERY_PROGRAM = {
    *("_dxstream", "account_records", "account_update", "arguments", "callbacks"),
    *("candle_subscriptions", "collected", "connection", "kept"),
    *("dxfeed", "endpoint", "errors", "healing", "health", "histories", "listener", "logs"),
    *("observed", "older_forms", "process", "stats", "streamer", "subscriptions", "waiting"),
}


def modules_after(statement: str) -> set[str]:
    """Name the modules that a fresh interpreter has after a statement."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=DEADLINE,
    )
    return set(done.stdout.split())


def test_import_brings_only_the_modules_that_every_program_needs() -> None:
    modules = modules_after("import dxstream")
    ours = {name.removeprefix("dxstream.") for name in modules if name.startswith("dxstream.")}
    assert ours == EVERY_PROGRAM


@pytest.mark.parametrize(
    "package", ["asyncio", "numpy", "pandas", "polars", "pyarrow", "tastytrade", "trio"]
)
def test_import_does_without_other_packages(package: str) -> None:
    assert package not in modules_after("import dxstream, dxstream.dxfeed")


@pytest.mark.parametrize(
    ("name", "module"),
    [("Session", "session"), ("Account", "session"), ("EventTable", "table")],
)
def test_what_is_imported_on_demand_is_there_when_it_is_named(name: str, module: str) -> None:
    assert f"dxstream.{module}" in modules_after(f"from dxstream import {name}")
