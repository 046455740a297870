//! `Client`: a connection to a DXLink server.

use std::collections::HashSet;
use std::sync::Arc;

use dxstream::book::{Orders, is_order};
use dxstream::connection::{self, Limits, State};
use dxstream::event::{Contract, EventKind, MAX_WORDS, Text, index};
use dxstream::series::Series;
use dxstream::store::QueueSettings;
use dxstream::symbol::{SymbolId, TextId};
use dxstream::{Error, Loss};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::batch::Batch;
use super::columns::{Columns, Fields};
use super::counters::counters;
use super::healing::{
    GapRecord, StateRecord, gap_record, state_name, state_record, type_gap_record,
};
use super::origin::Origin;
use super::queue::{Queue, Told};
use super::series::{LOADING_ROOM, TimeSeries};
use super::settings::{Settings, endpoint, queue_settings};
use super::symbols::{Symbols, class_of, entries, kind_of, wire_symbol};
use super::wake::Wake;
use crate::error::map_error;
use crate::event::{class_of_kind, new_event};
use crate::strings::Strings;

/// An event type, and what is said of the memory of its rings or of a queue.
type MemoryOfType = (&'static str, usize, usize, usize, usize);

/// A connection to a DXLink server; it begins to connect when it is made.
///
/// All methods may be called from any thread and none blocks. Dropping it closes the connection.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct Client {
    origin: Arc<Origin>,
    strings: Arc<Strings>,
    told: Told,
}

#[pymethods]
impl Client {
    #[new]
    fn py_new(
        py: Python<'_>,
        url: &str,
        token: Option<String>,
        ca_pem: Option<Vec<u8>>,
        settings: Settings,
    ) -> PyResult<Self> {
        let endpoint = endpoint(py, url, token, ca_pem)?;
        let (history, asks) = (settings.history, settings.companions != "off");
        let settings = settings.stream()?;
        // Detached, for a thread that forks holds the lock of the I/O thread and may have to wait for its
        // turn in Python.
        let client = py
            .detach(|| connection::Client::connect(endpoint, settings, history))
            .map_err(|error| map_error(py, &error))?;
        let origin = Origin::new(client, asks);
        let strings = Arc::clone(origin.strings());
        Ok(Self { origin, strings, told: Told::default() })
    }

