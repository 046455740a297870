"""The programs in `examples` run."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def output(name: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_every_example_has_a_test() -> None:
    source = Path(__file__).read_text()
    assert all(f'"{path.name}"' in source for path in EXAMPLES.glob("*.py"))


def test_the_chain_monitor_prints_a_chain_that_agrees_with_itself() -> None:
    head, *rows = output("chain_monitor.py")
    assert head.split() == ["call", "iv", "delta", "strike", "delta", "iv", "put"]
    assert len(rows) >= 10
    table = [[float(value.rstrip("%")) for value in row.split()] for row in rows]
    strikes = [row[3] for row in table]
    assert strikes == sorted(strikes)
    for row in table:
        # The deltas of a call and a put of one strike are about one apart.
        assert abs(row[2] - row[4] - 1) < 0.05


def test_the_volume_tracker_counts_sales() -> None:
    totals = [line for line in output("volume_tracker.py") if "sales" in line]
    assert [line.split(":")[0] for line in totals] == ["AAPL", "SPY", "TSLA"]
    counts = [re.search(r": (\d+) sales, ([\d,]+) shares", line) for line in totals]
    assert all(found and int(found[1]) > 20 for found in counts)


def test_throttled_quotes_show_few_of_many() -> None:
    *shown, last = output("throttled_quotes.py")
    came, delivered = map(int, re.findall(r"\d+", last))
    assert delivered == len(shown)
    assert came > 5 * delivered
    assert {line.split()[0] for line in shown} == {"AAPL", "SPY"}


def test_the_health_monitor_names_the_symbol_that_is_wrong() -> None:
    *looks, last = output("health_monitor.py")
    assert re.fullmatch(r"taken after \d+ us, 99 % after \d+ us", last)
    heads = [line for line in looks if not line.startswith(" ")]
    assert len(heads) >= 3
    assert all(line.startswith("connected, last message ") for line in heads)
    assert looks[-1] == "  Quote AAPL250117C150: never answered; did you mean .AAPL250117C150?"
