"""Order books, as arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BookSide", "OrderBook"]


@dataclass(frozen=True, slots=True)
class BookSide:
    """The price levels of one side, best first.

    Attributes
    ----------
    price
        Prices, float64.
    size
        Sizes of the orders at each price together, float64.
    count
        How many orders stand at each price, int64.
    """

    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Count the levels."""
        return len(self.price)

    @classmethod
    def of(cls, levels: tuple[list[float], list[float], list[int]]) -> "BookSide":
        """Make a side of lists."""
        price, size, count = levels
        return cls(np.array(price), np.array(size), np.array(count, np.int64))


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The book of one symbol and source, between two transactions of the server.

    Attributes
    ----------
    bids
        Buyers, highest price first.
    asks
        Sellers, lowest price first.
    epoch
        A number that grows with each change: two books with the same number are the same.
    complete
        Whether the book has had a whole snapshot and every order since.
    """

    bids: BookSide
    asks: BookSide
    epoch: int
    complete: bool
