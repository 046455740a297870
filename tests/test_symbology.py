"""Symbols of other notations, converted, read and used with a streamer."""

import gzip
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from candle_bars import candle
from conftest import DEADLINE, until
from hypothesis import given
from hypothesis import strategies as st

from dxstream import DXLinkStreamer, symbology
from dxstream.dxfeed import Candle, Greeks, Quote
from dxstream.exchange import Exchange

RECORDED = Path(__file__).parents[2] / "shared" / "data"

OCC = "AAPL  250117C00150000"
DXFEED = ".AAPL250117C150"

OPTIONS = st.builds(
    lambda root, expiry, right, strike: f"{root:<6}{expiry:%y%m%d}{right}{strike:08}",
    st.from_regex("[A-Z][A-Z0-9]{0,5}", fullmatch=True),
    st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.sampled_from("CP"),
    st.integers(1, 99_999_999),
)


def recorded(name: str) -> str:
    path = RECORDED / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


class TestConversion:
    @given(OPTIONS)
    def test_options_convert_both_ways(self, occ: str) -> None:
        dxfeed = symbology.to_dxfeed(occ)
        assert symbology.to_occ(dxfeed) == symbology.to_occ(occ) == occ
        assert symbology.to_dxfeed(dxfeed) == dxfeed
        one, other = (symbology.parse_options([symbol]) for symbol in (occ, dxfeed))
        assert [part.tolist() for part in one] == [part.tolist() for part in other]
        assert one.root.tolist() == [occ[:6].rstrip()]
        assert f"{one.expiry[0].item():%y%m%d}" == occ[6:12]
        assert one.right.tolist() == [occ[12]]
        assert one.strike.tolist() == [int(occ[13:]) / 1000]

    @pytest.mark.parametrize(
        "container",
        [list, tuple, iter, lambda symbols: dict.fromkeys(symbols), np.array],
        ids=["list", "tuple", "iterator", "dict", "array"],
    )
    def test_many_symbols_give_a_list(self, container: Callable[[list[str]], Any]) -> None:
        converted = symbology.to_dxfeed(container([OCC, "SPY", "/ESZ5"]), today=date(2025, 9, 1))
        assert converted == [DXFEED, "SPY", "/ESZ25:XCME"]
        assert {type(symbol) for symbol in converted} == {str}
        assert symbology.to_occ(container([DXFEED])) == [OCC]
        assert symbology.to_dxfeed([]) == symbology.to_occ([]) == []

    def test_the_day_tells_the_year_of_a_future(self) -> None:
        for today, expected in [
            (date(2025, 12, 31), "/ESZ25:XCME"),
            (date(2026, 1, 1), "/ESZ25:XCME"),
            (date(2027, 1, 1), "/ESZ35:XCME"),
        ]:
            assert symbology.to_dxfeed("/ESZ5", today=today) == expected
        digit = date.today().year % 10
        assert symbology.to_dxfeed(f"/ESZ{digit}") == f"/ESZ{date.today():%y}:XCME"

    @pytest.mark.parametrize(
        ("symbol", "part"),
        [
            ("AAPL 250117C00150000", "it has 20 characters instead of 21"),
            ("AAPL  251317C00150000", "the expiry is no date yymmdd"),
            ("AAPL  250117C00000000", "the strike is not between 0.001 and 99999.999"),
            ("aapl  250117c00150000", "it has small letters; did you mean"),
            ("./ESZ5 EW4Z5 251326C6900", "the expiry is no date yymmdd"),
            ("/QQQQZ5", "pass its streamer-symbol of REST /instruments/futures"),
            ("SPY AAPL", "white space in it"),
        ],
    )
    def test_errors_name_the_symbol_its_place_and_what_is_wrong(
        self, symbol: str, part: str
    ) -> None:
        for at in (0, 2):
            symbols = ["SPY", OCC, "/ES", "also wrong"]
            symbols[at] = symbol
            with pytest.raises(ValueError, match=part) as caught:
                symbology.to_dxfeed(symbols)
            assert str(caught.value).startswith(f'symbol {at}: "{symbol}" ')
            assert "\n" not in str(caught.value)
        with pytest.raises(ValueError, match=part) as caught:
            symbology.to_dxfeed(symbol)
        assert str(caught.value).startswith(f'"{symbol}" ')

    @pytest.mark.parametrize("symbol", ["AAPL", "/ESZ25:XCME", "./EW4Z25C6900:XCME", ".A250230C5"])
    def test_what_is_no_equity_option_has_no_occ_symbol(self, symbol: str) -> None:
        with pytest.raises(ValueError, match="has no OCC symbol") as caught:
            symbology.to_occ([DXFEED, symbol])
        assert str(caught.value).startswith(f'symbol 1: "{symbol}" ')

    def test_what_is_no_string_is_refused(self) -> None:
        calls: list[Callable[[Any], object]] = [
            symbology.to_dxfeed,
            symbology.to_occ,
            symbology.parse_options,
        ]
        for convert in calls:
            with pytest.raises(TypeError, match="symbol 1 must be a string, not int"):
                convert([DXFEED, 5])
            with pytest.raises(TypeError):
                convert(5)

    def test_every_option_of_a_real_futures_chain_is_read(self) -> None:
        answer = json.loads(
            recorded("instruments/es_futures_nested_option_chain_2025-09-01.json.gz")
        )
        rows = [
            (strike[right], strike[f"{right}-streamer-symbol"], expiration, strike, right)
            for chain in answer["data"]["option-chains"]
            for expiration in chain["expirations"]
            for strike in expiration["strikes"]
            for right in ("call", "put")
            if f"{right}-streamer-symbol" in strike
        ]
        symbols, expected, expirations, strikes, rights = zip(*rows, strict=True)
        assert len(rows) == 14_530
        assert symbology.to_dxfeed(symbols) == list(expected)
        assert symbology.to_dxfeed(np.array(symbols)) == list(expected)
        options = symbology.parse_options(symbols)
        assert options.root.tolist() == [of["option-root-symbol"] for of in expirations]
        assert options.expiry.astype(str).tolist() == [of["expiration-date"] for of in expirations]
        assert options.right.tolist() == [right[0].upper() for right in rights]
        assert options.strike.tolist() == [float(of["strike-price"]) for of in strikes]
        named = symbology.parse_options(expected)
        assert np.isnat(named.expiry).all()
        for at in (0, 2, 3):
            np.testing.assert_array_equal(named[at], options[at])

    @pytest.mark.parametrize("name", ["bs", "opt", "fut", "futopt"])
    def test_real_symbols_of_dxfeed_stay_as_they_are(self, name: str) -> None:
        symbols = recorded(f"tape/symbols_{name}.csv.gz").split()
        assert len(symbols) == 10_000
        assert symbology.to_dxfeed(symbols) == symbols


