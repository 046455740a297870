use super::*;

#[test]
fn every_type_has_its_symbol_first_and_fits_a_row() {
    for kind in EventKind::ALL {
        let fields = kind.fields();
        assert_eq!(fields[SYMBOL_WORD].kind, FieldKind::Symbol, "{}", kind.name());
        assert_eq!(fields[EVENT_TIME_WORD].wire, "eventTime", "{}", kind.name());
        assert!(fields.len() <= MAX_WORDS, "{}", kind.name());
    }
}

#[test]
fn names_are_unique_within_a_type() {
    for kind in EventKind::ALL {
        let mut names: Vec<&str> = Vec::new();
        for field in kind.fields() {
            names.extend(
                [field.name, field.wire].iter().take(1 + usize::from(field.name != field.wire)),
            );
            names.extend(field.aliases);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{}", kind.name());
    }
}

#[test]
fn a_record_is_its_row() {
    let quote = Quote {
        event_symbol: SymbolId(7),
        bid_price: 150.25,
        bid_exchange_code: Char::new('Q'),
        ..Quote::UNKNOWN
    };
    let mut row = [0; MAX_WORDS];
    quote.write_row(&mut row);
    let back = Quote::from_row(&row);
    assert_eq!(back.symbol(), SymbolId(7));
    assert_eq!(back.bid_price.to_bits(), 150.25_f64.to_bits());
    assert_eq!(back.bid_exchange_code.character(), Some('Q'));
    assert!(back.ask_price.is_nan());
}

#[test]
fn the_unknown_record_holds_each_kinds_unknown_word() {
    fn check<R: Record>() {
        let mut row = [0; MAX_WORDS];
        R::UNKNOWN.write_row(&mut row);
        for (field, word) in R::KIND.fields().iter().zip(row) {
            assert_eq!(word, field.kind.unknown(), "{}.{}", R::KIND.name(), field.name);
        }
    }
    check::<Summary>();
    check::<TimeAndSale>();
    check::<AnalyticOrder>();
    check::<Configuration>();
}

#[test]
fn index_packs_time_and_sequence() {
    // The index and time of a recorded Greeks event.
    assert_eq!(index::pack(1_684_559_855_338, 0), 7_235_129_486_797_176_832);
    assert_eq!(index::time(7_235_129_486_797_176_832), 1_684_559_855_338);
    assert_eq!(index::sequence(index::pack(1_684_559_855_338, 4_194_303)), 4_194_303);
}
