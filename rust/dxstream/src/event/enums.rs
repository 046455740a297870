//! The enums of event fields, in ordinal order. Source: dxFeed API.

use super::field::Enum;

/// The names of an enum, in ordinal order.
#[derive(Debug, PartialEq, Eq)]
pub struct EnumType {
    /// The enum's name in the dxFeed API.
    pub name: &'static str,
    /// The names of its values on the wire.
    pub names: &'static [&'static str],
}

impl EnumType {
    /// The word of the value with this wire name.
    pub fn find(&self, name: &str) -> Option<Enum> {
        self.names.iter().position(|&known| known == name).map(|at| Enum::new(at as u8))
    }
}

macro_rules! enums {
    ($($(#[$doc:meta])* $name:ident { $($value:ident $wire:literal),+ })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(
                #[doc = concat!("`", $wire, "`")]
                $value,
            )+
        }

        impl $name {
            /// The enum's names.
            pub const TYPE: EnumType =
                EnumType { name: stringify!($name), names: &[$($wire),+] };
        }

        impl From<$name> for Enum {
            fn from(value: $name) -> Self {
                Self::new(value as u8)
            }
        }
    )*};
}

enums! {
    /// How a price stands to the one before.
    Direction {
        Undefined "UNDEFINED", Down "DOWN", ZeroDown "ZERO_DOWN", Zero "ZERO",
        ZeroUp "ZERO_UP", Up "UP"
    }
    /// Which side of the book.
    Side { Undefined "UNDEFINED", Buy "BUY", Sell "SELL" }
    /// What an order stands for.
    Scope {
        Composite "COMPOSITE", Regional "REGIONAL", Aggregate "AGGREGATE", Order "ORDER"
    }
    /// What happened to an order.
    OrderAction {
        Undefined "UNDEFINED", New "NEW", Replace "REPLACE", Modify "MODIFY", Delete "DELETE",
        Partial "PARTIAL", Execute "EXECUTE", Trade "TRADE", Bust "BUST"
    }
    /// How final a price is.
    PriceType {
        Regular "REGULAR", Indicative "INDICATIVE", Preliminary "PRELIMINARY", Final "FINAL"
    }
    /// Whether an instrument trades.
    TradingStatus { Undefined "UNDEFINED", Halted "HALTED", Active "ACTIVE" }
    /// Whether short sales are restricted.
    ShortSaleRestriction { Undefined "UNDEFINED", Active "ACTIVE", Inactive "INACTIVE" }
    /// Whether a sale is new or mends an earlier one.
    TimeAndSaleType { New "NEW", Correction "CORRECTION", Cancel "CANCEL" }
    /// The kind of an iceberg order.
    IcebergType { Undefined "UNDEFINED", Native "NATIVE", Synthetic "SYNTHETIC" }
}
