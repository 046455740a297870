//! What the account side of an exchange is asked to be.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rust_decimal::Decimal;

use crate::account::fault::AccountFault;

/// Most cash of an account, and most debt: exact decimals of it can be multiplied.
pub(crate) const MAX_CASH: u64 = 1_000_000_000_000;

/// How the account side is started; [`AccountsConfig::default`] has one account and accepts everybody.
#[derive(Clone, PartialEq)]
pub struct AccountsConfig {
    /// Where to listen, for REST and the account WebSocket; loopback only. Port 0 lets the system choose.
    pub address: SocketAddr,
    /// The numbers of the customer's accounts.
    pub numbers: Vec<String>,
    /// The OAuth secret that is asked for.
    pub client_secret: String,
    /// The refresh token that is asked for.
    pub refresh_token: String,
    /// Whether any other secret and refresh token will do.
    pub any_credentials: bool,
    /// Whether it is a sandbox: `Accept-Version` is refused, quote tokens are of level "demo".
    pub is_test: bool,
    /// Whether the customer gets quote tokens.
    pub market_data: bool,
    /// Accounts with different seeds trade differently.
    pub seed: u64,
    /// The time, in ms since 1970 UTC, at which the exchange's clock is zero.
    pub start: i64,
    /// The cash of each account before its first order.
    pub cash: Decimal,
    /// Orders that each account has filled before the first client comes, as far as there are prices.
    pub opening_orders: usize,
    /// Orders that each account places on its own, on average.
    pub orders_per_minute: f64,
    /// What the accounts trade on their own: streamer symbols of stocks and of options.
    pub symbols: Vec<String>,
    /// How long an access token is good for.
    pub access_token_lifetime: Duration,
    /// How long a quote token is good for.
    pub quote_token_lifetime: Duration,
    /// How long a client of the WebSocket may go without a heartbeat.
    pub heartbeat_timeout: Duration,
    /// How many of the clients' messages to keep, the latest; 0 keeps none. Tokens are among them.
    pub received_limit: usize,
    /// What goes wrong on purpose.
    pub faults: Vec<AccountFault>,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            numbers: vec!["SIM00001".to_owned()],
            client_secret: "sim-secret".to_owned(),
            refresh_token: "sim-refresh".to_owned(),
            any_credentials: true,
            is_test: false,
            market_data: true,
            seed: 1,
            start: 1_767_625_200_000,
            cash: Decimal::new(100_000, 0),
            opening_orders: 3,
            orders_per_minute: 12.0,
            symbols: Vec::new(),
            access_token_lifetime: Duration::from_mins(15),
            quote_token_lifetime: Duration::from_hours(24),
            heartbeat_timeout: Duration::from_mins(1),
            received_limit: 0,
            faults: Vec::new(),
        }
    }
}

impl fmt::Debug for AccountsConfig {
    /// Leaves out the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountsConfig")
            .field("address", &self.address)
            .field("numbers", &self.numbers)
            .field("is_test", &self.is_test)
            .field("seed", &self.seed)
            .field("orders_per_minute", &self.orders_per_minute)
            .finish_non_exhaustive()
    }
}
