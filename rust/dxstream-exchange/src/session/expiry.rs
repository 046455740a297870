//! The end of a token's time in the middle of a conversation.

use crate::fault::Expiry;
use crate::session::reply::{self, ErrorKind};
use crate::session::{Session, Stage};

impl Session {
    /// Refuses the client's token from here on and tells it, in place of what waits to be sent; its channels
    /// are closed.
    pub(crate) fn expire(&mut self, expiry: Expiry) {
        if self.outbox.is_closed() {
            return;
        }
        self.token_expires = None;
        if let Some(token) = self.token.take() {
            self.admission.expire(token, expiry);
        }
        self.stage = self.stage.min(Stage::SetUp);
        self.outbox.clear();
        match expiry {
            Expiry::AuthState => self.outbox.push(reply::unauthorized()),
            Expiry::Error => {
                // The text is that of tastytrade's endpoint.
                let text = "Your authentication token has expired, reauthentication is required";
                self.outbox.error(0, ErrorKind::Unauthorized, text);
            }
        }
        for channel in self.forget_channels() {
            self.outbox.push(reply::channel_closed(channel));
        }
    }
}
