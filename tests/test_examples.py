"""The programs in `examples` run."""

import re
from pathlib import Path

import programs

EXAMPLES = Path(__file__).parents[1] / "examples"


def output(name: str) -> list[str]:
    return programs.output("-W", "error", EXAMPLES / name).splitlines()


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


def test_tight_spreads_are_told() -> None:
    lines = output("tight_spreads.py")
    assert {line.split(":")[0] for line in lines} == {"AAPL", "SPY", "QQQ"}
    told = r"[A-Z]+: (tight, 0\.00\d\d%|large, \d+ x \d+)"
    assert all(re.fullmatch(told, line) for line in lines)


def test_the_greeks_are_those_of_options_near_the_money() -> None:
    lines = output("greeks_watch.py")
    assert len(lines) == 6
    for line in lines:
        found = re.fullmatch(
            r"AAPL  \d{6}([CP])\d{8}  delta +(-?\d\.\d{3})  gamma .*  iv .*%", line
        )
        assert found
        assert (float(found[2]) > 0) == (found[1] == "C")


def test_an_account_is_watched_from_how_it_stands() -> None:
    lines = output("account_watch.py")
    assert len(lines) == 12
    stands = [line for line in lines if line.startswith("as it stands")]
    assert lines[: len(stands)] == stands
    assert stands[-1].split()[3] == "SNAPSHOT_END_UPDATE"
    assert any(line.startswith("changed") and "ORDER_UPDATE" in line for line in lines)


def test_large_changes_of_positions_are_told() -> None:
    alerts = output("position_alerts.py")
    assert [line.split(":")[0] for line in alerts] == ["SPY", "AAPL", "SPY"]


def test_several_types_go_through_filters_to_their_handlers() -> None:
    *lines, last = output("filtered_streams.py")
    assert last == "enough"
    assert {tuple(line.replace(":", "").split()[:2]) for line in lines} == {
        (kind, symbol) for kind in ("quote", "trade") for symbol in ("AAPL", "SPY")
    }


def test_a_stream_goes_on_over_losses_and_tells_them() -> None:
    lines = output("resilient_stream.py")
    assert lines[-1] == "2 times connected again"
    missed = [line for line in lines if line.startswith("missed ")]
    assert len(missed) == 2
    assert all(
        line.endswith(" ms of Quote: the server closed the connection: 1012 restart")
        for line in missed
    )


def test_a_watchlist_changes_while_it_is_shown() -> None:
    *shown, last = output("watchlist.py")
    assert shown == ["ticking: AAPL", "ticking: AAPL QQQ SPY", "ticking: QQQ SPY"]
    assert last == "<DXLinkStreamer connected: 2 Quote subscribed>"
