"""The command ``dxstream bench``, and what writes the table of a measurement."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from benches.peers import crate
from benches.peers.__main__ import measure
from benches.peers.chart import svg
from benches.peers.feed import Counted
from benches.peers.plan import CLIENTS, Measurement, plan
from benches.peers.quotes import FIELDS
from benches.peers.readers import Columns, Objects, Store
from benches.peers.table import markdown, measured_anew
from conftest import until

from dxstream import DXLinkStreamer
from dxstream.cli import main
from dxstream.cli.blast_rows import BlastRows
from dxstream.cli.paths import WAYS, Measured
from dxstream.cli.serve import blasting
from dxstream.dxfeed import Quote
from dxstream.exchange import Blast, Exchange

ROWS = 409_500
"""More than a cycle of the values, and not a whole number of rounds of the symbols."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with blasting(Blast(rows=ROWS, wait_for=1_000)) as served:
        yield served


def test_bench_prints_a_rate_for_each_way_and_how_many_events_it_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--rounds", "1", "--events", "400000"]) == 0
    out = capsys.readouterr().out
    for way in ("async for quote", "for quote", "batches(Quote)", "kept"):
        [line] = [line for line in out.splitlines() if line.startswith(way)]
        rates = [float(word) for word in line.split() if word.replace(".", "").isdigit()]
        assert len(rates) == 2
    assert "checked 2,000,000 events" in out


