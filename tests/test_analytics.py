"""Figures of quotes, trades and chains against cases computed by hand."""

import math
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxstream import EventTable, analytics
from dxstream.dxfeed import Greeks, Quote, Summary, TimeAndSale, Trade

NAN = math.nan
JUNE, JULY = np.datetime64("2026-06-19"), np.datetime64("2026-07-17")
AMOUNTS = st.just(NAN) | st.floats(0, 1e9)


def quotes(*rows: tuple[float, float, float, float]) -> EventTable[Quote]:
    return EventTable.from_events(
        Quote,
        [
            Quote("A", bid_price=bid, bid_size=bid_size, ask_price=ask, ask_size=ask_size)
            for bid, bid_size, ask, ask_size in rows
        ],
    )


def greeks(rows: dict[str, dict[str, Any]]) -> EventTable[Greeks]:
    return EventTable.from_events(
        Greeks, [Greeks(symbol, **fields) for symbol, fields in rows.items()]
    )


def volatilities(rows: dict[str, float]) -> EventTable[Greeks]:
    return greeks({symbol: {"volatility": iv} for symbol, iv in rows.items()})


class TestQuotes:
    TABLE = quotes(
        (99.0, 3.0, 101.0, 1.0),
        (99.0, NAN, 101.0, 1.0),
        (NAN, 3.0, 101.0, 1.0),
        (99.0, 0.0, 101.0, 0.0),
        (-1.0, 1.0, 1.0, 3.0),
    )

    @pytest.mark.parametrize(
        ("figure", "expected"),
        [
            (analytics.mid, [100.0, 100.0, NAN, 100.0, 0.0]),
            (analytics.spread, [2.0, 2.0, NAN, 2.0, 2.0]),
            (analytics.spread_bps, [200.0, 200.0, NAN, 200.0, NAN]),
            # (99 x 1 + 101 x 3) / 4; the mid price where the sizes say nothing
            (analytics.micro_price, [100.5, 100.0, NAN, 100.0, -0.5]),
            (analytics.imbalance, [0.5, NAN, 0.5, NAN, -0.5]),
        ],
    )
    def test_by_hand(
        self, figure: Callable[[EventTable[Quote]], Any], expected: list[float]
    ) -> None:
        np.testing.assert_array_equal(figure(self.TABLE), expected)
        assert len(figure(self.TABLE[:0])) == 0

    @given(st.lists(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS), max_size=4))
    def test_prices_are_those_of_the_events(self, rows: list[Any]) -> None:
        table = quotes(*rows)
        for figure, name in [(analytics.mid, "mid_price"), (analytics.micro_price, "micro_price")]:
            np.testing.assert_array_equal(figure(table), [getattr(quote, name) for quote in table])

    def test_a_field_that_is_left_out_is_named(self) -> None:
        with pytest.raises(AttributeError, match="the Quote table has no field 'ask_price'"):
            analytics.mid(self.TABLE[["bid_price"]])


class TestTrades:
    TABLE = EventTable.from_events(
        Trade,
        [
            Trade("SPY", price=600.0, size=1.0),
            Trade("AAPL", price=150.0, size=30.0),
            Trade("AAPL", price=154.0, size=10.0),
            Trade("AAPL", price=NAN, size=10.0),
            Trade("AAPL", price=1.0, size=NAN),
            Trade("AAPL", price=1.0, size=-1.0),
            Trade("MSFT", price=400.0, size=0.0),
        ],
    )

    def test_of_all(self) -> None:
        assert analytics.vwap(self.TABLE) == (600 + 150 * 30 + 154 * 10) / 41
        assert math.isnan(analytics.vwap(self.TABLE[-1:]))
        assert math.isnan(analytics.vwap(self.TABLE[:0]))

    def test_by_symbol(self) -> None:
        symbols, prices, volume = analytics.vwap_by_symbol(self.TABLE)
        assert symbols == ("SPY", "AAPL", "MSFT")
        np.testing.assert_array_equal(prices, [600.0, 151.0, NAN])
        assert volume.tolist() == [1.0, 40.0, 0.0]
        assert analytics.vwap_by_symbol(self.TABLE[:0]).symbols == ()

    def test_of_sales(self) -> None:
        sales = EventTable.from_events(TimeAndSale, [TimeAndSale("A", price=2.0, size=5.0)])
        assert analytics.vwap(sales) == 2.0


