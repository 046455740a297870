"""Measure dxstream and its peers in turns: ``python -m benches.peers [--short] [--out FOLDER]``.

Each run is a process of its own, and so is the exchange. The clients take turns, and every run
compares the number of events, their prices and the last of each symbol with what was sent. A peer
that fails is left out, by name; dxstream must not fail, and nobody in the short form.
"""

import argparse
import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benches.peers import crate
from benches.peers.chart import svg
from benches.peers.imports import import_times
from benches.peers.machine import described
from benches.peers.plan import CLIENTS, Measurement, missing, plan
from benches.peers.run import Run
from benches.peers.table import markdown, measured_anew

from dxstream.cli.serve import blasting

ROUNDS, SHORT_ROUNDS = 5, 1
RUN_SECONDS = 120


def run_once(run: Run) -> dict[str, float]:
    """Run a client in a process of its own.

    Raises
    ------
    ValueError
        If it failed, or its values are not those that were sent.
    """
    command = [sys.executable, "-m", "benches.peers.client", run.to_json()]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=RUN_SECONDS
        )
    except subprocess.TimeoutExpired:
        msg = f"not all of {run.rows:,} events came within {RUN_SECONDS} s"
        raise ValueError(msg) from None
    if done.returncode:
        last = done.stderr.strip().splitlines() or ["no error"]
        raise ValueError(last[-1])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(
    line: Measurement, clients: list[str], rounds: int, failed: dict[str, str]
) -> dict[str, Any]:
    """Let the clients take turns, and gather their figures."""
    found: dict[str, list[dict[str, float]]] = {}
    with ExitStack() as stack:
        urls: dict[int, str] = {}
        for client in clients:
            rows = line.rows_of(client)
            if rows not in urls:
                urls[rows] = stack.enter_context(blasting(replace(line.blast, rows=rows)))
        for _ in range(min(rounds, line.rounds or rounds)):
            for client in clients:
                if client in failed:
                    continue
                rows = line.rows_of(client)
                run = Run(client, line.ways[client], urls[rows], rows, line.blast.symbols)
                try:
                    figures = run_once(run)
                except ValueError as error:
                    if client == "dxstream":
                        raise
                    failed[client] = f"{line.title}: {error}"
                else:
                    found.setdefault(client, []).append(figures)
    return {
        "key": line.key,
        "title": line.title,
        "more_is_better": line.more_is_better,
        "rows_per_frame": line.blast.rows_per_frame,
        "rows": {client: line.rows_of(client) for client in clients},
        "figures": {
            figure: {
                "unit": unit,
                "clients": {name: [run[figure] for run in runs] for name, runs in found.items()},
            }
            for figure, unit in line.figures.items()
        },
    }


def measure_all(*, short: bool, rounds: int, with_crate: bool) -> dict[str, Any]:
    """Measure every line of the plan."""
    absent = missing()
    if not (with_crate or crate.is_built()):
        absent["dxlink (Rust)"] = "not built, which takes minutes (--with-crate)"
    elif (reason := crate.build()) is not None:
        absent["dxlink (Rust)"] = reason
    clients = [client for client in CLIENTS if client not in absent]
    say = partial(print, file=sys.stderr, flush=True)
    for client, reason in absent.items():
        say(f"not measured: {client}: {reason}")
    failed: dict[str, str] = {}
    lines = []
    for line in plan(short=short):
        say(line.title)
        taking_part = [client for client in clients if client in line.ways]
        lines.append(measure(line, taking_part, rounds, failed))
    return {
        **described(),
        "rounds": rounds,
        "short": short,
        "clients": clients,
        "missing": absent,
        "failed": failed,
        "lines": [*lines, import_times(3 if short else 15)],
    }


def main() -> None:
    """Measure, and write the JSON, the table and the chart."""
    parser = argparse.ArgumentParser(description="Measure dxstream and its peers.")
    parser.add_argument("--short", action="store_true", help="one round, little data")
    parser.add_argument(
        "--with-crate",
        action="store_true",
        help="build the Rust peer with --short too, where it is not built yet",
    )
    parser.add_argument("--out", type=Path, default=Path("target/bench"), help="where to write")
    parser.add_argument("--table", type=Path, help="a document whose table of rates to write anew")
    parser.add_argument("--rounds", type=int, help="rounds (default: 5, and 1 with --short)")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (SHORT_ROUNDS if arguments.short else ROUNDS)
    with_crate = arguments.with_crate or not arguments.short
    results = measure_all(short=arguments.short, rounds=rounds, with_crate=with_crate)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "peers.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.out / "peers.md").write_text(markdown(results))
    (arguments.out / "peers.svg").write_text(svg(results))
    if arguments.table is not None:
        arguments.table.write_text(measured_anew(arguments.table.read_text(), results))
    print(markdown(results))
    sys.exit(1 if arguments.short and results["failed"] else 0)


if __name__ == "__main__":
    main()
