"""Event objects as values: immutability, comparison, text, rows, pickles, memory."""

import copy
import doctest
import gc
import math
import pickle
import sys
import threading
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import events, field_values

from dxstream import _dxstream, dxfeed
from dxstream._dxstream import _Rows
from dxstream.dxfeed import Configuration, Message, Order, Profile, Quote, TimeAndSale, Trade


def same(left: object, right: object) -> bool:
    """Whether two field values are the same, where NaN is the same as NaN."""
    both_nan = (
        isinstance(left, float) and isinstance(right, float) and left != left and right != right
    )
    return both_nan or (type(left) is type(right) and left == right)


class TestImmutability:
    @pytest.mark.parametrize("name", ["bid_price", "event_symbol", "mid_price", "other"])
    def test_attributes_can_neither_be_set_nor_deleted(self, name: str) -> None:
        quote = Quote("AAPL", bid_price=1.0)
        with pytest.raises(AttributeError):
            setattr(quote, name, 2.0)
        with pytest.raises(AttributeError):
            delattr(quote, name)
        assert not hasattr(quote, "__dict__")

    def test_copies_are_the_event_itself(self) -> None:
        quote = Quote("AAPL")
        assert copy.copy(quote) is quote
        assert copy.deepcopy([quote])[0] is quote

    def test_any_thread_reads_the_same(self) -> None:
        rows = _Rows([Quote("AAPL", bid_price=1.5, bid_exchange_code="Q")])
        start = threading.Barrier(4)
        seen: list[tuple[int, float, str | None]] = []

        def read() -> None:
            start.wait()
            for _ in range(500):
                quote: Any = rows[0]
                seen.append((id(quote.event_symbol), quote.bid_price, quote.bid_exchange_code))

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 2000
        assert len(set(seen)) == 1


class TestComparison:
    def test_unknown_numbers_are_equal(self) -> None:
        assert Quote("X") == Quote("X", bid_price=-math.nan)
        assert hash(Quote("X")) == hash(Quote("X", bid_price=-math.nan))

    def test_signed_zeros_are_equal(self) -> None:
        assert Quote("X", bid_price=0.0) == Quote("X", bid_price=-0.0)
        assert hash(Quote("X", bid_price=0.0)) == hash(Quote("X", bid_price=-0.0))

    def test_known_zero_is_not_unknown(self) -> None:
        assert Quote("X", bid_price=0.0) != Quote("X")
        assert Trade("X", trade_id=0) != Trade("X")

    def test_types_differ(self) -> None:
        assert Trade("X") != dxfeed.TradeETH("X")
        assert Trade("X") != "X"

    def test_texts_are_compared_by_value(self) -> None:
        one, other = Profile("X", description="".join(["a", "b"])), Profile("X", description="ab")
        assert one == other
        assert hash(one) == hash(other)
        assert one != Profile("X", description="b")
        assert one != Profile("X")

    def test_events_have_no_order(self) -> None:
        left: Any = Quote("A")
        with pytest.raises(TypeError, match="not supported"):
            _ = left < Quote("B")

    @given(events(), events())
    def test_equality_is_equality_of_fields(self, left: Any, right: Any) -> None:
        assert left == type(left)(**left.as_dict())
        assert hash(left) == hash(type(left)(**left.as_dict()))
        equal = type(left) is type(right) and all(
            same(getattr(left, name), getattr(right, name))
            or getattr(left, name) == getattr(right, name)
            for name in left.fields
        )
        assert (left == right) is equal
        assert (left != right) is not equal

    @given(st.data())
    def test_a_changed_field_makes_another_event(self, data: st.DataObject) -> None:
        event = data.draw(events())
        name = data.draw(st.sampled_from(event.fields))
        value = data.draw(field_values(type(event), name))
        changed = type(event)(**(event.as_dict() | {name: value}))
        was = getattr(event, name)
        assert (changed == event) is (same(was, value) or was == value)

    def test_hashes_are_spread(self) -> None:
        assert len({hash(Quote("X", sequence=n)) for n in range(10_000)}) == 10_000


class TestText:
    def test_repr_shows_what_is_known(self) -> None:
        assert repr(Quote("AAPL")) == "Quote(event_symbol='AAPL')"
        quote = Quote(
            "AAPL",
            bid_price=150,
            bid_size=0.0,
            bid_exchange_code="Q",
            ask_price=math.inf,
            bid_time=0,
        )
        assert repr(quote) == (
            "Quote(event_symbol='AAPL', bid_exchange_code='Q', bid_price=150.0, bid_size=0.0, "
            "ask_price=float('inf'))"
        )

    @given(events())
    def test_repr_makes_an_equal_event(self, event: Any) -> None:
        assert eval(repr(event), vars(dxfeed)) == event

    def test_as_dict_has_every_field(self) -> None:
        assert tuple(Quote("AAPL").as_dict()) == Quote.fields
        assert Configuration("X", version=3).as_dict() == {
            "event_symbol": "X",
            "event_time": 0,
            "version": 3,
            "attachment": None,
        }

    def test_pattern_matching_by_symbol(self) -> None:
        match Trade("AAPL", price=1.0):
            case Trade("AAPL", price=price):
                assert price == 1.0
            case _:
                pytest.fail("no match")

    def test_documentation_examples(self) -> None:
        failed, attempted = doctest.testmod(dxfeed)
        assert attempted > 0
        assert failed == 0


