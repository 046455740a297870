"""Count the instructions that the core's hot path takes, and compare them with a baseline.

The works of ``rust/dxstream/benches/hot_path`` run under callgrind, each in a process of its own,
and only what happens in its function ``measured`` counts. Counts do not depend on the load of the
machine. They do on the compiler, on the C library's ``memcpy`` for the processor, and by a fraction
of a percent on hash seeds.

    instructions.py            compare with the baseline; ends with 1 where a work needs more
    instructions.py --write    make what is counted now the baseline
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "rust/dxstream/benches/instructions.json"
BUILD = ("cargo", "bench", "--locked", "--no-run", "--quiet", "--package", "dxstream")
BENCH = (*BUILD, "--bench", "hot_path", "--message-format", "json")

SLACK = 0.03
"""By how much a count may be above the baseline."""

NEWS = 0.03
"""By how much a count must be below the baseline to be worth a new one."""

CALLGRIND = (
    "valgrind",
    "--tool=callgrind",
    "--collect-atstart=no",
    "--toggle-collect=*hot_path::measured*",
)


def main() -> int:
    """Compare or write, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the baseline")
    arguments = parser.parse_args()
    if not has_valgrind():
        print("instructions: skipped, since there is no valgrind and apt-get could not install it")
        return 0
    counted = count(build())
    if arguments.write:
        BASELINE.write_text(json.dumps(counted, indent=2) + "\n")
        print(f"instructions: wrote {BASELINE.relative_to(ROOT)}")
        return 0
    return compare(counted, json.loads(BASELINE.read_text()))


def has_valgrind() -> bool:
    """Say whether valgrind is there, once it was installed where it was not."""
    if shutil.which("valgrind") is None and shutil.which("apt-get") is not None:
        prefix = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "valgrind"]):
            if prefix and shutil.which(prefix[0]) is None:
                break
            subprocess.run([*prefix, "apt-get", *command], check=False, capture_output=True)
    return shutil.which("valgrind") is not None


def build() -> str:
    """Build the bench, and give its path."""
    output = subprocess.run(BENCH, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(line) for line in output.splitlines())
    paths = [message["executable"] for message in messages if message.get("executable")]
    return str(paths[-1])


def count(bench: str) -> dict[str, float]:
    """Count the instructions for each event, by work."""
    listed = subprocess.run([bench, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    works = [line.split(maxsplit=1) for line in listed.splitlines()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        totals = pool.map(lambda work: total(bench, work[1]), works)
        return {
            name: round(instructions / int(events), 1)
            for (events, name), instructions in zip(works, totals, strict=True)
        }


def total(bench: str, work: str) -> int:
    """Count the instructions of one round of a work."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "callgrind.out")
        command = [*CALLGRIND, f"--callgrind-out-file={out}", bench, "--once", work]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
        if ran.returncode != 0:
            message = f"instructions: {work!r} failed:\n{ran.stderr}"
            raise SystemExit(message)
        found = re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE)
    if found is None or int(found[1]) == 0:
        message = f"instructions: callgrind counted nothing of {work!r}"
        raise SystemExit(message)
    return int(found[1])


def compare(counted: dict[str, float], baseline: dict[str, float]) -> int:
    """Print what each work takes for an event; 1 where one takes more than it may."""
    print(f"{'instructions an event':38}{'baseline':>10}{'now':>10}{'change':>9}")
    problems = [f"{work!r} is gone" for work in baseline.keys() - counted.keys()]
    better = False
    for work, now in counted.items():
        before = baseline.get(work)
        if before is None:
            problems.append(f"{work!r} has no baseline")
            print(f"{work:38}{'':10}{now:10.1f}")
            continue
        change = now / before - 1
        print(f"{work:38}{before:10.1f}{now:10.1f}{change:+9.1%}")
        if change > SLACK:
            problems.append(f"{work!r} takes {change:.1%} more, and {SLACK:.0%} are allowed")
        better |= change < -NEWS
    for problem in problems:
        print(f"instructions: {problem}", file=sys.stderr)
    if problems:
        print("instructions: if that is meant, run make instructions-baseline", file=sys.stderr)
    elif better:
        print("instructions: less than before; make instructions-baseline keeps it")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
