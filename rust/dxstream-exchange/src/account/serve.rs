//! The sockets of the account side: HTTP by hyper, and the WebSocket that a request upgrades to.

use std::convert::Infallible;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderName, UPGRADE, USER_AGENT};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

use crate::account::Ears;
use crate::account::fault::{AccountAction, UPGRADE as UPGRADE_POINT};
use crate::account::rest::{Reply, Request};
use crate::server::{FAREWELL, Shared, drain, read_to_end, say};

/// Longest body of a request, and longest message of a client.
const MAX_BYTES: usize = 1 << 20;

type HttpReply = Response<Full<Bytes>>;

/// Takes connections for as long as the exchange runs.
pub(crate) async fn accept(listener: TcpListener, shared: Rc<Shared>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = socket.set_nodelay(true);
        let shared = Rc::clone(&shared);
        spawn_local(async move {
            match shared.tls.clone() {
                None => speak(socket, shared).await,
                Some(acceptor) => {
                    if let Ok(socket) = acceptor.accept(socket).await {
                        speak(socket, shared).await;
                    }
                }
            }
        });
    }
}

/// Answers the requests of a connection.
async fn speak<S>(socket: S, shared: Rc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let shared = Rc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, shared).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    // What ends a connection early is the client's affair.
    let _ = connection.await;
}

async fn answer(request: HttpRequest<Incoming>, shared: Rc<Shared>) -> HttpReply {
    if request.headers().contains_key(UPGRADE) {
        return upgrade(request, shared).await;
    }
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BYTES).collect().await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let query = head.uri.query().unwrap_or_default();
    let request = Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        has_user_agent: text(USER_AGENT).is_some_and(|value| !value.is_empty()),
        has_accept_version: head.headers.contains_key("accept-version"),
        authorization: text(AUTHORIZATION).map(str::to_owned),
        body: body.to_bytes().to_vec(),
    };
    let reply = {
        let Some(accounts) = &shared.accounts else { return status(StatusCode::NOT_FOUND) };
        let mut hub = shared.hub.borrow_mut();
        accounts.borrow_mut().request(shared.now(), &request, &mut hub.ledger)
    };
    match reply {
        Some(reply) => written(reply),
        None => pending().await,
    }
}

fn status(status: StatusCode) -> HttpReply {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn written(reply: Reply) -> HttpReply {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let body = Full::new(Bytes::from(reply.body));
    response.body(body).unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// Answers a request for the WebSocket, and speaks with the client once the connection is one.
async fn upgrade(request: HttpRequest<Incoming>, shared: Rc<Shared>) -> HttpReply {
    let fault = {
        let Some(accounts) = &shared.accounts else { return status(StatusCode::NOT_FOUND) };
        accounts.borrow_mut().script.come_to(UPGRADE_POINT)
    };
    match fault {
        Some(AccountAction::Respond { status, headers }) => {
            return written(Reply { status, headers, body: String::new() });
        }
        Some(AccountAction::Stall) => return pending().await,
        _ => {}
    }
    let Ok(response) = create_response_with_body(&request, Full::default) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let upgraded = hyper::upgrade::on(request);
    spawn_local(async move {
        if let Ok(socket) = upgraded.await {
            let config = WebSocketConfig::default()
                .max_message_size(Some(MAX_BYTES))
                .max_frame_size(Some(MAX_BYTES));
            let socket = TokioIo::new(socket);
            let ws = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
            converse(ws, &shared).await;
        }
    });
    response
}

/// Speaks with a client until either side closes.
async fn converse(ws: WebSocketStream<TokioIo<Upgraded>>, shared: &Shared) {
    let Some(accounts) = &shared.accounts else { return };
    let Ears { id, wake, deaf } = accounts.borrow_mut().open(shared.now());
    shared.turn.notify_one();
    let (mut sink, mut stream) = ws.split();
    let read = async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    accounts.borrow_mut().receive(id, shared.now(), &text);
                }
                Some(Ok(Message::Binary(_))) => accounts.borrow_mut().receive(id, shared.now(), ""),
                Some(Err(WebSocketError::Capacity(_))) => {
                    accounts.borrow_mut().refuse_message(id);
                    return pending().await;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            }
            shared.turn.notify_one();
        }
    };
    let write = async {
        loop {
            let outputs = accounts.borrow_mut().take(id);
            if outputs.is_empty() {
                wake.notified().await;
                continue;
            }
            for output in outputs {
                if say(&mut sink, output).await.is_none() {
                    return;
                }
            }
            if sink.flush().await.is_err() {
                return;
            }
        }
    };
    let stalled = tokio::select! {
        () = read => {
            let _ = timeout(FAREWELL, sink.close()).await;
            false
        }
        () = write => false,
        () = deaf.notified() => true,
    };
    if let Ok(mut ws) = stream.reunite(sink) {
        if stalled {
            // What comes is taken off the socket, so that the client's end is noticed.
            tokio::select! {
                () = read_to_end(ws.get_mut()) => {}
                () = shared.stop.notified() => {}
            }
        } else {
            accounts.borrow_mut().leave(id);
            shared.turn.notify_one();
            drain(ws.get_mut()).await;
        }
    }
    accounts.borrow_mut().leave(id);
    shared.turn.notify_one();
}
