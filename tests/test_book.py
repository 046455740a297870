"""Order books, as a program sees them."""

from collections.abc import Iterator

import pytest
from conftest import until

from dxstream import DXLinkStreamer
from dxstream.book import BookSide, OrderBook
from dxstream.dxfeed import AnalyticOrder, Order, Quote
from dxstream.exchange import Exchange, Market


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        connected.subscribe(Order, "AAPL", 0, source="NTV")
        yield connected


def order(index: int, side: str, price: float, size: float, flags: int = 0) -> Order:
    return Order(
        "AAPL",
        source="NTV",
        index=index,
        order_side=side,
        price=price,
        size=size,
        event_flags=flags,
        scope="ORDER",
    )


def levels(side: BookSide) -> list[tuple[float, float, int]]:
    return list(zip(side.price.tolist(), side.size.tolist(), side.count.tolist(), strict=True))


def test_memory_counts_books_and_orders(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    assert streamer.memory().books[::3] == (0, 0)
    exchange.publish(order(1, "BUY", 10, 5), order(2, "SELL", 11, 2))
    until(lambda: streamer.memory().books[3] == 2)
    memory = streamer.memory()
    books, most_books, book_bytes, orders, most_orders, order_bytes = memory.books
    assert (books, orders) == (1, 2)
    [line] = [line for line in str(memory).splitlines() if line.startswith("order books")]
    assert f"{most_books * book_bytes + most_orders * order_bytes:,} bytes when full" in line
    assert "1 books and 2 orders, at most 4,992 bytes, now" in line
    rings = sum(allocated for *_, allocated in memory.rings)
    queues = sum(width * waiting for _, _, width, _, waiting in memory.buffers)
    assert memory.allocated == rings + queues + book_bytes + 2 * order_bytes


def test_a_book_follows_its_orders(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    exchange.publish(
        order(1, "BUY", 10, 5),
        order(2, "BUY", 10, 7),
        order(3, "BUY", 9.5, 1),
        order(4, "SELL", 11, 2),
    )

    def book() -> OrderBook:
        return streamer.book("AAPL", "NTV") or OrderBook(
            BookSide.of(([], [], [])), BookSide.of(([], [], [])), 0, complete=False
        )

    until(lambda: len(book().bids) == 2 and len(book().asks) == 1)
    assert levels(book().bids) == [(10, 12, 2), (9.5, 1, 1)]
    assert levels(book().asks) == [(11, 2, 1)]
    before = book().epoch
    exchange.publish(order(1, "BUY", 10, 5, flags=2), order(4, "SELL", 10.5, 3))
    until(lambda: levels(book().asks) == [(10.5, 3, 1)])
    assert levels(book().bids) == [(10, 7, 1), (9.5, 1, 1)]
    assert book().epoch > before
    top = streamer.book("AAPL", "NTV", depth=1)
    assert top is not None
    assert levels(top.bids) == [(10, 7, 1)]


def test_there_is_no_book_without_orders(streamer: DXLinkStreamer) -> None:
    assert streamer.book("AAPL", "NTV") is None
    assert streamer.book("MSFT", "other", event_type=AnalyticOrder) is None


def test_books_of_a_moving_market_are_never_crossed_nor_half_changed() -> None:
    market = Market(seed=3, start=1_767_625_200_000, symbols=("AAPL",), quotes_per_second=300)
    with Exchange(market) as exchange, DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Order, "AAPL", 0, source="NTV")
        seen: set[int] = set()
        until(lambda: streamer.book("AAPL", "NTV"))
        while len(seen) < 50:
            book = streamer.book("AAPL", "NTV")
            assert book is not None
            assert book.complete
            seen.add(book.epoch)
            for side in (book.bids, book.asks):
                assert (side.size > 0).all()
            assert (book.bids.price[:-1] > book.bids.price[1:]).all()
            assert (book.asks.price[:-1] < book.asks.price[1:]).all()


def test_bad_questions_are_answered_in_one_line(streamer: DXLinkStreamer) -> None:
    with pytest.raises(ValueError, match="depth must be"):
        streamer.book("AAPL", "NTV", depth=0)
    with pytest.raises(ValueError, match="Quote makes no order book"):
        streamer.book("AAPL", "NTV", event_type=Quote)