class TestCandleSymbols:
    def test_normal_forms(self) -> None:
        assert symbology.candle_symbol("SPX", "1m") == "SPX{=m,tho=true}"
        assert symbology.candle_symbol(OCC, "5m", extended_trading_hours=True) == f"{DXFEED}{{=5m}}"
        assert symbology.candle_symbol(f"{OCC}{{tho=true,=1h}}") == f"{DXFEED}{{=h,tho=true}}"
        assert symbology.candle_base(f"{DXFEED}{{=h,tho=true}}") == DXFEED

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (("SPX", "often"), "often"),
            (("SPX{=d}", "1m"), "no symbol for candles"),
            (("SPX{=d", None), "does not end in"),
            (("AAPL 250117C00150000", "1d"), "is no OCC symbol"),
        ],
    )
    def test_bad_ones_are_refused(self, arguments: tuple[Any, ...], text: str) -> None:
        with pytest.raises(ValueError, match=text):
            symbology.candle_symbol(*arguments)
        with pytest.raises(ValueError, match="an interval is missing"):
            symbology.candle_symbol("SPX", extended_trading_hours=True)


def asked_for(exchange: Exchange) -> list[str]:
    """List the symbols that the exchange was asked for."""
    return [
        item["symbol"]
        for message in map(json.loads, exchange.received())
        for item in message.get("add", ())
    ]


