//! The macro behind the declarations in `types`.

/// The Rust type of a record's field, by field kind.
macro_rules! field_type {
    (Symbol) => {
        $crate::symbol::SymbolId
    };
    (Double) => {
        f64
    };
    (Long) => {
        i64
    };
    (Int) => {
        i64
    };
    (Time) => {
        i64
    };
    (Day) => {
        i64
    };
    (Index) => {
        i64
    };
    (Char) => {
        $crate::event::Char
    };
    (Bool) => {
        $crate::event::Bool
    };
    (Text) => {
        $crate::event::Text
    };
    ($enum:ident) => {
        $crate::event::Enum
    };
}

/// The [`FieldKind`](super::FieldKind) of a declared kind; any other name is an enum's.
macro_rules! field_kind {
    (Symbol) => {
        $crate::event::FieldKind::Symbol
    };
    (Double) => {
        $crate::event::FieldKind::Double
    };
    (Long) => {
        $crate::event::FieldKind::Long
    };
    (Int) => {
        $crate::event::FieldKind::Int
    };
    (Time) => {
        $crate::event::FieldKind::Time
    };
    (Day) => {
        $crate::event::FieldKind::Day
    };
    (Index) => {
        $crate::event::FieldKind::Index
    };
    (Char) => {
        $crate::event::FieldKind::Char
    };
    (Bool) => {
        $crate::event::FieldKind::Bool
    };
    (Text) => {
        $crate::event::FieldKind::Text
    };
    ($enum:ident) => {
        $crate::event::FieldKind::Enum(&$crate::event::$enum::TYPE)
    };
}

/// The unknown value of a declared kind, as the record's field holds it.
macro_rules! field_unknown {
    (Symbol) => {
        $crate::symbol::SymbolId(0)
    };
    (Double) => {
        f64::NAN
    };
    (Char) => {
        $crate::event::Char::NONE
    };
    (Bool) => {
        $crate::event::Bool::UNKNOWN
    };
    (Text) => {
        $crate::event::Text::NONE
    };
    (Long) => {
        $crate::event::UNKNOWN_LONG
    };
    (Int) => {
        0
    };
    (Time) => {
        0
    };
    (Day) => {
        0
    };
    (Index) => {
        0
    };
    ($enum:ident) => {
        $crate::event::Enum::UNKNOWN
    };
}

