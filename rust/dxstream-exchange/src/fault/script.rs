//! When each fault happens: the script that all connections share, and how far each of them is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::{Action, Encoding, Expiry, Fault, Injection, Messages, Point};
use crate::hub::Record;
use crate::session::Output;

/// The faults of an exchange.
pub(crate) struct Script {
    faults: Rc<[Fault]>,
    /// Counts how often the faults were set.
    version: u64,
    /// Connections that came since.
    connections: u64,
    record: Arc<Record>,
}

impl Script {
    /// The script whose faults the record counts.
    pub(crate) fn new(faults: Vec<Fault>, record: Arc<Record>) -> Self {
        Self { faults: faults.into(), version: 0, connections: 0, record }
    }

    /// Takes other faults in place of those that were set; counts begin anew.
    pub(crate) fn set(&mut self, faults: Vec<Fault>) {
        self.record.count_faults(faults.len());
        self.faults = faults.into();
        self.version += 1;
        self.connections = 0;
    }
}

/// What is done to a client, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Says what the exchange has to say.
    Say(Output),
    /// Says what it should not.
    Inject(Injection),
    /// Says the first bytes of the frame of a message.
    Part(String, u64),
    Trickle(u32),
    Expire(Expiry),
    Reconfigure(Encoding),
    /// Ends the conversation; nothing follows.
    End(Ending),
}

/// How a fault ends a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Stall { reading: bool },
    Cut { reset: bool },
}

/// A connection's place in the script.
pub(crate) struct Line {
    script: Rc<RefCell<Script>>,
    faults: Rc<[Fault]>,
    version: u64,
    /// The connection's number.
    number: u64,
    /// Whether the faults of an open WebSocket have been asked for.
    begun: bool,
    /// Messages so far, in all and by type.
    said: u64,
    said_by_kind: HashMap<String, u64>,
}

impl Line {
    /// The place of a connection that has just come.
    pub(crate) fn new(script: &Rc<RefCell<Script>>) -> Self {
        let mut current = script.borrow_mut();
        current.connections += 1;
        Self {
            faults: Rc::clone(&current.faults),
            version: current.version,
            number: current.connections,
            begun: false,
            said: 0,
            said_by_kind: HashMap::new(),
            script: Rc::clone(script),
        }
    }

    /// What happens at a point below the WebSocket.
    pub(crate) fn stage(&mut self, point: &Point) -> Vec<Action> {
        self.renew();
        self.happening(|fault| fault.point == *point)
    }

    /// What is done about what the exchange has to say; empty where there is nothing to do.
    pub(crate) fn steps(&mut self, outputs: Vec<Output>) -> Vec<Step> {
        let mut steps = Vec::with_capacity(outputs.len());
        self.renew();
        let mut goes_on = true;
        if !self.begun {
            self.begun = true;
            goes_on = self.after(None, &mut steps);
        }
        for output in outputs {
            if !goes_on {
                break;
            }
            goes_on = match output {
                Output::Text(text) if !self.faults.is_empty() => self.message(text, &mut steps),
                output => {
                    steps.push(Step::Say(output));
                    true
                }
            };
        }
        steps
    }

    /// Follows a change of the script.
    fn renew(&mut self) {
        let current = self.script.borrow();
        if current.version != self.version {
            self.version = current.version;
            self.faults = Rc::clone(&current.faults);
            self.number = 0;
            self.begun = false;
            self.said = 0;
            self.said_by_kind.clear();
        }
    }

    /// What is done about a message; says whether the conversation goes on as the exchange means it to.
    fn message(&mut self, text: String, steps: &mut Vec<Step>) -> bool {
        let kind = kind_of(&text).map(str::to_owned);
        self.said += 1;
        if let Some(kind) = &kind {
            *self.said_by_kind.entry(kind.clone()).or_default() += 1;
        }
        let kind = kind.as_deref();
        let actions = self.happening(|fault| {
            matches!(&fault.point, Point::At(messages) if self.is_due(fault, messages, kind))
        });
        let mut text = text;
        let mut copies = 1;
        for action in actions {
            match action {
                Action::Omit => copies = 0,
                Action::Repeat(times) => copies += times,
                Action::Rewrite { old, new } => text = text.replace(&old, &new),
                Action::Stall { bytes, .. } | Action::Cut { bytes, .. } if bytes > 0 => {
                    steps.push(Step::Part(text, bytes));
                    steps.extend(step(action));
                    return false;
                }
                action => {
                    let last = ends(&action);
                    steps.extend(step(action));
                    if last {
                        return false;
                    }
                }
            }
        }
        for _ in 0..copies {
            steps.push(Step::Say(Output::Text(text.clone())));
        }
        self.after(kind, steps)
    }

    /// What is done after a message, or when the WebSocket is open.
    fn after(&mut self, kind: Option<&str>, steps: &mut Vec<Step>) -> bool {
        let actions = self.happening(|fault| {
            matches!(&fault.point, Point::After(messages) if self.is_due(fault, messages, kind))
        });
        for action in actions {
            let last = ends(&action);
            steps.extend(step(action));
            if last {
                return false;
            }
        }
        true
    }

    /// Whether the message that was counted last, of this type, is one that the fault names.
    fn is_due(&self, fault: &Fault, messages: &Messages, kind: Option<&str>) -> bool {
        let count = match &messages.kind {
            None => self.said,
            Some(named) if self.said == 0 || Some(named.as_str()) == kind => {
                self.said_by_kind.get(named).copied().unwrap_or(0)
            }
            Some(_) => return false,
        };
        let last = fault.times.map(|times| messages.number.saturating_add(times - 1));
        count >= messages.number && last.is_none_or(|last| count <= last)
    }

    /// The actions of this connection's faults that happen now, counted.
    fn happening(&self, now: impl Fn(&Fault) -> bool) -> Vec<Action> {
        let mut actions = Vec::new();
        for (at, fault) in self.faults.iter().enumerate() {
            if fault.connections.contain(self.number) && now(fault) {
                actions.push(fault.action.clone());
                self.script.borrow().record.update(|stats| stats.faults[at] += 1);
                if ends(&fault.action) {
                    break;
                }
            }
        }
        actions
    }
}

/// Whether nothing of what the exchange had to say follows.
fn ends(action: &Action) -> bool {
    matches!(
        action,
        Action::Stall { .. } | Action::Cut { .. } | Action::Close { .. } | Action::Expire(_)
    )
}

fn step(action: Action) -> Option<Step> {
    Some(match action {
        Action::Stall { reading, .. } => Step::End(Ending::Stall { reading }),
        Action::Cut { reset, .. } => Step::End(Ending::Cut { reset }),
        Action::Trickle { bytes_per_second } => Step::Trickle(bytes_per_second),
        Action::Close { code, reason } => Step::Say(Output::Close { code, reason }),
        Action::Inject(injection) => Step::Inject(injection),
        Action::Expire(expiry) => Step::Expire(expiry),
        Action::Reconfigure(encoding) => Step::Reconfigure(encoding),
        Action::Respond { .. } | Action::Omit | Action::Repeat(_) | Action::Rewrite { .. } => {
            return None;
        }
    })
}

/// The type of a message that the exchange has written; `type` is its first key.
fn kind_of(text: &str) -> Option<&str> {
    let (kind, _) = text.strip_prefix(r#"{"type":""#)?.split_once('"')?;
    Some(kind)
}

#[cfg(test)]
mod tests;
