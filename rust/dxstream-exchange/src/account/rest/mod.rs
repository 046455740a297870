//! REST: which request has which answer.
//!
//! Forms of answers and errors are those of the vendor's documentation and of recorded answers.

mod customer;
mod instruments;

use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::account::clock::iso;
use crate::account::credential::judge_grant;
use crate::account::execution::Account;
use crate::account::fault::AccountAction;
use crate::account::order::Order;
use crate::account::price::Prices;
use crate::account::write::{self, Form};
use crate::account::{Accounts, error_body};

/// What the vendor's proxy says to a client that does not say what it is.
const NO_USER_AGENT: &str = "<html>\n<head><title>401 Authorization Required</title></head>\n<body>\n\
    <center><h1>401 Authorization Required</h1></center>\n<hr><center>nginx</center>\n</body>\n</html>\n";

/// An HTTP request, as far as it matters. It holds secrets.
#[derive(Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// As it was sent, percent signs and all.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) has_user_agent: bool,
    pub(crate) has_accept_version: bool,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The first value of a parameter.
    fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The values of a parameter, which may be written with brackets.
    fn values(&self, name: &str) -> Vec<&str> {
        let named = |key: &str| key == name || key.strip_suffix("[]") == Some(name);
        self.query.iter().filter(|(key, _)| named(key)).map(|(_, value)| value.as_str()).collect()
    }
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        let headers =
            vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.to_string() }
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &error_body(code, message))
    }

    fn not_found() -> Self {
        Self::error(404, "not_found", "The requested resource could not be found")
    }
}

/// What is found at a path, or the answer that says why not.
type Found = Result<Value, Reply>;

impl Accounts {
    /// The answer to a request; nothing where none is given.
    pub(crate) fn request(
        &mut self,
        now: Duration,
        request: &Request,
        prices: &mut dyn Prices,
    ) -> Option<Reply> {
        let key = format!("{} {}", request.method, request.path);
        self.record.update(|stats| *stats.requests.entry(key).or_default() += 1);
        match self.script.come_to(&request.path) {
            Some(AccountAction::Respond { status, headers }) => {
                let body = error_body("fault", "This answer was asked for");
                let mut reply = Reply::json(status, &body);
                reply.headers.extend(headers);
                return Some(reply);
            }
            Some(AccountAction::Stall) => return None,
            _ => {}
        }
        Some(self.reply(now, request, prices))
    }

    fn reply(&mut self, now: Duration, request: &Request, prices: &mut dyn Prices) -> Reply {
        if !request.has_user_agent {
            let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
            return Reply { status: 401, headers, body: NO_USER_AGENT.to_owned() };
        }
        if self.config.is_test && request.has_accept_version {
            return Reply::error(
                406,
                "not_acceptable",
                "Accept-Version is not accepted in the sandbox",
            );
        }
        if request.method == "POST" && request.path == "/oauth/token" {
            return self.grant(now, &request.body);
        }
        if !self.tokens.admit(now, request.authorization.as_deref()) {
            return Reply::error(401, "token_invalid", "This token is invalid or has expired");
        }
        self.open_accounts(prices);
        let path: Vec<String> = request.path.trim_matches('/').split('/').map(decoded).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match self.find(now, request, &path, prices) {
            Ok(data) => Reply::json(200, &json!({"data": data, "context": request.path})),
            Err(reply) => reply,
        }
    }

    fn find(
        &mut self,
        now: Duration,
        request: &Request,
        path: &[&str],
        prices: &mut dyn Prices,
    ) -> Found {
        match (request.method.as_str(), path) {
            ("GET", ["api-quote-tokens"]) => self.quote_token(now),
            ("POST", ["sessions", "validate"]) => Ok(customer::user()),
            ("GET", ["customers", "me"]) => Ok(customer::customer(self.clock.start)),
            ("GET", ["customers", "me", "accounts"]) => {
                let accounts = self.held.keys().map(|number| {
                    let account = customer::account(number, self.clock.start);
                    json!({"account": account, "authority-level": "owner"})
                });
                Ok(items(accounts))
            }
            ("GET", ["customers", "me", "accounts", number]) => {
                let start = self.clock.start;
                self.account(number).map(|account| customer::account(&account.number, start))
            }
            ("GET", ["accounts", number, rest @ ..]) => {
                let ms = self.clock.ms(now);
                let account = self.account(number)?;
                account.portfolio.mark(prices);
                of_account(account, request, rest, ms)
            }
            ("GET", ["instruments", rest @ ..]) => {
                instruments::find(request, rest, self.clock.ms(now))
            }
            ("GET", ["option-chains", underlying]) => {
                Ok(instruments::chain(&prices.options(underlying), self.clock.ms(now)))
            }
            ("GET", ["market-data", rest @ ..]) => {
                instruments::market_data(request, rest, self.clock.ms(now), prices)
            }
            _ => Err(Reply::not_found()),
        }
    }

