//! What the synthetic market trades.

/// A stock, fund or index of the market. Figures are plausible, not current.
#[derive(Debug, Clone)]
pub(super) struct Instrument {
    /// The symbol.
    pub(super) symbol: &'static str,
    /// The root of its option symbols.
    pub(super) option_root: &'static str,
    pub(super) description: &'static str,
    /// Price at the start, in cents.
    pub(super) price: i64,
    /// Volatility a year, a fraction.
    pub(super) volatility: f64,
    /// Share of the market's move that the instrument makes.
    pub(super) beta: f64,
    /// Usual spread in cents.
    pub(super) spread: i64,
    /// Usual quote size in shares.
    pub(super) size: u64,
    /// Dividend yield, a fraction.
    pub(super) dividend: f64,
    /// Earnings per share.
    pub(super) earnings: f64,
    /// Shares outstanding.
    pub(super) shares: f64,
    /// Listing exchange.
    pub(super) exchange: u8,
    /// Step between strikes, in cents.
    pub(super) strike_step: i64,
    /// Whether it is an index: no quotes, no sizes, no book; options expire each weekday.
    pub(super) index: bool,
}

#[rustfmt::skip]
macro_rules! instruments {
    ($($symbol:literal $root:literal $description:literal $price:literal $volatility:literal
       $beta:literal $spread:literal $size:literal $dividend:literal $earnings:literal
       $shares:literal $exchange:literal $step:literal $index:literal)+) => {
        /// Every instrument of the market.
        pub(super) const INSTRUMENTS: &[Instrument] = &[$(Instrument {
            symbol: $symbol, option_root: $root, description: $description, price: $price,
            volatility: $volatility, beta: $beta, spread: $spread, size: $size,
            dividend: $dividend, earnings: $earnings, shares: $shares, exchange: $exchange,
            strike_step: $step, index: $index,
        }),+];
    };
}

instruments! {
    "SPX" "SPXW" "S&P 500 Index" 600_000 0.16 1.0 0 0 0.013 0.0 0.0 b'C' 1000 true
    "SPY" "SPY" "SPDR S&P 500 ETF Trust" 59_850 0.161 1.0 1 600 0.012 0.0 9.6e8 b'P' 200 false
    "QQQ" "QQQ" "Invesco QQQ Trust" 52_140 0.21 1.15 1 400 0.006 0.0 6.2e8 b'Q' 200 false
    "IWM" "IWM" "iShares Russell 2000 ETF" 22_635 0.22 1.1 1 500 0.011 0.0 2.8e8 b'P' 100 false
    "GLD" "GLD" "SPDR Gold Shares" 30_520 0.18 0.1 2 300 0.0 0.0 3.1e8 b'P' 200 false
    "AAPL" "AAPL" "Apple Inc. - Common Stock" 23_018 0.28 1.2 1 300 0.004 6.6 1.5e10 b'Q' 250 false
    "MSFT" "MSFT" "Microsoft Corporation - Common Stock"
        45_472 0.26 1.05 3 150 0.007 12.9 7.43e9 b'Q' 500 false
    "NVDA" "NVDA" "NVIDIA Corporation - Common Stock"
        13_450 0.48 1.9 1 500 0.0003 2.9 2.44e10 b'Q' 250 false
    "AMZN" "AMZN" "Amazon.com, Inc. - Common Stock" 20_545 0.32 1.3 2 200 0.0 6.1 1.06e10 b'Q' 250 false
    "GOOGL" "GOOGL" "Alphabet Inc. - Class A Common Stock"
        17_385 0.3 1.1 2 200 0.005 8.9 5.83e9 b'Q' 250 false
    "META" "META" "Meta Platforms, Inc. - Class A Common Stock"
        64_730 0.36 1.25 8 100 0.003 25.6 2.18e9 b'Q' 1000 false
    "TSLA" "TSLA" "Tesla, Inc. - Common Stock" 33_925 0.6 2.0 6 150 0.0 1.8 3.22e9 b'Q' 500 false
    "AMD" "AMD" "Advanced Micro Devices, Inc. - Common Stock"
        11_570 0.5 1.8 1 300 0.0 1.4 1.62e9 b'Q' 250 false
    "JPM" "JPM" "JPMorgan Chase & Co. Common Stock"
        26_295 0.24 1.05 3 150 0.021 20.4 2.78e9 b'N' 250 false
    "XOM" "XOM" "Exxon Mobil Corporation Common Stock"
        10_410 0.24 0.7 1 300 0.038 7.5 4.31e9 b'N' 250 false
}

/// Volatility a year of the market's common move, a fraction.
pub(super) const MARKET_VOLATILITY: f64 = 0.16;

/// Interest rate a year, continuous, a fraction.
pub(super) const INTEREST: f64 = 0.043;

impl Instrument {
    /// The instrument with this symbol.
    pub(super) fn find(symbol: &str) -> Option<&'static Self> {
        INSTRUMENTS.iter().find(|instrument| instrument.symbol == symbol)
    }

    /// Volatility a year of the move that is the instrument's own, a fraction.
    pub(super) fn own_volatility(&self) -> f64 {
        let common = self.beta * MARKET_VOLATILITY;
        (self.volatility * self.volatility - common * common).max(0.0).sqrt()
    }
}
