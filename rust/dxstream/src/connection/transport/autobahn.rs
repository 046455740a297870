//! Autobahn's cases of the WebSocket protocol: this client against a fuzzing server.

use futures_util::{SinkExt, StreamExt};

use super::{Limits, Socket};
use crate::connection::endpoint::Endpoint;

async fn connect(server: &str, path: &str) -> Socket {
    let endpoint = Endpoint::new(&format!("ws://{server}{path}"), None);
    let endpoint = endpoint.expect("the server is on loopback");
    Socket::connect(&endpoint, &Limits::default()).await.expect("the server takes clients")
}

async fn case_count(server: &str) -> usize {
    let mut socket = connect(server, "/getCaseCount").await;
    let message = socket.stream.next().await.expect("the server answers");
    let text = message.expect("the answer is a message").into_text();
    text.expect("the answer is a text").parse().expect("the text is a number")
}

/// Echoes every message of a case, with the socket as the client makes it, until the server is done.
async fn echo(server: &str, case: usize) {
    let mut socket = connect(server, &format!("/runCase?case={case}&agent=dxstream")).await;
    // A case that the client is right to give up ends with an error: the server judges.
    while let Some(Ok(message)) = socket.stream.next().await {
        if (message.is_text() || message.is_binary()) && socket.stream.send(message).await.is_err()
        {
            break;
        }
    }
}

#[test]
#[ignore = "needs the server that scripts/autobahn.py starts"]
fn messages_come_back_as_they_were_sent() {
    let Ok(server) = std::env::var("AUTOBAHN_SERVER") else {
        return println!("AUTOBAHN_SERVER names no server; run scripts/autobahn.py");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        for case in 1..=case_count(&server).await {
            echo(&server, case).await;
        }
        drop(connect(&server, "/updateReports?agent=dxstream").await);
    });
}