/// The name of a field without the `r#` that a Rust keyword needs.
pub(super) const fn plain_name(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Reads the next field of a record from its row.
pub(super) fn next_word<T: super::field::Word>(words: &mut std::slice::Iter<'_, u64>) -> T {
    T::from_word(*words.next().expect("a row has a word for each field"))
}

/// Declares the event types.
///
/// A type reads `Name (delivery) base { field "wireName" Kind "documentation", ... }`;
/// `| "other"` behind a wire name adds an alias. The base names a list of fields that several types
/// begin with; the base `event` is what every type begins with.
macro_rules! events {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident ($($delivery:ident)*) $base:ident { $($fields:tt)* }
    )+) => {
        /// The event types.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum EventKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl EventKind {
            /// Every event type, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The event type's name, on the wire and in Python.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The event type with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// What the event type is, in words.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc, "\n"),+),)+ }
            }

            /// The event type's fields; a field's place is its word in a row.
            pub const fn fields(self) -> &'static [$crate::event::Field] {
                match self { $(Self::$name => $name::FIELDS,)+ }
            }

            /// How the feed treats the event type.
            pub const fn delivery(self) -> $crate::event::Delivery {
                match self { $(Self::$name => $name::DELIVERY,)+ }
            }
        }

        $(
            events! { @$base $(#[doc = $doc])+ $name ($($delivery)*) { $($fields)* } }
        )+
    };

    (@event $(#[doc = $doc:literal])+ $name:ident $delivery:tt { $($fields:tt)* }) => {
        events! { @type $(#[doc = $doc])+ $name $delivery {
            event_symbol "eventSymbol" Symbol "Symbol of the event as the wire has it.",
            event_time "eventTime" Time
                "Time of the event, ms since 1970 UTC; 0, as DXLink mostly sends, is unknown.",
            $($fields)*
        } }
    };

    (@indexed $(#[doc = $doc:literal])+ $name:ident $delivery:tt { $($fields:tt)* }) => {
        events! { @event $(#[doc = $doc])+ $name $delivery {
            event_flags "eventFlags" Int "Transaction and snapshot flags, a bit set.",
            index "index" Index "Index of the event, unique for its symbol; 64 bits, exact.",
            time "time" Time "Time of the value, ms since 1970 UTC; 0 is unknown.",
            $($fields)*
        } }
    };

    (@series $(#[doc = $doc:literal])+ $name:ident $delivery:tt { $($fields:tt)* }) => {
        events! { @indexed $(#[doc = $doc])+ $name $delivery {
            sequence "sequence" Int "Number that orders events of the same time, 0 to 4194303.",
            $($fields)*
        } }
    };

    (@trade $(#[doc = $doc:literal])+ $name:ident $delivery:tt { $($fields:tt)* }) => {
        events! { @event $(#[doc = $doc])+ $name $delivery {
            time "time" Time "Time of the trade, ms since 1970 UTC; 0 is unknown.",
            time_nano_part "timeNanoPart" Int "Nanoseconds of the time within its millisecond.",
            sequence "sequence" Int "Number that orders trades of the same time, 0 to 4194303.",
            exchange_code "exchangeCode" Char "Exchange of the trade, one letter.",
            trade_id "tradeId" Long "Identifier of the trade at its exchange.",
            price "price" Double "Price of the trade.",
            change "change" Double "Change of the price since the previous day's close.",
            size "size" Double "Size of the trade.",
            day_id "dayId" Day "Trading day of the day fields, days since 1970-01-01.",
            day_volume "dayVolume" Double "Volume of the trading day so far.",
            day_turnover "dayTurnover" Double "Sum of price times size of the trading day so far.",
            tick_direction "tickDirection" Direction "How the price stands to the one before.",
            extended_trading_hours "extendedTradingHours" Bool
                "Whether the trade was made outside of regular trading hours.",
            $($fields)*
        } }
    };

    (@sale $(#[doc = $doc:literal])+ $name:ident $delivery:tt { $($fields:tt)* }) => {
        events! { @indexed $(#[doc = $doc])+ $name $delivery {
            time_nano_part "timeNanoPart" Int "Nanoseconds of the time within its millisecond.",
            sequence "sequence" Int "Number that orders sales of the same time, 0 to 4194303.",
            exchange_code "exchangeCode" Char "Exchange of the sale, one letter.",
            price "price" Double "Price of the sale.",
            size "size" Double "Size of the sale.",
            bid_price "bidPrice" Double "Best bid at the time of the sale.",
            ask_price "askPrice" Double "Best ask at the time of the sale.",
            exchange_sale_conditions "exchangeSaleConditions" Text
                "Sale conditions in the exchange's own letters.",
            trade_through_exempt "tradeThroughExempt" Char "Trade-through exemption, one letter.",
            aggressor_side "aggressorSide" Side "Side of the order that took liquidity.",
            spread_leg "spreadLeg" Bool "Whether the sale is a leg of a spread.",
            extended_trading_hours "extendedTradingHours" Bool
                "Whether the sale was made outside of regular trading hours.",
            valid_tick "validTick" Bool "Whether the sale counts for last, high and low.",
            r#type "type" TimeAndSaleType "Whether the sale is new, a correction or a cancel.",
            $($fields)*
        } }
    };

    (@order $(#[doc = $doc:literal])+ $name:ident $delivery:tt { $($fields:tt)* }) => {
        events! { @indexed $(#[doc = $doc])+ $name $delivery {
            time_nano_part "timeNanoPart" Int "Nanoseconds of the time within its millisecond.",
            sequence "sequence" Int "Number that orders events of the same time, 0 to 4194303.",
            source "source" Text "Source of the order, such as NTV; part of its identity.",
            action "action" OrderAction "What happened to the order.",
            action_time "actionTime" Time "Time of the action, ms since 1970 UTC; 0 is unknown.",
            order_id "orderId" Long "Identifier of the order at its exchange; 0 where it has none.",
            aux_order_id "auxOrderId" Long
                "Identifier of the order that this one replaced or matched; 0 where there is none.",
            price "price" Double "Price of the order.",
            size "size" Double "Size of the order.",
            executed_size "executedSize" Double "Size executed so far.",
            count "count" Long "Number of orders in an aggregated one.",
            exchange_code "exchangeCode" Char "Exchange of the order, one letter.",
            order_side "orderSide" | "side" Side "Side of the book.",
            scope "scope" Scope "What the order stands for: one order or an aggregate.",
            trade_id "tradeId" Long "Identifier of the trade, for a trade action; 0 elsewhere.",
            trade_price "tradePrice" Double "Price of the trade, for a trade action.",
            trade_size "tradeSize" Double "Size of the trade, for a trade action.",
            $($fields)*
        } }
    };

    (@type $(#[doc = $doc:literal])+ $name:ident ($($delivery:ident)*) {
        $($field:ident $wire:literal $(| $alias:literal)* $kind:ident $field_doc:literal,)+
    }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy)]
        pub struct $name {
            $(#[doc = $field_doc] pub $field: field_type!($kind),)+
        }

        impl $name {
            const FIELDS: &'static [$crate::event::Field] = &[$($crate::event::Field {
                name: $crate::event::declare::plain_name(stringify!($field)),
                wire: $wire,
                aliases: &[$($alias),*],
                kind: field_kind!($kind),
                doc: $field_doc,
            }),+];

            #[allow(unused_mut, reason = "some event types declare no delivery word")]
            const DELIVERY: $crate::event::Delivery = {
                let mut delivery =
                    $crate::event::Delivery { lasting: false, indexed: false, time_series: false };
                $(delivery.$delivery = true;)*
                delivery
            };
        }

        impl $crate::event::Record for $name {
            const KIND: EventKind = EventKind::$name;
            const UNKNOWN: Self = Self { $($field: field_unknown!($kind),)+ };

            fn from_row(row: &[u64]) -> Self {
                let mut words = row[..Self::FIELDS.len()].iter();
                Self { $($field: $crate::event::declare::next_word(&mut words),)+ }
            }

            fn write_row(&self, row: &mut [u64]) {
                let values = [$($crate::event::field::Word::to_word(self.$field)),+];
                row[..values.len()].copy_from_slice(&values);
            }

            fn symbol(&self) -> $crate::symbol::SymbolId {
                self.event_symbol
            }
        }
    };
}

pub(super) use {events, field_kind, field_type, field_unknown};
