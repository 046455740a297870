//! Gaps: from when to when events may be missing.
//!
//! Nothing in the protocol acknowledges a FEED_SUBSCRIPTION. So once everything of an event type was
//! asked for again, the server is asked something behind it that it has to answer: to open one more
//! channel (see [`Session::ask_whether_all_is_taken`](super::session::Session)). It takes messages in
//! order, so what it publishes after that answer reaches whoever asked. Where a single message asked
//! for everything, the first event answers it, and comes earlier.

use std::collections::BTreeMap;
use std::time::Duration;

use super::subscription::FeedKey;
use crate::event::EventKind;
use crate::loss::Loss;

/// What may be missing of one event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeGap {
    /// The event type.
    pub kind: EventKind,
    /// Which connection ended it, counted from 0.
    pub epoch: u64,
    /// When the last message came before the loss, or when the server opened a channel that it never
    /// configured.
    pub from: Duration,
    /// When the server was known to have everything that was asked for again.
    pub to: Duration,
    /// Whether nothing is missing after all: every symbol's history was asked for again, from its last
    /// event on.
    pub healed: bool,
    /// What happened.
    pub loss: Loss,
}

/// What may be missing because a connection was lost, or a part of what it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which connection ended it, counted from 0.
    pub epoch: u64,
    /// The first of the types' beginnings.
    pub from: Duration,
    /// When the last of the types was over.
    pub to: Duration,
    /// What happened.
    pub loss: Loss,
    /// The types of which events may be missing, each with its own end.
    pub types: Vec<TypeGap>,
}

/// What a connection that goes on does not carry for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Interruption {
    /// The channel.
    pub key: FeedKey,
    /// Since when events may be missing.
    pub since: Duration,
    /// What happened.
    pub cause: Cause,
}

/// What interrupts a channel although the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The server closed the channel.
    Closed,
    /// The server neither configured the channel nor sent data.
    Unconfigured,
    /// The server refused, for its rate, what a server had taken before.
    TooFast,
    /// The server of another connection had no room for what a server had taken before.
    TooMany,
}

impl Interruption {
    fn loss(&self) -> Loss {
        let kind = self.key.kind.name();
        Loss::protocol(match self.cause {
            Cause::Closed => format!("the server closed the channel of {kind}"),
            Cause::Unconfigured => format!("the server did not configure the channel of {kind}"),
            Cause::TooFast => format!("the server refused subscriptions of {kind} for their rate"),
            Cause::TooMany => format!(
                "the server had no room for subscriptions of {kind}; another connection has them"
            ),
        })
    }
}

/// A gap that is not over yet.
#[derive(Debug)]
struct OpenGap {
    epoch: u64,
    from: Duration,
    loss: Loss,
    types: BTreeMap<EventKind, Progress>,
    over: Vec<TypeGap>,
}

#[derive(Debug)]
struct Progress {
    from: Duration,
    healed: bool,
    /// A channel was not configured, so an answer about another is no sign that it is.
    unconfigured: bool,
    asked: Option<Asked>,
}

/// Everything of a type was asked for again.
#[derive(Debug)]
struct Asked {
    at: Duration,
    /// The question behind it.
    question: u64,
    answered: bool,
    /// In a single message.
    at_once: bool,
}

/// The gaps of a link that are not over yet. An event type is in one of them at most.
#[derive(Debug)]
pub(super) struct OpenGaps {
    open: Vec<OpenGap>,
    /// How long the server may take to answer; one that does not is taken to have answered then.
    patience: Duration,
}

