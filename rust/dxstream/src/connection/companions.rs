//! Companions: subscriptions that the events of another type need, and that the user did not make.
//!
//! A Quote tells the last price and the volume of its symbol by the symbol's Trade. That is subscribed
//! when it is first asked for, and ends with the subscription of the Quote. Its events are hidden from
//! listeners unless the user subscribes it himself.

use std::collections::HashMap;

use crate::event::EventKind;

/// The event type that has companions.
pub(super) const OWNER: EventKind = EventKind::Quote;

/// The event type of the companions.
pub(super) const COMPANION: EventKind = EventKind::Trade;

/// The companions of a streamer, by symbol, and whether each is hidden.
#[derive(Debug, Default)]
pub(super) struct Companions(HashMap<String, bool>);

impl Companions {
    /// Begins a companion. Says whether it is to be subscribed and hidden: it is new, and `wanted` by
    /// nobody else.
    pub(super) fn begin(&mut self, symbol: &str, wanted: bool) -> bool {
        if self.0.contains_key(symbol) {
            return false;
        }
        self.0.insert(symbol.to_owned(), !wanted);
        !wanted
    }

    /// Takes note that the user subscribes a symbol of the companions' type. Says whether a companion
    /// was hidden until now.
    pub(super) fn claim(&mut self, symbol: &str) -> bool {
        self.0.get_mut(symbol).is_some_and(std::mem::take)
    }

    /// Takes note that the user wants a symbol of the companions' type no longer. Says whether a
    /// companion needs it still, and is hidden from now on.
    pub(super) fn disclaim(&mut self, symbol: &str) -> bool {
        let companion = self.0.get_mut(symbol);
        companion.map(|hidden| *hidden = true).is_some()
    }

    /// Ends a companion. Says whether its subscription ends too, since nobody else wanted it.
    pub(super) fn end(&mut self, symbol: &str) -> bool {
        self.0.remove(symbol).unwrap_or(false)
    }

    /// The symbols that have companions.
    pub(super) fn symbols(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_companion_is_subscribed_once_and_ends_with_its_owner() {
        let mut companions = Companions::default();
        assert!(companions.begin("A", false));
        assert!(!companions.begin("A", false));
        assert!(companions.end("A"));
        assert!(!companions.end("A"));
        assert!(companions.is_empty());
    }

    #[test]
    fn what_the_user_subscribed_is_not_subscribed_again_and_outlives_the_owner() {
        let mut companions = Companions::default();
        assert!(!companions.begin("A", true));
        assert!(!companions.claim("A"));
        assert!(!companions.end("A"));
    }

    #[test]
    fn a_user_takes_over_and_leaves_a_companion() {
        let mut companions = Companions::default();
        companions.begin("A", false);
        assert!(companions.claim("A"));
        assert!(!companions.claim("A"));
        assert!(companions.disclaim("A"));
        assert!(companions.claim("A"));
        assert!(!companions.end("A"));
        assert!(!companions.disclaim("A"));
        assert!(!companions.claim("A"));
    }
}
