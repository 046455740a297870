"""Books of replayed orders against a naive model, after every transaction."""

import zipfile
from collections.abc import Iterable, Iterator
from itertools import islice
from math import isnan
from pathlib import Path

import pytest
from conftest import until

from dxstream import DXLinkStreamer
from dxstream.book import BookSide
from dxstream.dxfeed import Order
from dxstream.exchange import Exchange, Market

TICKS = Path(__file__).parent.parent.parent / "shared/data/ticks/ibm_20131009_quote.zip"

TX_PENDING, REMOVE, BEGIN, END = 1, 2, 4, 8


class Model:
    """The orders of a book by index, as the rules say."""

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}

    def apply(self, group: Iterable[Order]) -> None:
        for event in group:
            if event.event_flags & BEGIN:
                self.orders.clear()
            self.orders.pop(event.index, None)
            stands = event.size > 0 and not isnan(event.price)
            if stands and not event.event_flags & REMOVE:
                self.orders[event.index] = event

    def levels(self, side: str) -> list[tuple[float, float, int]]:
        orders = [order for order in self.orders.values() if order.order_side == side]
        prices = sorted({order.price for order in orders}, reverse=side == "BUY")
        # Sizes are added in the order in which orders stand at a price.
        orders.sort(key=lambda o: (o.time, o.time_nano_part, o.sequence, o.index))
        levels = []
        for price in prices:
            at_price = [order for order in orders if order.price == price]
            size = at_price[0].size
            for order in at_price[1:]:
                size += order.size
            levels.append((price, size, sum(max(order.count or 0, 1) for order in at_price)))
        return levels


def levels(side: BookSide) -> list[tuple[float, float, int]]:
    return list(zip(side.price.tolist(), side.size.tolist(), side.count.tolist(), strict=True))


def groups(orders: Iterable[Order]) -> Iterator[list[Order]]:
    """Split the orders of one book where a transaction or a snapshot is whole."""
    group: list[Order] = []
    loading = False
    for order in orders:
        group.append(order)
        loading = (loading or bool(order.event_flags & BEGIN)) and not order.event_flags & END
        if not loading and not order.event_flags & TX_PENDING:
            yield group
            group = []


def replay(tape: Iterable[Order], symbol: str, source: str) -> int:
    """Send a tape through an exchange and compare the book after each group; count these."""
    model, count = Model(), 0
    with Exchange(None) as exchange, DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Order, symbol, 0, source=source)
        until(lambda: exchange.stats().subscriptions == 1)
        for count, group in enumerate(groups(tape), 1):
            *pending, last = group
            if pending:
                exchange.publish(*pending)
                before = streamer.book(symbol, source)
                assert before is None or (levels(before.bids), levels(before.asks)) == (
                    model.levels("BUY"),
                    model.levels("SELL"),
                )
            exchange.publish(last)
            model.apply(group)

            def told(epoch: int = count) -> bool:
                book = streamer.book(symbol, source)
                return book is not None and book.epoch >= epoch

            until(told)
            book = streamer.book(symbol, source)
            assert book is not None
            assert book.epoch == count
            assert levels(book.bids) == model.levels("BUY")
            assert levels(book.asks) == model.levels("SELL")
    return count


def test_a_recorded_market_makes_the_books_of_the_model() -> None:
    """A market that moves has a snapshot, then rows that each stand alone."""
    market = Market(seed=9, start=1_767_625_200_000, symbols=("AAPL",), quotes_per_second=1000)
    with Exchange(market) as exchange, DXLinkStreamer(exchange.url) as streamer:
        listener = streamer.listen(Order)
        streamer.subscribe(Order, "AAPL", 0, source="NTV")
        tape = list(islice(listener, 1000))
    assert tape[0].event_flags & BEGIN
    assert any(order.event_flags & REMOVE or not order.size > 0 for order in tape)
    assert replay(tape, "AAPL", "NTV") > 900


def quotes_as_orders(quotes: int) -> Iterator[Order]:
    """Take the recorded quotes of each exchange as its orders.

    A new size changes an order, and a new price replaces it by another. Bid and ask of a quote are
    one transaction.
    """
    standing: dict[tuple[str, str], tuple[int, float, float]] = {}
    last_index = 0
    with zipfile.ZipFile(TICKS) as archive, archive.open(archive.namelist()[0]) as lines:
        while quotes:
            quotes -= 1
            rows: list[Order] = []
            for side in ("BUY", "SELL"):
                time, *prices, exchange, _, _ = next(lines).decode().split(",")
                price, size = prices[:2] if side == "BUY" else prices[2:]
                now = int(price) / 10_000, float(size)
                old = standing.get((exchange, side))
                index = old[0] if old is not None and old[1] == now[0] else last_index + 1
                if old is not None and old[0] != index:
                    rows.append(Order("IBM", source="NTV", index=old[0], event_flags=REMOVE))
                last_index = max(last_index, index)
                standing[exchange, side] = index, *now
                rows.append(
                    Order(
                        "IBM",
                        source="NTV",
                        index=index,
                        time=int(time),
                        order_side=side,
                        price=now[0],
                        size=now[1],
                        exchange_code=exchange,
                    )
                )
            for at, order in enumerate(rows):
                flags = order.event_flags | (TX_PENDING if at + 1 < len(rows) else 0)
                values = {name: getattr(order, name) for name in Order.fields[1:]}
                yield Order("IBM", **values | {"event_flags": flags})


@pytest.mark.skipif(not TICKS.exists(), reason="the recorded ticks are not here")
def test_recorded_quotes_make_the_books_of_the_model() -> None:
    assert replay(quotes_as_orders(1500), "IBM", "NTV") == 1500
