//! Futures products: under which exchange suffix dxFeed has them.

const XCBF: &str = "XCBF";
const XCBT: &str = "XCBT";
const XCEC: &str = "XCEC";
const XCME: &str = "XCME";
const XNYM: &str = "XNYM";

/// Products of the exchanges that tastytrade trades on, ordered: the root, the suffix of its futures and
/// of the options on them, and roots of these options.
///
/// Facts: `streamer-exchange-code` and `option-products` of tastytrade's REST answers, and the symbols of
/// dxFeed's lists. What these do not show is not here; the roots of weekly options are not complete.
const PRODUCTS: &[(&str, &str, &[&str])] = &[
    ("30Y", XCBT, &[]),
    ("6A", XCME, &["ADU"]),
    ("6B", XCME, &["GBU"]),
    ("6C", XCME, &["CAU"]),
    ("6E", XCME, &["EUU"]),
    ("6J", XCME, &["JPU"]),
    ("6L", XCME, &[]),
    ("6M", XCME, &["6M"]),
    ("6N", XCME, &["6N"]),
    ("6S", XCME, &["CHU"]),
    ("6Z", XCME, &[]),
    ("BTC", XCME, &["BTC"]),
    ("BZ", XNYM, &["BZO"]),
    ("CL", XNYM, &["LO", "LO1", "LO2", "LO4", "LO5"]),
    ("E7", XCME, &[]),
    ("EMD", XCME, &["EMD"]),
    (
        "ES",
        XCME,
        &[
            "ES", "EW", "EW1", "EW2", "EW3", "EW4", "E1A", "E1B", "E1C", "E1D", "E2A", "E2B",
            "E2C", "E2D", "E3A", "E3B", "E3C", "E3D", "E4A", "E4B", "E4C", "E4D", "E5A",
        ],
    ),
    ("ETH", XCME, &[]),
    ("GC", XCEC, &["OG", "OG3", "OG4", "OG5"]),
    ("GE", XCME, &["GE", "GE0", "GE2", "GE3", "GE4", "GE5"]),
    ("GF", XCME, &["GF"]),
    ("HE", XCME, &["HE"]),
    ("HG", XCEC, &["HXE"]),
    ("HO", XNYM, &["OH"]),
    ("KE", XCBT, &["OKE"]),
    ("LE", XCME, &["LE"]),
    ("M6A", XCME, &[]),
    ("MBT", XCME, &[]),
    ("MCL", XNYM, &[]),
    (
        "MES",
        XCME,
        &[
            "MES", "EX", "EX1", "EX2", "EX3", "EX4", "X1A", "X2A", "X3A", "X4A", "X5A", "X1B",
            "X2B", "X3B", "X4B", "X5B", "X1C", "X2C", "X3C", "X4C", "X5C", "X1D", "X2D", "X3D",
            "X4D", "X5D",
        ],
    ),
    ("MET", XCME, &[]),
    ("MGC", XCEC, &[]),
    ("MHG", XCEC, &[]),
    ("MNQ", XCME, &["MNQ", "MQE", "MQ1", "MQ2", "MQ3", "MQ4"]),
    ("MYM", XCBT, &[]),
    ("NG", XNYM, &["ON", "ON3", "ON4", "ON5", "LNE", "LN1", "LN3", "LN4", "LN5"]),
    ("NIY", XCME, &[]),
    (
        "NQ",
        XCME,
        &[
            "NQ", "QNE", "QN1", "QN2", "QN3", "QN4", "Q1A", "Q1C", "Q2A", "Q2C", "Q3A", "Q3C",
            "Q4A", "Q4C",
        ],
    ),
    ("PA", XNYM, &["PAO"]),
    ("PL", XNYM, &["PO"]),
    ("QC", XCEC, &[]),
    ("QG", XNYM, &[]),
    ("QI", XCEC, &[]),
    ("QM", XNYM, &[]),
    ("RB", XNYM, &["OB"]),
    (
        "RTY",
        XCME,
        &[
            "RTM", "R1A", "R1C", "R1E", "R2A", "R2C", "R2E", "R3A", "R3C", "R3E", "R4A", "R4C",
            "R4E",
        ],
    ),
    ("SI", XCEC, &["SO", "SO1", "SO4", "SO5"]),
    ("SIL", XCEC, &[]),
    ("SR1", XCME, &["SR1"]),
    ("SR3", XCME, &["SR3"]),
    ("TN", XCBT, &["OTN", "TN1", "TN3", "TN5"]),
    ("UB", XCBT, &["OUB", "UB1", "UB3", "UB5"]),
    ("VXM", XCBF, &[]),
    ("XC", XCBT, &[]),
    ("XK", XCBT, &[]),
    ("XW", XCBT, &[]),
    ("YM", XCBT, &["OYM", "EYM", "YM1", "YM3", "YM4"]),
    ("ZB", XCBT, &["OZB", "ZB1", "ZB3", "ZB5"]),
    ("ZC", XCBT, &["OZC", "ZC1", "ZC3", "ZC5"]),
    ("ZF", XCBT, &["OZF", "ZF3", "ZF5"]),
    ("ZL", XCBT, &["OZL", "ZL1", "ZL3", "ZL5"]),
    ("ZM", XCBT, &["OZM", "ZM1", "ZM3", "ZM5"]),
    ("ZN", XCBT, &["OZN", "ZN1", "ZN3", "ZN5"]),
    ("ZO", XCBT, &["OZO"]),
    ("ZQ", XCBT, &["OZQ"]),
    ("ZS", XCBT, &["OZS", "ZS1", "ZS3", "ZS5"]),
    ("ZT", XCBT, &["OZT", "ZT3", "ZT5"]),
    ("ZW", XCBT, &["OZW", "ZW1", "ZW3", "ZW5"]),
];

/// The exchange suffix of the futures of a product, and of the options on them.
pub(super) fn exchange_of(product: &str) -> Option<&'static str> {
    let at = PRODUCTS.binary_search_by(|(root, ..)| (*root).cmp(product)).ok()?;
    Some(PRODUCTS[at].1)
}

/// The exchange suffix of options on futures by their own root, where it is known.
pub(super) fn exchange_of_options(root: &str) -> Option<&'static str> {
    PRODUCTS.iter().find(|(.., roots)| roots.contains(&root)).map(|&(_, exchange, _)| exchange)
}

#[cfg(test)]
pub(super) fn all() -> &'static [(&'static str, &'static str, &'static [&'static str])] {
    PRODUCTS
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_root_is_there_once_and_found() {
        assert!(PRODUCTS.is_sorted_by(|one, next| one.0 < next.0));
        let mut roots = HashSet::new();
        for &(product, exchange, options) in PRODUCTS {
            assert_eq!(exchange_of(product), Some(exchange), "{product}");
            for &root in options {
                assert!(roots.insert(root), "{root}");
                assert_eq!(exchange_of_options(root), Some(exchange), "{root}");
            }
        }
        assert_eq!((exchange_of("ESX"), exchange_of_options("ESX")), (None, None));
    }
}