class TestChain:
    def test_symbols_are_read(self) -> None:
        options = analytics.parse_options([".AAPL1260619C150", ".P260717P0.5", ".BRK/B260717C7"])
        assert options.root.tolist() == ["AAPL1", "P", "BRK/B"]
        assert options.expiry.tolist() == [date(2026, 6, 19), date(2026, 7, 17), date(2026, 7, 17)]
        assert options.right.tolist() == ["C", "P", "C"]
        assert options.strike.tolist() == [150.0, 0.5, 7.0]
        nothing = analytics.parse_options([])
        assert [(part.shape, part.dtype.kind) for part in nothing] == [
            ((0,), "U"),
            ((0,), "M"),
            ((0,), "U"),
            ((0,), "f"),
        ]

    @given(
        st.from_regex("[A-Z][A-Z0-9]{0,5}", fullmatch=True),
        st.dates(date(2000, 1, 1), date(2099, 12, 31)),
        st.sampled_from("CP"),
        st.integers(1, 99_999_999),
    )
    def test_any_symbol_is_read(self, root: str, expiry: date, right: str, strike: int) -> None:
        text = f"{strike / 1000:.3f}".rstrip("0").rstrip(".")
        options = analytics.parse_options([f".{root}{expiry:%y%m%d}{right}{text}"])
        assert [part.tolist() for part in options] == [[root], [expiry], [right], [strike / 1000]]

    @pytest.mark.parametrize(
        "symbol",
        [
            "AAPL",
            "",
            ".C150",
            ".AAPL261319C150",
            ".AAPL260230P5",
            ".AAPL260600P5",
            ".AAPL260019P5",
            "/ESU25:XCME",
            ".A260619C",
        ],
    )
    def test_other_symbols_are_named(self, symbol: str) -> None:
        with pytest.raises(ValueError, match="is no symbol of an option") as caught:
            analytics.parse_options([".A260619C5", symbol])
        assert str(caught.value).startswith(f'symbol 1: "{symbol}" ')

    def test_pivot(self) -> None:
        symbols = [".A260717C20", ".A260619P10", ".A260619C10", ".A260717P10"]
        pivot = analytics.chain_pivot(symbols, [4.0, 2.0, 1.0, NAN])
        assert pivot.expiries.tolist() == [JUNE, JULY]
        assert pivot.strikes.tolist() == [10.0, 20.0]
        np.testing.assert_array_equal(pivot.calls, [[1.0, NAN], [NAN, 4.0]])
        np.testing.assert_array_equal(pivot.puts, [[2.0, NAN], [NAN, NAN]])
        assert analytics.chain_pivot([], []).values.shape == (0, 0, 2)

    def test_pivot_refuses_what_is_ambiguous(self) -> None:
        with pytest.raises(ValueError, match="the P 5 of 2026-06-19 comes twice"):
            analytics.chain_pivot([".SPX260619C5", ".SPX260619P5", ".SPXW260619P5"], [1, 2, 3])
        with pytest.raises(ValueError, match=r"values must have the shape \(1,\) of the options"):
            analytics.chain_pivot([".SPX260619P5"], [1, 2])

    def test_options_whose_expiry_is_unknown_are_refused(self) -> None:
        symbols = [".A260619C5", "./EW4Z25C6900:XCME"]
        with pytest.raises(ValueError, match="option 1, of root EW4, is not known"):
            analytics.chain_pivot(symbols, [1, 2])
        table = greeks({symbol: {"volatility": 0.2, "delta": 0.5} for symbol in symbols})
        figures: list[Callable[[], object]] = [
            lambda: analytics.iv_smile(table, right="C"),
            lambda: analytics.term_structure(table, 100.0),
            lambda: analytics.risk_reversal(table),
        ]
        for figure in figures:
            with pytest.raises(ValueError, match="the month of a contract alone"):
                figure()
        options = analytics.parse_options(symbols)
        options.expiry[1] = np.datetime64("2025-12-26")
        assert analytics.chain_pivot(options, [1, 2]).expiries.tolist() == [
            date(2025, 12, 26),
            date(2026, 6, 19),
        ]


