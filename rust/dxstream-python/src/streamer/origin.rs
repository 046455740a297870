//! Where events come from: a streamer, as its events know it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use dxstream::connection::Client;
use dxstream::event::{EventKind, MAX_WORDS, Record, Text, TimeAndSale, Trade};
use dxstream::symbol::{SymbolId, TextId};
use pyo3::prelude::*;

use crate::process::Owned;
use crate::strings::Strings;

/// A streamer's connection. Its events refer to it without keeping it.
pub(crate) struct Origin {
    stream: Owned<Client>,
    strings: Arc<Strings>,
    /// Whether the companions of events are asked for when they are first read.
    asks: bool,
    /// Whether one was asked for.
    asked: AtomicBool,
}

impl Origin {
    /// The origin of a connection's events, and their strings.
    pub(super) fn new(client: Client, asks: bool) -> Arc<Self> {
        Arc::new_cyclic(|origin| {
            let strings = Strings::new(Arc::clone(client.store().tables()), Weak::clone(origin));
            let strings = Arc::new(strings);
            Self { stream: Owned::new(client), strings, asks, asked: AtomicBool::new(false) }
        })
    }

    /// The strings of the connection.
    pub(crate) fn strings(&self) -> &Arc<Strings> {
        &self.strings
    }

    /// The connection.
    ///
    /// # Errors
    /// `RuntimeError` in a process that was forked since.
    #[inline]
    pub(super) fn stream(&self) -> PyResult<&Client> {
        self.stream.get()
    }

    /// Asks for the companions of a symbol's events from now on, where the streamer does.
    pub(crate) fn accompany(&self, symbol: &str) {
        if self.asks
            && let Ok(stream) = self.stream.get()
        {
            // Relaxed: who subscribes again looks at it, and has seen the event by which it was set.
            self.asked.store(true, Ordering::Relaxed);
            stream.accompany(vec![symbol.to_owned()]);
        }
    }

    /// Whether companions were asked for.
    pub(crate) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The last Trade of a symbol, if one came. In a process that was forked since there is none.
    pub(crate) fn last_trade(&self, symbol: SymbolId) -> Option<Trade> {
        let mut row = [0; MAX_WORDS];
        self.stream.get().ok()?.store().latest(EventKind::Trade, symbol, &mut row)?;
        Some(Trade::from_row(&row))
    }

    /// The conditions of the sale of this time, sequence, price and size, if it came and has any.
    pub(crate) fn sale_conditions(&self, symbol: SymbolId, trade: &Trade) -> Option<TextId> {
        let store = self.stream.get().ok()?.store();
        let mut conditions = Text::NONE;
        store.history(EventKind::TimeAndSale, symbol, usize::MAX, |row, _| {
            let sale = TimeAndSale::from_row(row);
            // An unknown price or size is no sign that it is the same sale.
            if (sale.time, sale.sequence, sale.price, sale.size)
                == (trade.time, trade.sequence, trade.price, trade.size)
            {
                conditions = sale.exchange_sale_conditions;
            }
        });
        conditions.id()
    }
}