def test_bench_refuses_a_round_without_events(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--events", "0"]) == 2
    assert capsys.readouterr().err == (
        "dxstream: argument --events: '0' is not a whole number above 0\n"
    )


def test_rows_that_are_expected_are_those_that_the_exchange_sends(url: str) -> None:
    rows = BlastRows(ROWS)
    with DXLinkStreamer(url) as streamer:
        listener = streamer.listen(Quote, buffer=ROWS)
        streamer.subscribe(Quote, rows.symbols, 0)
        for number, quote in enumerate(islice(listener, ROWS)):
            assert quote.event_symbol == rows.symbols[number % 1_000]
            assert (quote.bid_price, quote.ask_price) == rows.prices(number)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_measures_what_comes_behind_the_first_events(way: str, url: str) -> None:
    measured = WAYS[way](url, BlastRows(ROWS))
    if way in ("async for", "for"):
        assert measured.events == ROWS - 1
    else:
        # The first that are seen are those of a moment.
        assert 0 <= measured.events < ROWS
    assert measured.seconds > 0


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_each_way_notices_values_that_were_not_sent(
    way: Callable[[str, BlastRows], Measured], url: str
) -> None:
    with pytest.raises(ValueError, match=r"the prices add up to|the last of SYM0000 is"):
        way(url, BlastRows(ROWS, seed=2))


@pytest.mark.parametrize(
    ("count", "total", "latest", "said"),
    [
        (9, None, {}, "9 events came where 10 were sent"),
        (10, 1.0, {}, "the prices add up to 1.0"),
        (10, None, {"SYM0000": (1.0, 2.0)}, "the last of SYM0000 is"),
    ],
)
def test_a_wrong_count_sum_or_last_value_is_an_error(
    count: int, total: float | None, latest: dict[str, tuple[float, float]], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        BlastRows(10, 3).check(count, total, latest)


def test_hand_written_programs_ask_for_the_fields_that_dxstream_asks_for(
    exchange: Exchange,
) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions == 1)
    messages = [json.loads(message) for message in exchange.received()]
    asked = [of["acceptEventFields"] for of in messages if of["type"] == "FEED_SETUP"]
    assert asked == [{"Quote": list(FIELDS)}]


def read_by_hand(reader: Counted, fields: list[str]) -> None:
    """Give a hand-written reader the rows of a blast with fields in some order."""
    rows = BlastRows(reader.left, 3)
    reader.replies({"type": "FEED_CONFIG", "eventFields": {"Quote": fields}})
    for number in range(rows.count):
        bid, ask = rows.prices(number)
        known = {"eventSymbol": rows.symbols[number % 3], "bidPrice": bid, "askPrice": ask}
        reader.rows([known.get(field, 0) for field in fields])


def quote_of(*values: Any) -> Any:
    """Make what has the attributes that a reader reads."""
    named = dict(zip(FIELDS, values, strict=True))
    names = {"event_symbol": "eventSymbol", "bid_price": "bidPrice", "ask_price": "askPrice"}
    return type("Values", (), {name: named[field] for name, field in names.items()})()


@pytest.mark.parametrize("fields", [list(FIELDS), sorted(FIELDS)], ids=["as asked", "otherwise"])
@pytest.mark.parametrize("kind", [Objects, Store, Columns])
def test_hand_written_readers_find_fields_where_the_server_says(
    kind: Any, fields: list[str]
) -> None:
    rows = BlastRows(10, 3)
    extra = [quote_of] if kind is Objects else []
    reader = kind(None, rows.symbols, rows.count, *extra)
    read_by_hand(reader, fields)
    assert (reader.total is None) == (kind is Store)
    rows.check(rows.count - reader.left, reader.total, reader.latest())


def results(ours: list[float], theirs: list[float], *, more: bool) -> dict[str, Any]:
    figures = {"dxstream": ours, "picows + orjson": theirs}
    alone = {"dxstream": [1234.5]}
    return {
        "when": "2026-01-01",
        "cpu": "A CPU",
        "cores": 2,
        "load": 0.5,
        "system": "Linux",
        "versions": {"CPython": "3.11.7"},
        "rounds": 3,
        "clients": ["dxstream", "picows + orjson", "tastytrade SDK"],
        "missing": {"dxlink (Rust)": "no compiler"},
        "failed": {},
        "wheels": {"dxstream-1.whl": 2_500_000},
        "lines": [
            {
                "key": "objects",
                "title": "objects",
                "more_is_better": more,
                "figures": {"rate": {"unit": "million events/s", "clients": figures}},
            },
            {
                "key": "alone",
                "title": "alone",
                "more_is_better": False,
                "figures": {"grown": {"unit": "MB", "clients": alone}},
            },
        ],
    }


def test_the_table_has_median_range_and_ratio() -> None:
    text = markdown(results([3.0, 1.0, 2.0], [0.5, 1.0, 2.0], more=True))
    assert "| objects | million events/s | 2 (1-3) | 1 (0.5-2) |  | 2x picows + orjson |" in text
    assert "| alone | MB | 1,234 |" in text
    assert "Not measured: dxlink (Rust): no compiler." in text
    assert "2.5 MB" in text


@pytest.mark.parametrize(("ours", "theirs", "more"), [(1.0, 2.0, True), (2.0, 1.0, False)])
def test_the_table_marks_what_others_do_better(ours: float, theirs: float, more: bool) -> None:
    assert "**0.5x picows + orjson**" in markdown(results([ours], [theirs], more=more))


def test_rates_are_written_anew_where_a_table_has_their_line() -> None:
    written = results([3.0, 1.0, 2.0], [0.5, 1.0, 2.0], more=True)
    document = "So:\n\n| | picows + orjson | dxstream | SDK |\n|---|---|---|---|\n{} |\n\nEnd\n"
    before = document.format("| objects | 7 | 7 | 7") + "| more | 7 |\n"
    after = document.format("| objects | 1 (0.5-2) | 2 (1-3) | ") + "| more | 7 |\n"
    assert measured_anew(before, written) == after


def test_the_chart_is_drawn_to_scale() -> None:
    drawn = ElementTree.fromstring(svg(results([3.0], [1.5], more=True)))
    widths = [float(of.attrib["width"]) for of in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    _, ours, theirs = widths
    assert ours == pytest.approx(2 * theirs, abs=0.2)


@pytest.mark.parametrize("short", [True, False])
def test_the_plan_names_each_line_once_and_known_clients_alone(short: bool) -> None:
    lines = plan(short=short)
    assert len({line.key for line in lines}) == len(lines)
    assert {client for line in lines for client in line.ways} == set(CLIENTS)


def test_the_rust_peer_counts_as_built_while_its_sources_are_older(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "dxlink-peer"
    monkeypatch.setattr(crate, "PROGRAM", program)
    assert not crate.is_built()
    program.touch()
    assert crate.is_built()
    os.utime(program, (0, 0))
    assert not crate.is_built()


def test_a_peer_that_fails_is_left_out_by_name_and_dxstream_must_not_fail() -> None:
    ways = {"dxstream": "store", "nobody + orjson": "store"}
    blast = Blast(wait_for=1_000)
    line = Measurement("kept", "kept", {"rate": "million events/s"}, ways, 0, blast, rows=400_000)
    failed: dict[str, str] = {}
    [(figure, found)] = measure(line, list(ways), 1, failed)["figures"].items()
    assert (figure, list(found["clients"])) == ("rate", ["dxstream"])
    assert list(failed) == ["nobody + orjson"]
    assert failed["nobody + orjson"].startswith("kept: ")
    with pytest.raises(ValueError, match="KeyError"):
        measure(replace(line, ways={"dxstream": "none"}), ["dxstream"], 1, {})