    /// The account of a number; the vendor does not tell accounts of others from accounts of nobody.
    fn account(&mut self, number: &str) -> Result<&mut Account, Reply> {
        let refused = || Reply::error(403, "not_permitted", "User not permitted access");
        self.held.get_mut(number).map(|(account, _)| account).ok_or_else(refused)
    }

    fn grant(&mut self, now: Duration, body: &[u8]) -> Reply {
        let config = &self.config;
        let secrets = (&config.client_secret, &config.refresh_token);
        match judge_grant(body, secrets.0, secrets.1, config.any_credentials) {
            Ok(()) => {
                let lifetime = config.access_token_lifetime;
                let token = self.tokens.issue(now, lifetime);
                let answer = json!({
                    "access_token": token,
                    "token_type": "Bearer",
                    "expires_in": lifetime.as_secs(),
                });
                Reply::json(200, &answer)
            }
            Err((code, text)) => {
                let status = if code == "invalid_client" { 401 } else { 400 };
                Reply::json(status, &json!({"error_code": code, "error_description": text}))
            }
        }
    }

    fn quote_token(&mut self, now: Duration) -> Found {
        if !self.config.market_data {
            let code = "quote_streamer.customer_not_found_error";
            let text = "You must be a customer to access a quote stream.";
            return Err(Reply::error(404, code, text));
        }
        let lifetime = self.config.quote_token_lifetime;
        let token = self.tokens.make();
        self.admission.issue(&token, now.saturating_add(lifetime));
        let issued = self.clock.ms(now);
        Ok(json!({
            "token": token,
            "dxlink-url": self.dxlink_url,
            "level": if self.config.is_test { "demo" } else { "api" },
            "issued-at": iso(issued),
            "expires-at": iso(self.clock.ms(now.saturating_add(lifetime))),
        }))
    }
}

/// A part of a path, without percent signs.
fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn items(items: impl IntoIterator<Item = Value>) -> Value {
    json!({"items": items.into_iter().collect::<Vec<_>>()})
}

/// What is found below an account.
fn of_account(account: &Account, request: &Request, path: &[&str], ms: i64) -> Found {
    let number = &account.number;
    match path {
        ["trading-status"] => Ok(customer::trading_status(number, ms)),
        ["balances"] | ["balances", "USD"] => Ok(write::balances(&account.portfolio, number, ms)),
        ["positions"] => {
            let symbol = request.value("symbol");
            let underlyings = request.values("underlying-symbol");
            let kind = request.value("instrument-type");
            let closed = request.value("include-closed-positions") == Some("true");
            let marks = request.value("include-marks") == Some("true");
            let positions = account.portfolio.positions.values().filter(|position| {
                let of = &position.instrument;
                (closed || position.quantity != 0)
                    && symbol.is_none_or(|symbol| symbol == of.symbol)
                    && kind.is_none_or(|kind| kind == of.kind())
                    && (underlyings.is_empty() || underlyings.contains(&of.underlying.as_str()))
            });
            Ok(items(positions.map(|of| write::position(of, number, Form::Rest, marks))))
        }
        // Those of the day, whatever became of them; the latest first.
        ["orders", "live"] | ["orders"] => {
            let orders = account.orders.values().rev();
            Ok(items(orders.map(|of| write::order(of, number, Form::Rest))))
        }
        ["complex-orders"] | ["complex-orders", "live"] => Ok(items([])),
        ["orders", id] => {
            let order: Option<&Order> = id.parse().ok().and_then(|id: u64| account.orders.get(&id));
            let missing = || Reply::error(404, "record_not_found", "Couldn't find Order");
            order.map(|of| write::order(of, number, Form::Rest)).ok_or_else(missing)
        }
        _ => Err(Reply::not_found()),
    }
}