class TestStreaming:
    def test_events_of_an_occ_symbol_come_wherever_it_is_asked_for(
        self, exchange: Exchange
    ) -> None:
        with DXLinkStreamer(exchange.url) as streamer:
            streamer.subscribe(Quote, [OCC, "SPY"])
            until(lambda: sorted(asked_for(exchange)) == sorted([DXFEED, "SPY"]))
            listener = streamer.listen(Quote, symbols=[OCC])
            batches = streamer.batches(Quote, OCC)
            exchange.publish(Quote("SPY", bid_price=1.0), Quote(DXFEED, bid_price=2.0))
            assert next(listener).bid_price == 2.0
            assert next(batches).bid_price.tolist() == [2.0]
            latest = streamer.latest(Quote, OCC)
            assert latest is not None
            assert (latest.event_symbol, latest.bid_price) == (DXFEED, 2.0)
            assert streamer.snapshot(Quote, ["SPY", OCC]).bid_price.tolist() == [1.0, 2.0]
            assert streamer.history(Quote, OCC).bid_price.tolist() == [2.0]
            events, missing = streamer.collect(Quote, OCC).result()
            assert (events[OCC].bid_price, missing) == (2.0, [])
            streamer.unsubscribe(Quote, OCC)
            with pytest.raises(KeyError, match="is not subscribed"):
                streamer.snapshot(Quote, [OCC])

    def test_futures_of_tastytrade_are_asked_for_as_dxfeed_names_them(
        self, exchange: Exchange
    ) -> None:
        digit = date.today().year % 10
        with DXLinkStreamer(exchange.url) as streamer:
            streamer.subscribe(Greeks, "./ESZ5 EW4Z5 251226C6900")
            streamer.subscribe(Quote, [f"/ESZ{digit}", "/ES", "BRK/B"])
            expected = ["./EW4Z25C6900:XCME", f"/ESZ{date.today():%y}:XCME", "/ES", "BRK/B"]
            until(lambda: sorted(asked_for(exchange)) == sorted(expected))

    def test_candles_of_an_occ_symbol(self, exchange: Exchange) -> None:
        with DXLinkStreamer(exchange.url) as streamer:
            streamer.subscribe_candle([OCC], "1h", extended_trading_hours=True)
            streamer.subscribe(Candle, f"{OCC}{{tho=true,=1d}}")
            wire = [f"{DXFEED}{{=h}}", f"{DXFEED}{{=d,tho=true}}"]
            until(lambda: sorted(asked_for(exchange)) == sorted(wire))
            assert streamer.snapshot(Candle).event_symbols == tuple(wire)
            streamer.unsubscribe_candle(OCC)
            assert streamer.snapshot(Candle).symbols == ()

    def test_a_chart_of_an_occ_symbol_is_loaded(self, exchange: Exchange) -> None:
        wire = f"{DXFEED}{{=5m,tho=true}}"
        exchange.publish(candle(0, 2.0, symbol=wire))
        with DXLinkStreamer(exchange.url) as streamer:
            for symbol, interval in [(OCC, "5m"), (f"{OCC}{{=5m,tho=true}}", None)]:
                candles = streamer.candles(symbol, interval).result(DEADLINE)
                assert (candles.symbol, candles.close.tolist()) == (wire, [2.0])

    @pytest.mark.parametrize(
        ("symbol", "text"),
        [
            ("AAPL 250117C00150000", "did you mean"),
            ("AAPL  251317C00150000", "no date"),
            ("AAPL  250117C00000000", "strike"),
            ("aapl  250117c00150000", "small letters"),
            ("AAPL250117C00150000", "did you mean"),
            ("./ESZ5 EW4Z5 251226C", "strike"),
            ("/QQQQZ5", "streamer-symbol"),
        ],
    )
    def test_nothing_is_subscribed_where_a_symbol_is_wrong(
        self, exchange: Exchange, symbol: str, text: str
    ) -> None:
        with DXLinkStreamer(exchange.url) as streamer:
            calls: list[Callable[[], object]] = [
                lambda: streamer.subscribe(Quote, ["SPY", symbol]),
                lambda: streamer.unsubscribe(Quote, ["SPY", symbol]),
                lambda: streamer.listen(Quote, symbols=["SPY", symbol]),
                lambda: streamer.collect(Quote, ["SPY", symbol]),
                lambda: streamer.latest(Quote, symbol),
                lambda: streamer.snapshot(Quote, [symbol]),
                lambda: streamer.history(Quote, symbol),
                lambda: next(streamer.batches(Quote, ["SPY", symbol])),
                lambda: streamer.subscribe_candle(["SPY", symbol], "1d"),
                lambda: streamer.unsubscribe_candle(symbol),
                lambda: streamer.candles(symbol, "1d"),
            ]
            for call in calls:
                with pytest.raises(ValueError, match=text):
                    call()
            assert "nothing subscribed" in repr(streamer)
            streamer.subscribe(Quote, "QQQ")
            until(lambda: asked_for(exchange) == ["QQQ"])

    def test_a_cryptocurrency_without_its_exchange_is_explained(self, exchange: Exchange) -> None:
        with DXLinkStreamer(exchange.url) as streamer:
            streamer.subscribe(Quote, ["BTC/USD", "BRK/B"])
            suggestions = [silent.suggestion for silent in streamer.silent(0)]
            assert suggestions == ["BTC/USD:CXTALP", None]