    /// Where the streamer stands: "connecting", "connected", "reconnecting", "closed" or "failed".
    #[getter(state)]
    fn py_state(&self) -> PyResult<&'static str> {
        Ok(state_name(&self.stream()?.state()))
    }

    /// Raises why the connection ended, where it has.
    #[pyo3(name = "check")]
    fn py_check(&self, py: Python<'_>) -> PyResult<()> {
        match self.stream()?.state() {
            State::Ended(error) => {
                self.told.note();
                Err(map_error(py, &error))
            }
            _ => Ok(()),
        }
    }

    /// Why the connection failed, if it did and neither this client nor a queue has told so.
    #[pyo3(name = "untold_error")]
    fn py_untold_error(&self, py: Python<'_>) -> PyResult<Option<PyErr>> {
        Ok(match self.stream()?.state() {
            State::Ended(Error::Closed) => None,
            State::Ended(error) => self.told.note().then(|| map_error(py, &error)),
            _ => None,
        })
    }

    /// Lets `wake` ring once when the state changes, a gap is over or an endpoint is wanted.
    #[pyo3(name = "watch")]
    fn py_watch(&self, wake: &Wake) -> PyResult<()> {
        self.stream()?.watch(wake.line()?);
        Ok(())
    }

    /// The changes of state from number `start` on, and how many there were ever.
    #[pyo3(name = "changes_since")]
    fn py_changes_since(
        &self,
        py: Python<'_>,
        start: usize,
    ) -> PyResult<(Vec<StateRecord>, usize)> {
        let (changes, count) = self.stream()?.changes_since(start);
        Ok((changes.iter().map(|change| state_record(py, change)).collect(), count))
    }

    /// The gaps from number `start` on, and how many there were ever.
    #[pyo3(name = "gaps_since")]
    fn py_gaps_since(&self, start: usize) -> PyResult<(Vec<GapRecord>, usize)> {
        let (gaps, count) = self.stream()?.store().gaps_since(start);
        Ok((gaps.iter().map(gap_record).collect(), count))
    }

    /// The same of the gaps of single event types.
    #[pyo3(name = "type_gaps_since")]
    fn py_type_gaps_since(&self, start: usize) -> PyResult<(Vec<GapRecord>, usize)> {
        let (gaps, count) = self.stream()?.store().type_gaps_since(start);
        Ok((gaps.iter().map(type_gap_record).collect(), count))
    }

    /// Whether an endpoint is wanted for the next attempt to connect. Each wish is told once.
    #[pyo3(name = "wants_endpoint")]
    fn py_wants_endpoint(&self) -> PyResult<bool> {
        Ok(self.stream()?.wants_endpoint())
    }

    /// Whether the token of the last endpoint was refused, so that the wanted one needs another.
    #[pyo3(name = "endpoint_refused")]
    fn py_endpoint_refused(&self) -> PyResult<bool> {
        Ok(self.stream()?.endpoint_refused())
    }

    /// Gives the endpoint for the next attempts to connect.
    #[pyo3(name = "renew")]
    fn py_renew(
        &self,
        py: Python<'_>,
        url: &str,
        token: Option<String>,
        ca_pem: Option<Vec<u8>>,
    ) -> PyResult<()> {
        self.stream()?.renew(Ok(endpoint(py, url, token, ca_pem)?));
        Ok(())
    }

    /// Says why there is no endpoint for the next attempt; the streamer ends by that where it is
    /// `lasting`.
    #[pyo3(name = "renewal_failed")]
    fn py_renewal_failed(&self, text: String, lasting: bool) -> PyResult<()> {
        self.stream()?.renew(Err(if lasting {
            Loss::lasting(Error::Authentication(text))
        } else {
            Loss::passing(text)
        }));
        Ok(())
    }

    /// Wants events of `symbols`; asks for history where `from_time` (ms since 1970 UTC) is given.
    /// The rings of symbols that have had no event keep `history` of them, where it is given.
    ///
    /// Events give the symbols as they are written here, if not `keep_spelling` is set. Returns the
    /// symbols as the server knows them.
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(name = "subscribe", signature = (event_type, symbols, *, from_time=None, source=None, refresh_interval=None, history=None, keep_spelling=false))]
    fn py_subscribe(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        symbols: Vec<String>,
        from_time: Option<i64>,
        source: Option<&str>,
        refresh_interval: Option<f64>,
        history: Option<usize>,
        keep_spelling: bool,
    ) -> PyResult<Vec<String>> {
        let kind = kind_of(event_type)?;
        if from_time.is_some() && !kind.delivery().time_series {
            return Err(PyValueError::new_err(format!(
                "{} has no history; leave from_time out",
                kind.name()
            )));
        }
        if refresh_interval.is_some_and(|interval| !(0.0..=86_400.0).contains(&interval)) {
            return Err(PyValueError::new_err("refresh_interval must be seconds from 0 to 86400"));
        }
        let written = if keep_spelling { Vec::new() } else { symbols.clone() };
        let entries = entries(py, kind, symbols, source)?;
        let symbols: Vec<String> = entries.iter().map(|entry| entry.symbol.clone()).collect();
        for (symbol, spelling) in symbols.iter().zip(&written) {
            self.strings.spell(py, symbol, spelling)?;
        }
        if let Some(history) = history {
            // Before the server is asked, so that the first event finds it.
            for symbol in self.symbol_ids(py, kind, symbols.clone())? {
                self.stream()?.store().set_history(kind, symbol, history);
            }
        }
        if self.origin.has_asked() {
            self.strings.forget_companions(py, &symbols);
        }
        self.stream()?.subscribe(kind, entries, from_time, refresh_interval);
        Ok(symbols)
    }

    /// Wants events of `symbols` no longer, or their history alone. Returns the symbols as the server
    /// knows them.
    #[pyo3(name = "unsubscribe", signature = (event_type, symbols, *, source=None, history_only=false))]
    fn py_unsubscribe(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        symbols: Vec<String>,
        source: Option<&str>,
        history_only: bool,
    ) -> PyResult<Vec<String>> {
        let kind = kind_of(event_type)?;
        let entries = entries(py, kind, symbols, source)?;
        let symbols = entries.iter().map(|entry| entry.symbol.clone()).collect();
        self.stream()?.unsubscribe(kind, history_only.then_some(Contract::History), entries);
        Ok(symbols)
    }

    /// Wants no events of the type any more.
    #[pyo3(name = "unsubscribe_all")]
    fn py_unsubscribe_all(&self, event_type: &Bound<'_, PyAny>) -> PyResult<()> {
        self.stream()?.unsubscribe_all(kind_of(event_type)?);
        Ok(())
    }

    /// The symbols as the server knows them: candle symbols in normal form, others as they are.
    #[pyo3(name = "wire_symbols")]
    #[allow(clippy::unused_self, reason = "one place for what a connection knows of symbols")]
    fn py_wire_symbols(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        symbols: Vec<String>,
    ) -> PyResult<Vec<String>> {
        let kind = kind_of(event_type)?;
        symbols.into_iter().map(|symbol| wire_symbol(py, kind, symbol)).collect()
    }

    /// Wants the companion Trades of the Quotes of symbols, in the server's spelling. Gives a queue of
    /// what comes of them, which no listener's counts have to do with.
    #[pyo3(name = "accompany")]
    fn py_accompany(&self, py: Python<'_>, symbols: Vec<String>) -> PyResult<Queue> {
        let ids = self.symbol_ids(py, EventKind::Trade, symbols.clone())?;
        let stream = self.stream()?;
        let room = 2 * ids.len();
        let consumer = stream.store().watch(EventKind::Trade, ids, room);
        stream.accompany(symbols);
        let class = class_of_kind(py, EventKind::Trade);
        Ok(Queue::new(consumer, class, Arc::clone(&self.strings), self.told.clone()))
    }

    /// The symbols as the user wrote them last.
    #[pyo3(name = "spellings")]
    fn py_spellings<'py>(
        &self,
        py: Python<'py>,
        symbols: &Symbols,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let spelling =
            |&id: &SymbolId| Ok(self.strings.instrument(py, id)?.get().spelling(py).into_bound(py));
        PyTuple::new(py, symbols.ids.iter().map(spelling).collect::<PyResult<Vec<_>>>()?)
    }

    /// A queue of what comes from now on, of all symbols or of those given; it holds at most
    /// `capacity` events, and `overflow` says what happens beyond. With an `interval`, it holds the last
    /// event of each symbol, and gives one of a symbol no more often than in so many seconds.
    #[pyo3(name = "listen", signature = (event_type, symbols=None, *, capacity, interval=None, overflow="drop_oldest"))]
    fn py_listen(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        symbols: Option<Vec<String>>,
        capacity: usize,
        interval: Option<f64>,
        overflow: &str,
    ) -> PyResult<Queue> {
        let class = class_of(event_type)?;
        let kind = class.kind();
        let settings = queue_settings(py, capacity, interval, overflow, class)?;
        let symbols = match symbols {
            Some(symbols) => Some(self.symbol_ids(py, kind, symbols)?),
            None => None,
        };
        let consumer = self.stream()?.store().listen(kind, symbols, settings);
        Ok(Queue::new(consumer, class, Arc::clone(&self.strings), self.told.clone()))
    }

    /// A queue of what comes from now on for a listener that may come, as events of our own class. It counts as a listener's once
    /// [`Queue::py_begin`] is called.
    #[pyo3(name = "backlog", signature = (event_type, *, capacity))]
    fn py_backlog(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        capacity: usize,
    ) -> PyResult<Queue> {
        // The listener, or who forks the queue, may want events of another class.
        let class = class_of_kind(py, kind_of(event_type)?);
        let settings = QueueSettings::every(capacity);
        let consumer = self.stream()?.store().backlog(class.kind(), None, settings);
        Ok(Queue::new(consumer, class, Arc::clone(&self.strings), self.told.clone()))
    }

    /// A series of a symbol's events from now on, of those from `start` (ms since 1970 UTC) on. It is
    /// complete with a snapshot that is not from one of the times `others`.
    #[pyo3(name = "follow")]
    fn py_follow(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        symbol: String,
        start: i64,
        others: Vec<i64>,
    ) -> PyResult<TimeSeries> {
        let kind = kind_of(event_type)?;
        if !kind.delivery().time_series {
            return Err(PyValueError::new_err(format!("{} is no time series", kind.name())));
        }
        let symbol = self.symbol_id(py, kind, symbol)?;
        let others = others.into_iter().map(|time| index::pack(time, 0)).collect();
        let series = Series::new(kind, index::pack(start, 0), others);
        let consumer = self.stream()?.store().follow(kind, symbol, LOADING_ROOM);
        Ok(TimeSeries::new(series, consumer, Arc::clone(&self.strings), self.told.clone()))
    }

    /// A queue that begins with the events that wait in `queue`, of all symbols or of those given, and
    /// gives them as events of the class.
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(name = "fork", signature = (event_type, queue, symbols=None, *, capacity, interval=None, overflow="drop_oldest"))]
    fn py_fork(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        queue: &Queue,
        symbols: Option<Vec<String>>,
        capacity: usize,
        interval: Option<f64>,
        overflow: &str,
    ) -> PyResult<Queue> {
        let class = class_of(event_type)?;
        let settings = queue_settings(py, capacity, interval, overflow, class)?;
        let consumer = queue.consumer(py)?;
        let symbols = match symbols {
            Some(symbols) => Some(self.symbol_ids(py, consumer.kind(), symbols)?),
            None => None,
        };
        let fork = self.stream()?.store().fork(&consumer, symbols, settings);
        Ok(Queue::new(fork, class, Arc::clone(&self.strings), self.told.clone()))
    }

    /// The last event of a symbol, or `None` if none came.
    #[pyo3(name = "latest")]
    fn py_latest<'py>(
        &self,
        py: Python<'py>,
        event_type: &Bound<'py, PyAny>,
        symbol: String,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let class = class_of(event_type)?;
        let kind = class.kind();
        let symbol = wire_symbol(py, kind, symbol)?;
        let store = self.stream()?.store();
        let Some(id) = store.tables().symbols.find(&symbol) else { return Ok(None) };
        let mut row = [0; MAX_WORDS];
        if store.latest(kind, SymbolId(id), &mut row).is_none() {
            return Ok(None);
        }
        new_event(py, class, &row, &self.strings).map(Some)
    }

    /// Symbols by which snapshots find their rows; candle symbols may be in any form.
    #[pyo3(name = "symbols")]
    fn py_symbols(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        symbols: Vec<String>,
    ) -> PyResult<Symbols> {
        let kind = kind_of(event_type)?;
        let ids = symbols
            .into_iter()
            .map(|symbol| self.symbol_id(py, kind, symbol))
            .collect::<PyResult<_>>()?;
        Ok(Symbols { kind, ids })
    }

    /// Fills a row of the arrays of `fields` for each symbol with its last event, and says the names
    /// of enum codes that are not declared.
    #[pyo3(name = "snapshot")]
    fn py_snapshot<'py>(
        &self,
        py: Python<'py>,
        symbols: &Symbols,
        fields: &Fields,
        arrays: &Bound<'py, PyTuple>,
        valid: &Bound<'py, PyAny>,
        received_at: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        if fields.kind != symbols.kind {
            return Err(PyValueError::new_err("the fields are of another event type"));
        }
        let columns = Columns::new(fields, symbols.ids.len(), arrays, valid, received_at)?;
        let mut cells = columns.cells(py)?;
        self.stream()?.store().read_latest(symbols.kind, &symbols.ids, &fields.words, &mut cells);
        let filled = cells.filled();
        columns.finish(py, filled, &self.strings)
    }

    /// A copy of the last events of a symbol, at most `most` of them.
    #[pyo3(name = "history")]
    fn py_history(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        symbol: String,
        most: usize,
    ) -> PyResult<Batch> {
        let kind = kind_of(event_type)?;
        let symbol = self.symbol_id(py, kind, symbol)?;
        let mut batch = Batch::new(kind, Arc::clone(&self.strings));
        self.stream()?.store().history(kind, symbol, most, |row, received_at| {
            batch.push(row, received_at);
        });
        Ok(batch)
    }

    /// What the rings have allocated: event type, rings, bytes of a row, bytes once these rings are full,
    /// and bytes in all.
    #[pyo3(name = "ring_memory")]
    fn py_ring_memory(&self) -> PyResult<Vec<MemoryOfType>> {
        let rings = self.stream()?.store().ring_memory();
        let rings = rings.iter();
        Ok(rings
            .map(|of| (of.kind.name(), of.rings, of.row_bytes, of.most_bytes, of.bytes))
            .collect())
    }

    /// What each queue holds: event type, most events, bytes of one, how many more there may be memory
    /// for, and how many wait. Of a queue that conflates, mailboxes of symbols in their stead.
    #[pyo3(name = "queue_memory")]
    fn py_queue_memory(&self) -> PyResult<Vec<MemoryOfType>> {
        let queues = self.stream()?.store().queue_memory();
        let queues = queues.iter();
        Ok(queues
            .map(|of| (of.kind.name(), of.capacity, of.entry_bytes, of.spare, of.entries))
            .collect())
    }

    /// How many connections there are, and bytes that one holds at most.
    #[pyo3(name = "connection_memory")]
    fn py_connection_memory(&self) -> PyResult<(usize, usize)> {
        Ok((self.stream()?.activity().links, Limits::default().most_bytes()))
    }

    /// The order books: how many there are, how many there may be, and bytes of one at most; then the
    /// same of their orders.
    #[pyo3(name = "book_memory")]
    fn py_book_memory(&self) -> PyResult<(usize, usize, usize, usize, usize, usize)> {
        let of = self.stream()?.store().book_memory();
        Ok((of.books, of.max_books, of.book_bytes, of.orders, of.max_orders, of.order_bytes))
    }

    /// The price levels of an order book, best first: bids and asks, each as prices, sizes and counts;
    /// then the book's epoch and whether it is complete. `None` where no order came.
    #[pyo3(name = "book")]
    fn py_book(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        symbol: String,
        source: &str,
        depth: usize,
    ) -> PyResult<Option<BookLevels>> {
        let kind = kind_of(event_type)?;
        if !is_order(kind) {
            return Err(PyValueError::new_err(format!("{} makes no order book", kind.name())));
        }
        let symbol = self.symbol_id(py, kind, symbol)?;
        let store = self.stream()?.store();
        let source = store.tables().texts.find(source).map_or(Text::NONE, |id| TextId(id).into());
        Ok(store.read_book(kind, symbol, source, |book| {
            (
                levels(book.bids(), depth),
                levels(book.asks(), depth),
                book.epoch(),
                book.is_complete(),
            )
        }))
    }

    /// What the connection has counted, by name.
    #[pyo3(name = "counters")]
    fn py_counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        counters(py, self.stream()?)
    }

    /// How many times a connection was made again.
    #[pyo3(name = "epoch")]
    fn py_epoch(&self) -> PyResult<u64> {
        Ok(self.stream()?.activity().epoch)
    }

    /// When the last event of each symbol came (ns, monotonic); `None` where none came.
    #[pyo3(name = "last_received")]
    fn py_last_received(&self, symbols: &Symbols) -> PyResult<Vec<Option<u64>>> {
        let mut row = [0; MAX_WORDS];
        let store = self.stream()?.store();
        let last = symbols.ids.iter().map(|&symbol| store.latest(symbols.kind, symbol, &mut row));
        Ok(last.collect())
    }

    /// The last complaints of the server, oldest first.
    #[pyo3(name = "complaints")]
    fn py_complaints(&self) -> PyResult<Vec<String>> {
        Ok(self.stream()?.complaints())
    }

    /// Begins to close the connection.
    #[pyo3(name = "close")]
    fn py_close(&self) -> PyResult<()> {
        self.stream()?.close();
        Ok(())
    }
}

