"""The account side of the embedded exchange: REST, OAuth and the account WebSocket on loopback."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from dxstream import _dxstream
from dxstream.faults import AccountFault
from dxstream.process import Local

__all__ = ["AccountSide", "AccountStats", "Accounts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """A customer's accounts, served as tastytrade's servers serve them.

    Each account trades on its own in what the exchange's market or tape has. Its orders, fills,
    positions and balances agree at every moment: cash is that of the beginning less the price of
    every fill and its fees, positions are the sums of fills, and the net liquidating value is cash
    and what the positions are worth. The same seed draws the same orders.

    Attributes
    ----------
    numbers
        The account numbers.
    client_secret
        The OAuth secret that is asked for.
    refresh_token
        The refresh token that is asked for.
    any_credentials
        Whether any other secret and refresh token will do as well.
    is_test
        Whether it is a sandbox, which refuses the header ``Accept-Version`` and has quote tokens of
        level "demo".
    market_data
        Whether the customer gets quote tokens; a customer that was never registered does not.
    seed
        Accounts with different seeds trade differently.
    cash
        The cash of each account before its first order, at most 1,000,000,000,000.
    opening_orders
        Orders that each account has filled from the beginning, as far as there are prices.
    orders_per_minute
        Orders that each account places on its own, on average; 0 for none.
    access_token_seconds
        How long an access token is good for.
    quote_token_seconds
        How long a quote token is good for.
    heartbeat_timeout
        Seconds for which a client of the WebSocket may go without a heartbeat.
    received_limit
        How many of the clients' messages to keep; tokens are among them.
    port
        Where to listen; 0 lets the system choose.
    faults
        What goes wrong on purpose.
    """

    numbers: tuple[str, ...] = ("SIM00001",)
    client_secret: str = field(default="sim-secret", repr=False)
    refresh_token: str = field(default="sim-refresh", repr=False)
    any_credentials: bool = True
    is_test: bool = False
    market_data: bool = True
    seed: int = 1
    cash: float | Decimal = 100_000
    opening_orders: int = 3
    orders_per_minute: float = 12.0
    access_token_seconds: float = 900.0
    quote_token_seconds: float = 86_400.0
    heartbeat_timeout: float = 60.0
    received_limit: int = 1_000
    port: int = 0
    faults: tuple[AccountFault, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountStats:
    """What the account side of an exchange has done.

    Attributes
    ----------
    connections
        Clients of the WebSocket that are connected now.
    accepted
        Clients that were ever connected.
    connects
        Messages ``connect`` that were answered by "ok".
    heartbeats
        Heartbeats that were answered by "ok".
    errors
        Messages that were answered by an error.
    notifications
        Notifications put out, each counted once a client.
    timeouts
        Clients that were closed because they sent no heartbeat.
    requests
        HTTP requests, by method and path, such as ``"POST /oauth/token"``.
    faults
        How often each fault has happened, in the order in which they were set.
    """

    connections: int
    accepted: int
    connects: int
    heartbeats: int
    errors: int
    notifications: int
    timeouts: int
    requests: dict[str, int]
    faults: tuple[int, ...]


class AccountSide(Local):
    """What an exchange with :class:`Accounts` can do; without, all of it raises ``ValueError``."""

    __slots__ = ("_account_side",)

    _account_side: _dxstream.ExchangeAccounts

    @property
    def _accounts(self) -> _dxstream.ExchangeAccounts:
        if self._account_side.api_url is None:
            msg = "this exchange has no accounts; make it with Exchange(accounts=Accounts())"
            raise ValueError(msg)
        return self._account_side

    @property
    def api_url(self) -> str:
        """Where REST is, such as ``http://127.0.0.1:8000``."""
        return self._accounts.api_url or ""

    @property
    def account_url(self) -> str:
        """Where the account WebSocket is, such as ``ws://127.0.0.1:8000/``."""
        return self._accounts.account_url or ""

    def place_order(
        self, account: str, symbol: str, quantity: int, price: float | Decimal | None = None
    ) -> int:
        """Place an order in an account, and return its id.

        It goes its way as the account's own orders do: routed, live, and filled, perhaps in parts,
        as soon as the market lets it. It is live for ever where the market never does.

        Parameters
        ----------
        account
            The account number.
        symbol
            A stock, or an option by its OCC symbol or its streamer symbol.
        quantity
            How many to buy; negative for a sale.
        price
            The limit; ``None`` is the price of the market.

        Raises
        ------
        ValueError
            If there is no such account, or the order makes no sense.
        """
        return self._accounts.place_order(account, symbol, quantity, price)

    def notify(self, account: str, text: str) -> int:
        """Send a text, as it is, to every client that hears of an account; return to how many."""
        return self._accounts.notify(account, text)

    def expire_access_tokens(self) -> None:
        """Refuse every access token that was issued so far."""
        self._accounts.expire_access_tokens()

    def close_account_connections(self, code: int = 1000, reason: str = "") -> None:
        """Close every client of the account WebSocket; new ones may come."""
        self._accounts.close_connections(code, reason)

    def set_account_faults(self, faults: Sequence[AccountFault]) -> None:
        """Replace the faults of the account side; they are counted anew.

        Raises
        ------
        ValueError
            If a fault cannot happen; the faults are then those that they were.
        """
        self._accounts.set_faults(faults)

    def account_received(self) -> list[str]:
        """Return the last messages of the account WebSocket's clients, oldest first."""
        return self._accounts.received()

    def account_stats(self) -> AccountStats:
        """Count what the account side has done."""
        counts, requests, faults = self._accounts.stats()
        return AccountStats(**counts, requests=requests, faults=faults)
