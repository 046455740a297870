//! The event types and their fields: the one place where they are declared.
//!
//! Field lists and meanings: dxFeed API and the DXLink specification. To add a field, add its line.

use super::declare::{events, field_kind, field_type, field_unknown};

events! {
    /// Best bid and best ask of a symbol.
    Quote (lasting) event {
        sequence "sequence" Int "Number that orders quotes of the same time, 0 to 4194303.",
        time_nano_part "timeNanoPart" Int "Nanoseconds of the time within its millisecond.",
        bid_time "bidTime" Time "Time of the last bid change, ms since 1970 UTC; 0 is unknown.",
        bid_exchange_code "bidExchangeCode" Char "Exchange of the bid, one letter.",
        bid_price "bidPrice" Double "Best bid price.",
        bid_size "bidSize" Double "Size at the best bid.",
        ask_time "askTime" Time "Time of the last ask change, ms since 1970 UTC; 0 is unknown.",
        ask_exchange_code "askExchangeCode" Char "Exchange of the ask, one letter.",
        ask_price "askPrice" Double "Best ask price.",
        ask_size "askSize" Double "Size at the best ask.",
    }

    /// Last trade of a symbol in regular trading hours, with the day's volume.
    Trade (lasting) trade {}

    /// Last trade of a symbol in extended trading hours, with the session's volume.
    TradeETH (lasting) trade {}

    /// The trading day of a symbol: open, high, low, close and open interest.
    Summary (lasting) event {
        day_id "dayId" Day "Trading day, days since 1970-01-01.",
        day_open_price "dayOpenPrice" Double "First price of the day.",
        day_high_price "dayHighPrice" Double "Highest price of the day.",
        day_low_price "dayLowPrice" Double "Lowest price of the day.",
        day_close_price "dayClosePrice" Double "Last price of the day.",
        day_close_price_type "dayClosePriceType" PriceType "How final the close is.",
        prev_day_id "prevDayId" Day "Previous trading day, days since 1970-01-01.",
        prev_day_close_price "prevDayClosePrice" Double "Last price of the previous day.",
        prev_day_close_price_type "prevDayClosePriceType" PriceType
            "How final the previous day's close is.",
        prev_day_volume "prevDayVolume" Double "Volume of the previous day.",
        open_interest "openInterest" Long "Open interest in contracts; 0 for equities.",
    }

    /// What is known of an instrument: description, trading status, limits, fundamentals.
    Profile (lasting) event {
        description "description" Text "Name of the instrument.",
        short_sale_restriction "shortSaleRestriction" ShortSaleRestriction
            "Whether short sales are restricted.",
        trading_status "tradingStatus" TradingStatus "Whether the instrument trades.",
        status_reason "statusReason" Text "Why trading was halted.",
        halt_start_time "haltStartTime" Time "Start of the halt, ms since 1970 UTC; 0 is none.",
        halt_end_time "haltEndTime" Time "End of the halt, ms since 1970 UTC; 0 is none.",
        high_limit_price "highLimitPrice" Double "Highest price allowed today.",
        low_limit_price "lowLimitPrice" Double "Lowest price allowed today.",
        high_52_week_price "high52WeekPrice" Double "Highest price of the last 52 weeks.",
        low_52_week_price "low52WeekPrice" Double "Lowest price of the last 52 weeks.",
        beta "beta" Double "Correlation with the S&P 500.",
        earnings_per_share "earningsPerShare" Double "Earnings per share.",
        dividend_frequency "dividendFrequency" Double "Dividend payments a year.",
        ex_dividend_amount "exDividendAmount" Double "Amount of the last dividend.",
        ex_dividend_day_id "exDividendDayId" Day "Day of the last dividend, days since 1970-01-01.",
        shares "shares" Double "Shares outstanding.",
        free_float "freeFloat" Double "Shares in free float.",
    }

    /// Greeks and implied volatility of an option, from a model.
    Greeks (lasting indexed time_series) series {
        price "price" Double "Option price that the greeks were computed from.",
        volatility "volatility" Double "Black-Scholes implied volatility, a fraction: 0.397 is 39.7 %.",
        delta "delta" Double "First derivative of the price by the underlying price.",
        gamma "gamma" Double "Second derivative of the price by the underlying price.",
        theta "theta" Double "Change of the price over one day.",
        rho "rho" Double "Change of the price for one percentage point of interest rate.",
        vega "vega" Double "Change of the price for one percentage point of volatility.",
    }

    /// Theoretical price of an option, from a model.
    TheoPrice (lasting indexed time_series) series {
        price "price" Double "Theoretical price.",
        underlying_price "underlyingPrice" Double "Underlying price of the computation.",
        delta "delta" Double "Delta at the theoretical price.",
        gamma "gamma" Double "Gamma at the theoretical price.",
        dividend "dividend" Double "Implied dividend return of the option series, a fraction.",
        interest "interest" Double "Implied interest rate of the option series, a fraction.",
    }

    /// Option statistics of an underlying: implied volatility, volumes, put/call ratio.
    Underlying (lasting indexed time_series) series {
        volatility "volatility" Double "30-day implied volatility, a fraction.",
        front_volatility "frontVolatility" Double "Implied volatility of the front month, a fraction.",
        back_volatility "backVolatility" Double "Implied volatility of the back month, a fraction.",
        call_volume "callVolume" Double "Volume of calls today, in contracts.",
        put_volume "putVolume" Double "Volume of puts today, in contracts.",
        option_volume "optionVolume" Double "Volume of calls and puts today, in contracts.",
        put_call_ratio "putCallRatio" Double "Put volume over call volume.",
    }

    /// One expiry of an underlying's options: implied volatility, forward price, volumes.
    Series (indexed) series {
        expiration "expiration" Day "Expiry, days since 1970-01-01.",
        volatility "volatility" Double "Implied volatility of the expiry, a fraction.",
        call_volume "callVolume" Double "Volume of calls today, in contracts.",
        put_volume "putVolume" Double "Volume of puts today, in contracts.",
        put_call_ratio "putCallRatio" Double "Put volume over call volume.",
        forward_price "forwardPrice" Double "Implied forward price.",
        dividend "dividend" Double "Implied dividend return, a fraction.",
        interest "interest" Double "Implied interest rate, a fraction.",
    }

    /// One sale as the exchange reported it.
    TimeAndSale (indexed time_series) sale {
        trade_id "tradeId" Long "Identifier of the trade at its exchange.",
        buyer "buyer" Text "Buyer of the sale, where it is public.",
        seller "seller" Text "Seller of the sale, where it is public.",
    }

    /// One bar of a price chart.
    Candle (lasting indexed time_series) series {
        count "count" Long "Number of trades in the bar.",
        open "open" Double "First price of the bar; NaN where nothing traded.",
        high "high" Double "Highest price of the bar.",
        low "low" Double "Lowest price of the bar.",
        close "close" Double "Last price of the bar.",
        volume "volume" Double "Volume of the bar.",
        vwap "vwap" | "VWAP" Double "Volume-weighted average price of the bar.",
        bid_volume "bidVolume" Double "Volume that traded at the bid.",
        ask_volume "askVolume" Double "Volume that traded at the ask.",
        imp_volatility "impVolatility" Double "Implied volatility, a fraction.",
        open_interest "openInterest" Double "Open interest in contracts.",
    }

    /// One order or price level of an order book.
    Order (indexed) order {
        market_maker "marketMaker" Text "Market maker of the order.",
    }

    /// An order with what is known of its iceberg part.
    AnalyticOrder (indexed) order {
        market_maker "marketMaker" Text "Market maker of the order.",
        iceberg_peak_size "icebergPeakSize" Double "Visible size of the iceberg order.",
        iceberg_hidden_size "icebergHiddenSize" Double "Hidden size of the iceberg order.",
        iceberg_executed_size "icebergExecutedSize" Double "Executed size of the iceberg order.",
        iceberg_type "icebergType" IcebergType "Kind of the iceberg order.",
    }

    /// One order of a spread's book.
    SpreadOrder (indexed) order {
        spread_symbol "spreadSymbol" Text "Symbol of the spread.",
    }

    /// One sale of any option of an underlying.
    OptionSale (indexed) sale {
        underlying_price "underlyingPrice" Double "Price of the underlying at the sale.",
        volatility "volatility" Double "Implied volatility of the sale, a fraction.",
        delta "delta" Double "Delta of the option at the sale.",
        option_symbol "optionSymbol" Text "Symbol of the option.",
    }

    /// Settings that a publisher attached to a symbol.
    Configuration (lasting) event {
        version "version" Long "Version of the attachment.",
        attachment "attachment" Text "The attachment; an object is kept as its JSON text.",
    }

    /// A message that a publisher sent to a symbol.
    Message () event {
        attachment "attachment" Text "The attachment; an object is kept as its JSON text.",
    }
}
