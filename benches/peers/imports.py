"""How long ``import dxstream`` takes in a process that has imported numpy."""

import subprocess
import sys
from typing import Any

__all__ = ["import_times"]

PROGRAM = """
import time
began = time.perf_counter()
import numpy
middle = time.perf_counter()
import dxstream
print(middle - began, time.perf_counter() - middle)
"""


def import_times(rounds: int) -> dict[str, Any]:
    """Import in fresh processes, and return a line of the table."""
    times = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.split()
        for _ in range(rounds + 1)
    ][1:]
    return {
        "key": "import",
        "title": "import time",
        "more_is_better": False,
        "figures": {
            name: {"unit": unit, "clients": {"dxstream": [float(of[at]) * 1e3 for of in times]}}
            for at, name, unit in (
                (1, "dxstream", "ms, `import dxstream` after numpy"),
                (0, "numpy", "ms, `import numpy`"),
            )
        },
    }
