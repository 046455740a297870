//! Gaps: from when to when events may be missing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::EventKind;
use crate::loss::Loss;

/// How long after everything of an event type was asked for again its gap ends although no event of
/// it has come. It covers the way to the server and back.
const QUIET: Duration = Duration::from_secs(1);

/// What may be missing of one event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeGap {
    /// The event type.
    pub kind: EventKind,
    /// Which connection ended it, counted from 0.
    pub epoch: u64,
    /// When the last message came before the loss.
    pub from: Duration,
    /// When the first event came after everything was asked for again.
    pub to: Duration,
    /// Whether nothing is missing after all: every symbol's history was asked for again, from its last
    /// event on.
    pub healed: bool,
    /// What happened.
    pub loss: Loss,
}

/// What may be missing because a connection was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which connection ended it, counted from 0.
    pub epoch: u64,
    /// When the last message came before the loss.
    pub from: Duration,
    /// When the last of the types was over.
    pub to: Duration,
    /// What happened.
    pub loss: Loss,
    /// The types that were wanted, each with its own end.
    pub types: Vec<TypeGap>,
}

/// A gap that is not over yet.
#[derive(Debug)]
pub(super) struct OpenGap {
    epoch: u64,
    from: Duration,
    loss: Loss,
    types: BTreeMap<EventKind, Progress>,
    over: Vec<TypeGap>,
}

#[derive(Debug, Default)]
struct Progress {
    healed: bool,
    asked_at: Option<Duration>,
}

impl OpenGap {
    /// A gap of the event types of a connection that was lost; the next is `epoch`.
    pub(super) fn new(
        epoch: u64,
        from: Duration,
        loss: Loss,
        kinds: impl IntoIterator<Item = EventKind>,
    ) -> Self {
        let types = kinds.into_iter().map(|kind| (kind, Progress::default())).collect();
        Self { epoch, from, loss, types, over: Vec::new() }
    }

    /// The types whose gap is not over.
    pub(super) fn kinds(&self) -> Vec<EventKind> {
        self.types.keys().copied().collect()
    }

    /// Takes note of what will be healed.
    pub(super) fn set_healed(&mut self, kind: EventKind, healed: bool) {
        if let Some(progress) = self.types.get_mut(&kind) {
            progress.healed = healed;
        }
    }

    /// Takes note that everything of a type was asked for again.
    pub(super) fn asked(&mut self, kind: EventKind, now: Duration) {
        if let Some(progress) = self.types.get_mut(&kind) {
            progress.asked_at.get_or_insert(now);
        }
    }

    /// Takes note that events of a type came; gives the gap of the type where it is over by that.
    pub(super) fn events(&mut self, kind: EventKind, now: Duration) -> Option<&TypeGap> {
        self.types.get(&kind)?.asked_at?;
        self.close(kind, now)
    }

    fn close(&mut self, kind: EventKind, now: Duration) -> Option<&TypeGap> {
        let healed = self.types.remove(&kind)?.healed;
        let Self { epoch, from, ref loss, .. } = *self;
        self.over.push(TypeGap { kind, epoch, from, to: now, healed, loss: loss.clone() });
        self.over.last()
    }

    /// When [`OpenGap::tick`] has something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.types.values().filter_map(|progress| Some(progress.asked_at? + QUIET)).min()
    }

    /// Ends the gaps of types of which nothing came for long; gives them.
    pub(super) fn tick(&mut self, now: Duration) -> Vec<TypeGap> {
        let quiet = |progress: &Progress| progress.asked_at.is_some_and(|at| at + QUIET <= now);
        let kinds: Vec<_> = self
            .types
            .iter()
            .filter(|(_, progress)| quiet(progress))
            .map(|(&kind, _)| kind)
            .collect();
        kinds.into_iter().filter_map(|kind| self.close(kind, now).cloned()).collect()
    }

    /// Ends the gaps of all types, since the connection was lost again; gives them.
    pub(super) fn cut(&mut self, now: Duration) -> Vec<TypeGap> {
        let kinds = self.kinds();
        for &kind in &kinds {
            self.set_healed(kind, false);
        }
        kinds.into_iter().filter_map(|kind| self.close(kind, now).cloned()).collect()
    }

    /// The gap, once it is over for every type.
    pub(super) fn whole(&self, now: Duration) -> Option<Gap> {
        self.types.is_empty().then(|| Gap {
            epoch: self.epoch,
            from: self.from,
            to: self.over.iter().map(|of_type| of_type.to).max().unwrap_or(now),
            loss: self.loss.clone(),
            types: self.over.clone(),
        })
    }
}