impl Client {
    #[inline]
    fn stream(&self) -> PyResult<&connection::Client> {
        self.origin.stream()
    }

    fn symbol_ids(
        &self,
        py: Python<'_>,
        kind: EventKind,
        symbols: Vec<String>,
    ) -> PyResult<HashSet<SymbolId>> {
        symbols.into_iter().map(|symbol| self.symbol_id(py, kind, symbol)).collect()
    }

    fn symbol_id(&self, py: Python<'_>, kind: EventKind, symbol: String) -> PyResult<SymbolId> {
        let symbol = wire_symbol(py, kind, symbol)?;
        let id = self.stream()?.store().tables().symbols.intern(&symbol);
        id.map(SymbolId)
            .map_err(|error| PyValueError::new_err(format!("no more symbols can be held: {error}")))
    }
}

/// Prices, sizes and counts of the levels of one side.
type Levels = (Vec<f64>, Vec<f64>, Vec<u64>);

/// Bids, asks, epoch, and whether the book is complete.
type BookLevels = (Levels, Levels, u64, bool);

fn levels(orders: Orders<'_>, depth: usize) -> Levels {
    let mut side = Levels::default();
    for level in orders.levels(depth) {
        side.0.push(level.price);
        side.1.push(level.size);
        side.2.push(level.count);
    }
    side
}
