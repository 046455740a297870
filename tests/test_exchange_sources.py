"""What an exchange offers: the market's options, what a tape holds, and who has subscribed."""

import time
from pathlib import Path

import pytest
from conftest import until

from dxstream import DXLinkStreamer
from dxstream.dxfeed import Greeks, Quote, Trade
from dxstream.exchange import Exchange, Market, Tape, TapeContents

LINES = (
    '{"t": 2000, "record": "Trade", "symbol": "B", "Last.Price": 2.5}\n',
    '{"t": 1000, "record": "Quote", "symbol": "A", "Bid.Price": 1.5}\n',
    '{"t": 4500, "record": "Quote", "symbol": "B", "Bid.Price": 3.5}\n',
)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "tape.jsonl"
    path.write_text("".join(LINES))
    return path


def test_tape_tells_what_it_holds(tape: Path) -> None:
    with Exchange(Tape((tape,))) as exchange:
        assert exchange.tape == TapeContents(
            symbols=("B", "A"), events={"Quote": 2, "Trade": 1}, start=1000, seconds=3.5
        )
    with Exchange(None) as exchange:
        assert exchange.tape is None


def test_tape_without_events_has_no_start(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    with Exchange(Tape((empty,))) as exchange:
        assert exchange.tape == TapeContents(symbols=(), events={}, start=None, seconds=0.0)


def test_files_are_one_tape_and_may_be_strings(tape: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(LINES[0].replace('"B"', '"C"'))
    with Exchange(Tape((str(tape), other))) as exchange:
        assert exchange.tape is not None
        assert exchange.tape.events == {"Quote": 2, "Trade": 2}
        assert exchange.tape.symbols == ("B", "A", "C")


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_speed_must_be_above_0(tape: Path, speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be above 0"):
        Exchange(Tape((tape,), speed))


def test_tape_needs_a_file() -> None:
    with pytest.raises(ValueError, match="needs a file"):
        Exchange(Tape(()))


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "aig_20131009_trade.zip"
    with pytest.raises(FileNotFoundError, match=str(missing)):
        Exchange(Tape((missing,)))


def test_file_of_another_form_is_a_value_error(tmp_path: Path) -> None:
    for name in ("notes.txt", "aig_20131009_trade.zip"):
        other = tmp_path / name
        other.write_text("nothing of this kind")
        with pytest.raises(ValueError, match=str(other)):
            Exchange(Tape((other,)))


def test_line_that_cannot_be_read_is_named(tape: Path) -> None:
    tape.write_text(LINES[0] + LINES[1] + '{"t": 1, "record": "Order", "symbol": "A"}\n')
    with pytest.raises(ValueError, match=f"{tape}:3: .*Order") as raised:
        Exchange(Tape((tape,)))
    assert "\n" not in str(raised.value)


def test_market_lists_options_that_it_streams() -> None:
    with Exchange(Market(symbols=("AAPL",))) as exchange:
        options = exchange.options("AAPL")
        with DXLinkStreamer(exchange.url) as streamer:
            greeks, missing = streamer.collect(Greeks, options).result()
        assert exchange.options("SPY") == []
    assert len(options) == len(set(options)) == len(greeks)
    assert missing == []
    call, put = options[:2]
    assert put == call[::-1].replace("C", "P", 1)[::-1]
    assert greeks[call].delta >= 0 >= greeks[put].delta


def test_subscriptions_are_counted_until_they_end() -> None:
    with Exchange(None) as exchange:
        with DXLinkStreamer(exchange.url) as streamer:
            streamer.subscribe(Quote, ["A", "B"])
            streamer.subscribe(Trade, "A")
            until(lambda: exchange.stats().subscriptions == 3)
            streamer.unsubscribe(Quote, "A")
            until(lambda: exchange.stats().subscriptions == 2)
        until(lambda: exchange.stats().subscriptions == 0)


def test_close_does_not_wait_for_a_timeout() -> None:
    with Exchange(None) as exchange:
        seconds = []
        for _ in range(3):
            with DXLinkStreamer(exchange.url):
                began = time.monotonic()
            seconds.append(time.monotonic() - began)
    assert min(seconds) < 0.5