class TestPortfolio:
    TABLE = greeks(
        {
            ".A260619C10": {"delta": 0.5, "gamma": 0.1, "theta": -1.0, "rho": 2.0, "vega": 4.0},
            ".A260619P10": {"delta": -0.5, "gamma": 0.1, "theta": -0.5, "rho": -2.0, "vega": NAN},
        }
    )

    def test_by_hand(self) -> None:
        portfolio = analytics.portfolio_greeks({".A260619P10": -2, ".A260619C10": 3}, self.TABLE)
        assert portfolio.symbols == (".A260619P10", ".A260619C10")
        assert portfolio.quantity.tolist() == [-2.0, 3.0]
        assert portfolio.delta.tolist() == [100.0, 150.0]
        total = portfolio.total()
        assert math.isnan(total.pop("vega"))
        expected = {"delta": 250.0, "gamma": 10.0, "theta": -200.0, "rho": 1000.0}
        assert total == pytest.approx(expected, rel=1e-15)

    def test_multipliers_by_symbol(self) -> None:
        positions = {".A260619C10": 1, ".A260619P10": 1}
        multipliers = {".A260619C10": 10, ".A260619P10": 1000}
        portfolio = analytics.portfolio_greeks(positions, self.TABLE, multipliers)
        assert portfolio.delta.tolist() == [5.0, -500.0]

    def test_last_row_of_a_symbol_counts(self) -> None:
        table = EventTable.from_events(Greeks, [Greeks("X", delta=float(row)) for row in range(20)])
        assert analytics.portfolio_greeks({"X": 1}, table, 1).delta.tolist() == [19.0]

    def test_nothing_held(self) -> None:
        for table in (self.TABLE, self.TABLE[:0]):
            assert analytics.portfolio_greeks({}, table).total()["delta"] == 0.0

    def test_what_is_missing_is_named(self) -> None:
        positions = {".A260619C10": 1, "A": 1, ".Z": 2}
        for table, count in ((self.TABLE, 2), (self.TABLE[:0], 3)):
            with pytest.raises(KeyError, match=f"no Greeks of '.*'; {count} positions lack them"):
                analytics.portfolio_greeks(positions, table)
        with pytest.raises(KeyError, match=r"there is no multiplier for '\.A260619C10'"):
            analytics.portfolio_greeks({".A260619C10": 1}, self.TABLE, {})


class TestGammaExposure:
    TABLE = greeks(
        {
            ".A260717C20": {"gamma": 0.02},
            ".A260619C10": {"gamma": 0.1},
            ".A260619P10": {"gamma": 0.2},
            ".A260717C10": {"gamma": 0.3},
            ".A260717P10": {"gamma": NAN},
            ".A260717P20": {"gamma": 0.4},
            ".A260717P30": {"gamma": 0.5},
        }
    )
    INTEREST = EventTable.from_events(
        Summary,
        [
            Summary(".A260717P10", open_interest=5),
            Summary(".A260619P10", open_interest=30),
            Summary(".A260619C10", open_interest=10),
            Summary(".A260717C10", open_interest=20),
            Summary(".A260717C20", open_interest=50),
            Summary(".A260717P20"),
        ],
    )

    def test_by_hand(self) -> None:
        exposure = analytics.gamma_exposure(self.TABLE, self.INTEREST, 20.0)
        # a contract: gamma x open interest x 100 shares x 20 squared x 1 %, which is 400
        assert exposure.strikes.tolist() == [10.0, 20.0, 30.0]
        np.testing.assert_allclose(exposure.calls, [(1 + 6) * 400, 1 * 400, 0], rtol=1e-15)
        np.testing.assert_allclose(exposure.puts, [-6 * 400, 0, 0], rtol=1e-15)
        np.testing.assert_allclose(exposure.net, [400, 400, 0], rtol=1e-14)
        assert exposure.left_out == 3

    def test_options_may_be_given(self) -> None:
        options = analytics.parse_options(self.TABLE.symbols)
        given_them = analytics.gamma_exposure(self.TABLE, self.INTEREST, 20.0, options=options)
        read = analytics.gamma_exposure(self.TABLE, self.INTEREST, 20.0)
        assert given_them.net.tolist() == read.net.tolist()
        with pytest.raises(ValueError, match="options has 7 rows, and the table 1"):
            analytics.gamma_exposure(self.TABLE[:1], self.INTEREST, 20.0, options=options)

    def test_without_open_interest(self) -> None:
        exposure = analytics.gamma_exposure(self.TABLE, self.INTEREST[:0], 20.0)
        assert (exposure.net == 0).all()
        assert exposure.left_out == len(self.TABLE)

    @pytest.mark.parametrize("spot", [0.0, -1.0, NAN])
    def test_spot_must_be_a_price(self, spot: float) -> None:
        for figure in (
            lambda: analytics.gamma_exposure(self.TABLE, self.INTEREST, spot),
            lambda: analytics.iv_smile(self.TABLE, spot=spot),
            lambda: analytics.term_structure(self.TABLE, spot),
        ):
            with pytest.raises(ValueError, match="spot must be a price above 0"):
                figure()


