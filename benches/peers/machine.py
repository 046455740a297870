"""On what a measurement was made."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["described"]

PACKAGES = (
    "dxstream",
    "numpy",
    "uvloop",
    "tastytrade",
    "picows",
    "orjson",
    "msgspec",
    "websockets",
    "aiohttp",
)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions() -> dict[str, str]:
    found = {"CPython": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _wheels() -> dict[str, int]:
    return {wheel.name: wheel.stat().st_size for wheel in Path("target/wheels").glob("dxstream-*")}


def described() -> dict[str, Any]:
    """Return the machine, the time, the versions and the sizes of the wheels that are built."""
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "versions": _versions(),
        "wheels": _wheels(),
    }
