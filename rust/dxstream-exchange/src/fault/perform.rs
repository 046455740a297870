//! How faults are done to a client's socket.

use std::cell::RefCell;

use futures_util::{Sink, SinkExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Injection;
use super::handshake::Link;
use super::script::{Ending, Step};
use crate::hub::Hub;
use crate::server::{drain, read_to_end};

impl Link {
    /// Does what is neither the exchange's own message nor the end of the conversation.
    pub(crate) async fn perform<K>(
        &self,
        step: Step,
        sink: &mut K,
        hub: &RefCell<Hub>,
        id: u64,
    ) -> Result<(), Error>
    where
        K: Sink<Message, Error = Error> + Unpin,
    {
        match step {
            Step::Inject(injection) => {
                for _ in 0..injection.times {
                    for frame in frames(&injection) {
                        sink.feed(Message::Frame(frame)).await?;
                    }
                }
                Ok(())
            }
            Step::Part(text, bytes) => {
                sink.flush().await?;
                self.stream.allow(bytes);
                sink.send(Message::text(text)).await
            }
            Step::Trickle(bytes_per_second) => {
                sink.flush().await?;
                self.trickle(bytes_per_second);
                Ok(())
            }
            Step::Expire(expiry) => {
                hub.borrow_mut().expire(id, expiry);
                Ok(())
            }
            Step::Reconfigure(encoding) => {
                hub.borrow_mut().reconfigure(id, &encoding);
                Ok(())
            }
            Step::Say(_) | Step::End(_) => Ok(()),
        }
    }
}

/// The frames of a message, of about the same length.
fn frames(injection: &Injection) -> impl Iterator<Item = Frame> {
    let Injection { payload, text, fragments, .. } = injection;
    let (count, length) = (*fragments, payload.len());
    let first = if *text { Data::Text } else { Data::Binary };
    (0..count).map(move |at| {
        let part = payload.slice(length * at / count..length * (at + 1) / count);
        let data = if at == 0 { first } else { Data::Continue };
        Frame::message(part, OpCode::Data(data), at + 1 == count)
    })
}

/// Ends a connection in the way of a fault, and comes back when it is over or the exchange stops.
pub(crate) async fn end(socket: &mut TcpStream, ending: Ending, stop: &Notify) {
    match ending {
        Ending::Stall { reading: true } => tokio::select! {
            () = read_to_end(socket) => {}
            () = stop.notified() => {}
        },
        Ending::Stall { reading: false } => stop.notified().await,
        Ending::Cut { reset: true } => {
            // The socket is reset when it is dropped. An error means that it is gone already.
            let _ = socket.set_zero_linger();
        }
        Ending::Cut { reset: false } => drain(socket).await,
    }
}