class TestVolatility:
    TABLE = volatilities(
        {
            ".A260717C12": 0.4,
            ".A260619C12": 0.3,
            ".A260619C10": 0.2,
            ".A260619P10": 0.4,
            ".A260619P8": 0.5,
            ".A260619C8": NAN,
            ".A260619P12": 0.0,
        }
    )

    def smiles(self, **of: Any) -> list[tuple[Any, list[float], list[float]]]:
        return [
            (smile.expiry, smile.strikes.tolist(), smile.iv.tolist())
            for smile in analytics.iv_smile(self.TABLE, **of)
        ]

    def test_smiles(self) -> None:
        assert self.smiles(right="C") == [(JUNE, [10, 12], [0.2, 0.3]), (JULY, [12], [0.4])]
        assert self.smiles(right="P") == [(JUNE, [8, 10], [0.5, 0.4]), (JULY, [], [])]
        assert self.smiles(spot=10) == [(JUNE, [8, 10, 12], [0.5, 0.2, 0.3]), (JULY, [12], [0.4])]

    def test_two_classes_have_their_mean(self) -> None:
        table = volatilities({".SPX260619C5": 0.25, ".SPXW260619C5": 0.75})
        assert analytics.iv_smile(table, right="C")[0].iv.tolist() == [0.5]

    def test_smile_is_of_one_kind(self) -> None:
        for of in ({}, {"right": "C", "spot": 10.0}):
            with pytest.raises(ValueError, match="give either right"):
                self.smiles(**of)
        with pytest.raises(ValueError, match="right must be 'C' or 'P', not 'call'"):
            self.smiles(right="call")

    def test_term_structure(self) -> None:
        # June: 0.5 at 8, the mean of 0.2 and 0.4 at 10, 0.3 at 12
        for spot, june in [(9.0, 0.4), (10.0, 0.3), (11.0, 0.3), (7.0, NAN), (13.0, NAN)]:
            expiries, iv = analytics.term_structure(self.TABLE, spot)
            assert expiries.tolist() == [JUNE, JULY]
            np.testing.assert_allclose(iv, [june, NAN])
        assert analytics.term_structure(self.TABLE, 12.0).iv.tolist() == [0.3, 0.4]
        assert analytics.term_structure(self.TABLE[:0], 12.0).iv.shape == (0,)

    def test_risk_reversal(self) -> None:
        table = greeks(
            {
                ".A260619C10": {"delta": 0.5, "volatility": 0.3},
                ".A260619C12": {"delta": 0.3, "volatility": 0.28},
                ".A260619C14": {"delta": 0.1, "volatility": 0.24},
                ".A260619P10": {"delta": -0.5, "volatility": 0.3},
                ".A260619P8": {"delta": -0.2, "volatility": 0.36},
                ".A260619P6": {"delta": 0.0, "volatility": 0.0},
                ".A260717C14": {"delta": NAN, "volatility": 0.2},
                ".A260717P8": {"delta": -0.2, "volatility": 0.2},
            }
        )
        expiries, call_iv, put_iv = found = analytics.risk_reversal(table)
        assert expiries.tolist() == [JUNE, JULY]
        # calls: three quarters of the way from 0.1 to 0.3; puts: a sixth from -0.2 to -0.5
        np.testing.assert_allclose(call_iv, [0.27, NAN])
        np.testing.assert_allclose(put_iv, [0.35, NAN])
        np.testing.assert_allclose(found.skew, [-0.08, NAN])
        np.testing.assert_allclose(analytics.risk_reversal(table, 0.05).call_iv, [NAN, NAN])

    @pytest.mark.parametrize("delta", [0.0, 1.0, -0.25, 25, NAN])
    def test_delta_is_between_0_and_1(self, delta: float) -> None:
        with pytest.raises(ValueError, match="delta must be between 0 and 1"):
            analytics.risk_reversal(self.TABLE, delta)