impl OpenGaps {
    pub(super) fn new(patience: Duration) -> Self {
        Self { open: Vec::new(), patience }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn types(&self) -> impl Iterator<Item = (EventKind, &Progress)> {
        self.open.iter().flat_map(|gap| &gap.types).map(|(&kind, progress)| (kind, progress))
    }

    fn types_mut(&mut self) -> impl Iterator<Item = (EventKind, &mut Progress)> {
        let types = self.open.iter_mut().flat_map(|gap| &mut gap.types);
        types.map(|(&kind, progress)| (kind, progress))
    }

    /// The types whose gap is not over.
    pub(super) fn kinds(&self) -> Vec<EventKind> {
        self.types().map(|(kind, _)| kind).collect()
    }

    /// Opens a gap of event types that are in no other; connection `epoch` is to end it. Each type is
    /// with since when events may be missing and whether it will be healed.
    pub(super) fn open(
        &mut self,
        epoch: u64,
        from: Duration,
        loss: Loss,
        types: impl IntoIterator<Item = (EventKind, Duration, bool)>,
    ) {
        let types = types.into_iter().map(|(kind, from, healed)| {
            (kind, Progress { from, healed, unconfigured: false, asked: None })
        });
        self.open.push(OpenGap { epoch, from, loss, types: types.collect(), over: Vec::new() });
    }

    /// Opens the gap of a channel, or keeps open the one in which its event type is.
    pub(super) fn interrupt(&mut self, epoch: u64, interruption: &Interruption) {
        let Interruption { key, since, cause } = *interruption;
        if !self.kinds().contains(&key.kind) {
            let of_type = (key.kind, since, key.heals());
            self.open(epoch, since, interruption.loss(), [of_type]);
        }
        for (_, progress) in self.types_mut().filter(|(kind, _)| *kind == key.kind) {
            progress.from = progress.from.min(since);
            progress.healed &= key.heals();
            progress.unconfigured |= cause == Cause::Unconfigured;
            progress.asked = None;
        }
    }

    /// The types of which everything was asked for again, as `is_told` says, and nothing behind it.
    pub(super) fn to_ask(&self, is_told: impl Fn(EventKind) -> bool) -> Vec<EventKind> {
        let unasked = self.types().filter(|(_, progress)| progress.asked.is_none());
        unasked.map(|(kind, _)| kind).filter(|&kind| is_told(kind)).collect()
    }

    /// Takes note of the question that was asked behind everything of these types.
    pub(super) fn asked(
        &mut self,
        kinds: &[EventKind],
        question: u64,
        at_once: impl Fn(EventKind) -> bool,
        at: Duration,
    ) {
        for (kind, progress) in self.types_mut().filter(|(kind, _)| kinds.contains(kind)) {
            let at_once = at_once(kind);
            progress.asked = Some(Asked { at, question, answered: false, at_once });
        }
    }

    /// Takes note that a question was answered.
    pub(super) fn answered(&mut self, question: u64) {
        let asked = self.types_mut().filter_map(|(_, progress)| progress.asked.as_mut());
        for asked in asked.filter(|asked| asked.question == question) {
            asked.answered = true;
        }
    }

    /// Takes note that events of a type came; gives the gap of the type where it is over by that.
    pub(super) fn events(&mut self, kind: EventKind, now: Duration) -> Option<&TypeGap> {
        let gap = self.open.iter_mut().find(|gap| gap.types.contains_key(&kind))?;
        if !gap.types[&kind].asked.as_ref()?.at_once {
            return None;
        }
        gap.close(kind, now)
    }

    /// When [`OpenGaps::settle`] has something to do although nothing came.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let asked = self.types().filter_map(|(_, progress)| progress.asked.as_ref());
        asked.filter(|asked| !asked.answered).map(|asked| asked.at + self.patience).min()
    }

    /// Ends the gaps of types whose question was answered, or for too long was not; gives them.
    pub(super) fn settle(
        &mut self,
        now: Duration,
        is_configured: impl Fn(EventKind) -> bool,
    ) -> Vec<TypeGap> {
        let patience = self.patience;
        let mut over = Vec::new();
        for (kind, progress) in self.types_mut() {
            let Some(asked) = &mut progress.asked else { continue };
            asked.answered |= asked.at + patience <= now;
            if asked.answered && (!progress.unconfigured || is_configured(kind)) {
                over.push(kind);
            }
        }
        self.close(&over, now)
    }

    fn close(&mut self, kinds: &[EventKind], now: Duration) -> Vec<TypeGap> {
        let of_kinds = self.open.iter_mut().flat_map(|gap| {
            let closed = kinds.iter().filter_map(|&kind| gap.close(kind, now).cloned());
            closed.collect::<Vec<_>>()
        });
        of_kinds.collect()
    }

    /// Ends the gaps of all types, since the connection was lost again; gives them.
    pub(super) fn cut(&mut self, now: Duration) -> Vec<TypeGap> {
        self.types_mut().for_each(|(_, progress)| progress.healed = false);
        self.close(&self.kinds(), now)
    }

    /// The gaps that are over for every type.
    pub(super) fn whole(&mut self, now: Duration) -> Vec<Gap> {
        let over = self.open.extract_if(.., |gap| gap.types.is_empty());
        over.map(|gap| gap.whole(now)).collect()
    }
}

impl OpenGap {
    fn close(&mut self, kind: EventKind, now: Duration) -> Option<&TypeGap> {
        let Progress { from, healed, .. } = self.types.remove(&kind)?;
        let Self { epoch, ref loss, .. } = *self;
        self.over.push(TypeGap { kind, epoch, from, to: now, healed, loss: loss.clone() });
        self.over.last()
    }

    fn whole(self, now: Duration) -> Gap {
        Gap {
            epoch: self.epoch,
            from: self.over.iter().map(|of_type| of_type.from).fold(self.from, Duration::min),
            to: self.over.iter().map(|of_type| of_type.to).max().unwrap_or(now),
            loss: self.loss,
            types: self.over,
        }
    }
}
