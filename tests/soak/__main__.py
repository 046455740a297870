"""Run a soak, print a table of what happened, and a line for each condition that did not hold."""

import argparse
import itertools
import logging
import sys
import threading
import time
import warnings

from dxstream import DXLinkStreamer, Endpoint, Gap, ReconnectPolicy
from soak.checks import Violations, until
from soak.client import REST, Client, Result
from soak.footprint import MIB, Footprint, native_threads
from soak.mishaps import ANSWER, SILENCE
from soak.peer import Peer

HEALING = ReconnectPolicy(min_delay=0.05, max_delay=1.0, stable_after=5.0, saturation_delay=0.5)


class Errors(logging.Handler):
    """Takes the errors that dxstream logs."""

    def __init__(self, violations: Violations) -> None:
        super().__init__(logging.ERROR)
        self._violations = violations

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a record."""
        self._violations.add("no error is logged", record.getMessage())


def soak(peer: Peer, violations: Violations, seconds: float, seed: int) -> Result:
    """Run for so long, and a little longer until all is at rest."""
    url: str = peer.wait_for("url", 60)
    tokens = itertools.count()

    def session() -> Endpoint:
        return Endpoint(url, f"soak-{next(tokens)}")

    # What stays for as long as the process does is there from now on.
    with DXLinkStreamer(session):
        pass
    until(no_streamer_runs, REST)
    before = Footprint.now()
    gaps: list[tuple[int, bool]] = []

    def note(gap: Gap) -> None:
        gaps.append((gap.epoch, "TimeAndSale" in gap.types))

    with DXLinkStreamer(
        session,
        reconnect=HEALING,
        on_gap=note,
        connect_timeout=ANSWER,
        keepalive_timeout=SILENCE,
    ) as streamer:
        client = Client(peer, violations, streamer, gaps)
        client.start(seed)
        client.look_for(seconds)
        client.come_to_rest()
    client.end()
    result = client.result
    del client, streamer
    until(lambda: not _is_more(Footprint.now(), before), REST)
    after = Footprint.now()
    what = f"{before}; then {after}"
    violations.check(not _is_more(after, before), "a closed streamer leaves nothing", what)
    for what in result.trend.grown():
        violations.add("memory, threads and descriptors are flat", what)
    return result


def no_streamer_runs() -> bool:
    """Say whether no streamer's thread is left."""
    names = {thread.name for thread in threading.enumerate()} | native_threads()
    return not names & {"dxstream-callbacks", "dxstream-io"}


def _is_more(after: Footprint, before: Footprint) -> bool:
    return after.threads > before.threads or after.descriptors > before.descriptors


def report(result: Result, peer: Peer, rate: int) -> None:
    """Print what happened."""
    if result.stats is None or result.memory is None:
        print("it did not come to its end")
        return
    published = result.published / result.published_in
    received = result.events / result.seconds
    stats = result.stats
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(peer.faults.items()))
    slowest = peer.slowest_back
    rows = {
        "published": f"{result.published:,} events, {published:,.0f} a second; "
        f"{rate:,} a second were asked for",
        "received": f"{result.events:,} in {result.seconds:,.0f} s, {received:,.0f} a second, "
        "the time without a connection included",
        "faults": f"{peer.faults.total()}: {faults}",
        "did not happen": ", ".join(sorted(peer.in_vain)) or "none",
        "connection": f"lost {result.lost} times, made again {stats.reconnects} times, "
        f"{stats.gaps} gaps; back after {slowest.seconds:.1f} s at most ({slowest.kind})",
        "sales": f"{result.missing:,} missing, each in a gap",
        "looks": f"{result.looks:,}, of two snapshots and the counts of each listener",
        "churn": result.churned,
        "listeners": f"{stats.conflated:,} events conflated, {stats.dropped:,} dropped unread",
        "memory": f"at most {result.most_memory / MIB:.1f} MiB of events; "
        f"{result.memory.bound / MIB:.1f} MiB when all buffers are full",
        **{f"{n}. fifth": of for n, of in enumerate(result.trend.fifths(), 1)},
    }
    for name, what in rows.items():
        print(f"{name:<16}{what}")


def main() -> None:
    """Run, report, and exit with 1 where a condition did not hold."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to look")
    parser.add_argument("--seed", type=int, default=1, help="of the faults")
    parser.add_argument("--rate", type=int, default=100_000, help="events a second")
    options = parser.parse_args()
    warnings.simplefilter("error")
    violations = Violations()
    threading.excepthook = lambda raised: violations.add("no thread raises", repr(raised.exc_value))
    logging.getLogger("dxstream").addHandler(Errors(violations))
    began = time.monotonic()
    with Peer(options.rate, options.seed, violations) as peer:
        try:
            result = soak(peer, violations, options.seconds, options.seed)
        except TimeoutError as error:
            violations.add("the exchange answers", error)
        else:
            report(result, peer, options.rate)
    for line in violations.lines():
        print(f"VIOLATED: {line}")
    print(
        f"{len(violations.lines())} violations, seed {options.seed}, "
        f"{time.monotonic() - began:.0f} s in all"
    )
    sys.exit(1 if violations.lines() else 0)


if __name__ == "__main__":
    main()
