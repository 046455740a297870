"""Run Autobahn's WebSocket cases against the client's socket, and compare what comes of them.

The cases come with the package ``kosoku``. What is expected is in ``tests/autobahn/expected.json``:
each verdict with its cases. ``--write`` writes it anew.

The cases of group 9 that fail send 4 MiB and more, which is beyond the client's limits on a frame,
on a message and on what waits to be sent. Groups 12 and 13 are about compression, which the client
does not offer.
"""

import argparse
import asyncio
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
EXPECTED = ROOT / "tests/autobahn/expected.json"
BUILD = ["cargo", "test", "--locked", "--quiet", "--package", "dxstream", "--lib"]
ECHO = ["messages_come_back_as_they_were_sent", "--", "--ignored", "--nocapture"]

Verdicts = dict[str, list[str]]


async def run_cases(kosoku: ModuleType) -> Verdicts:
    """Serve every case to the socket, and give the verdicts with their cases."""
    async with kosoku.run_fuzzingserver(port=0) as server:
        environment = os.environ | {"AUTOBAHN_SERVER": f"{server.address}:{server.port}"}
        client = await asyncio.create_subprocess_exec(*BUILD, *ECHO, cwd=ROOT, env=environment)
        if await client.wait() != 0:
            sys.exit("the client did not run every case")
        try:
            results = await server.get_result()
        except kosoku.FailureError as failure:
            results = failure.results
    verdicts: Verdicts = {}
    for result in results:
        verdict = f"{result.behavior.value}, close {result.behavior_close.value}"
        verdicts.setdefault(verdict, []).append(result.case_id)
    return verdicts


def main() -> None:
    """Run the cases and tell what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="take the verdicts as expected")
    write = parser.parse_args().write
    try:
        kosoku = importlib.import_module("kosoku")
    except ModuleNotFoundError:
        print("skipped: the package kosoku, which has the cases, is not installed")
        return
    subprocess.run([*BUILD, "--no-run"], cwd=ROOT, check=True)
    verdicts = asyncio.run(run_cases(kosoku))
    for verdict, cases in sorted(verdicts.items()):
        print(f"{verdict}: {len(cases)} cases")
    if write:
        EXPECTED.write_text(json.dumps(verdicts, indent=1, sort_keys=True) + "\n")
        return
    expected: Verdicts = json.loads(EXPECTED.read_text())
    known = {case: verdict for verdict, cases in expected.items() for case in cases}
    found = {case: verdict for verdict, cases in verdicts.items() for case in cases}
    for case in sorted(known.keys() | found.keys()):
        if known.get(case) != found.get(case):
            print(f"case {case}: {found.get(case)}; expected {known.get(case)}")
    if known != found:
        sys.exit(1)


if __name__ == "__main__":
    main()