class TestRows:
    @given(st.lists(events(), max_size=5))
    def test_event_to_row_to_event(self, originals: list[Any]) -> None:
        rows = _Rows(originals)
        assert len(rows) == len(originals)
        for at, original in enumerate(originals):
            event = rows[at]
            assert type(event) is type(original)
            assert event == original
            assert repr(event) == repr(original)

    def test_a_symbol_is_one_str(self) -> None:
        rows = _Rows([Quote("".join(["AA", "PL"])), Trade("".join(["AAP", "L"]))])
        assert rows[0].event_symbol is rows[1].event_symbol is rows[0].symbol

    def test_a_text_is_one_str(self) -> None:
        rows: Any = _Rows(
            [Message("X", attachment="a text"), Configuration("X", attachment="a text")]
        )
        assert rows[0].attachment is rows[1].attachment

    def test_ids_of_other_tables_are_an_error(self) -> None:
        fields = {"event_symbol": "X", "order_side": "BOTH", "source": "a source"}
        rows = _Rows([_dxstream._event(Order, fields)])
        for _ in range(100):
            with pytest.raises(RuntimeError, match="the connection's tables have no text 0"):
                rows.orphan(0)

    def test_only_events_have_rows(self) -> None:
        with pytest.raises(TypeError, match="is not an event type"):
            _Rows(["AAPL"])  # type: ignore[list-item]


class TestPickling:
    @given(events(), st.integers(0, pickle.HIGHEST_PROTOCOL))
    def test_every_protocol_makes_an_equal_event(self, event: Any, protocol: int) -> None:
        assert pickle.loads(pickle.dumps(event, protocol)) == event

    def test_names_that_only_a_server_knows(self) -> None:
        fields = {"event_symbol": "X", "order_side": "BOTH", "exchange_code": "XNAS"}
        order: Any = _dxstream._event(Order, fields)
        assert (order.order_side, order.exchange_code) == ("BOTH", "XNAS")
        assert pickle.loads(pickle.dumps(order)) == order == _Rows([order])[0]
        assert hash(order) == hash(_Rows([order])[0])
        assert order != _dxstream._event(Order, fields | {"order_side": "NONE"})
        assert order != Order("X", order_side="BUY", exchange_code="Q")


class TestMemory:
    def test_events_are_small_and_not_tracked(self) -> None:
        assert sys.getsizeof(Quote("X")) == object.__basicsize__ + 8 * len(Quote.fields)
        assert not gc.is_tracked(Quote("X"))

    @pytest.mark.parametrize("event_type", [Quote, TimeAndSale, Order])
    def test_dropped_events_leave_nothing(self, event_type: Any) -> None:
        texts = ("event_symbol", "bid_exchange_code", "exchange_code", "source", "buyer")
        fields: Any = {name: f"some {name}" for name in texts if name in event_type.fields}
        counts = {name: sys.getrefcount(value) for name, value in fields.items()}
        classes = sys.getrefcount(event_type)
        rows = _Rows([_dxstream._event(event_type, fields)])
        rows.churn(10)
        first = {name: sys.getrefcount(getattr(rows[0], name)) for name in fields}
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            rows.churn(100_000)
            for _ in range(20_000):
                _dxstream._event(event_type, fields)
            with pytest.raises(TypeError):
                _dxstream._event(event_type, fields | {"wrong": 1})
            after = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert after - before < 10_000
        assert {name: sys.getrefcount(getattr(rows[0], name)) for name in fields} == first
        del rows
        assert {name: sys.getrefcount(value) for name, value in fields.items()} == counts
        assert sys.getrefcount(event_type) == classes

    def test_reading_leaks_nothing(self) -> None:
        sale = TimeAndSale(
            "a symbol", price=1.5, index=2**60, buyer="a buyer", type="NEW", time=2**40
        )
        names = [name for name in dir(sale) if not name.startswith("_") and name != "as_dict"]
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(2_000):
                for name in names:
                    getattr(sale, name)
                _ = repr(sale), hash(sale), sale == sale, sale.as_dict(), sale.__reduce__()
            after = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert after - before < 10_000
