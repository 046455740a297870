//! What the account side says, on a virtual clock.

mod protocol;
mod trading;

use dxstream::symbol::Tables;
use serde_json::json;

use super::*;
use crate::account::rest::{Reply, Request};
use crate::config::Access;
use crate::ledger::Ledger;
use crate::market::{Market, MarketConfig};

const NUMBER: &str = "SIM00001";

/// The account side on a virtual clock, beside a market.
struct World {
    accounts: Accounts,
    ledger: Ledger,
    admission: Arc<Admission>,
    record: Arc<AccountRecord>,
    now: Duration,
    bearer: String,
}

impl World {
    fn new(config: AccountsConfig) -> Self {
        let market_config = MarketConfig {
            symbols: ["SPX", "AAPL", "SPY"].map(str::to_owned).to_vec(),
            before: Duration::from_mins(3),
            ..MarketConfig::default()
        };
        let tables = Arc::new(Tables::new());
        let market = Market::new(&market_config, Arc::clone(&tables)).unwrap();
        let options = market_config.symbols.iter().flat_map(|symbol| market.options(symbol));
        let symbols = market_config.symbols.iter().cloned().chain(options).collect();
        let record = Arc::new(AccountRecord::default());
        let admission = Arc::new(Admission::new(Access::Tokens(Vec::new())));
        let url = "ws://127.0.0.1:1/".to_owned();
        let config = AccountsConfig { symbols, ..config };
        let accounts = Accounts::new(config, Arc::clone(&admission), url, Arc::clone(&record));
        let ledger = Ledger::new(tables, Some(Box::new(market)));
        let mut world = Self {
            accounts,
            ledger,
            admission,
            record,
            now: Duration::ZERO,
            bearer: String::new(),
        };
        world.bearer = world.grant();
        world
    }

    /// Asks for an access token, and returns what goes into `Authorization`.
    fn grant(&mut self) -> String {
        let body =
            json!({"grant_type": "refresh_token", "client_secret": "x", "refresh_token": "y"});
        let request = Request {
            method: "POST".to_owned(),
            path: "/oauth/token".to_owned(),
            has_user_agent: true,
            body: body.to_string().into_bytes(),
            ..Request::default()
        };
        let reply = self.accounts.request(self.now, &request, &mut self.ledger).unwrap();
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        format!(
            "{} {}",
            body["token_type"].as_str().unwrap(),
            body["access_token"].as_str().unwrap()
        )
    }

    fn request(&self, path: &str) -> Request {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            has_user_agent: true,
            authorization: Some(self.bearer.clone()),
            ..Request::default()
        }
    }

    fn ask(&mut self, request: &Request) -> Reply {
        self.accounts.request(self.now, request, &mut self.ledger).unwrap()
    }

    /// The data of an answer to a GET.
    fn get(&mut self, path: &str) -> Value {
        let reply = self.ask(&self.request(path));
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        serde_json::from_str::<Value>(&reply.body).unwrap()["data"].take()
    }

    /// Lets so much time go by, in steps.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(20);
            let mut market = self.ledger.source.take().unwrap();
            market.advance(self.now, usize::MAX, &mut |_| {});
            self.ledger.source = Some(market);
            self.accounts.turn(self.now, &mut self.ledger);
        }
    }

    /// Connects a client of the WebSocket to the account.
    fn connect(&mut self) -> u64 {
        let id = self.accounts.open(self.now).id;
        let reply = self
            .say(id, &json!({"action": "connect", "value": [NUMBER], "auth-token": self.bearer}));
        assert_eq!(reply[0]["status"], "ok");
        id
    }

    /// Says something, and returns what is answered.
    fn say(&mut self, id: u64, message: &Value) -> Vec<Value> {
        self.accounts.receive(id, self.now, &message.to_string());
        self.heard(id)
    }

    /// What a client is told.
    fn heard(&mut self, id: u64) -> Vec<Value> {
        let told = self.accounts.take(id).into_iter().map(|output| match output {
            Output::Text(text) => serde_json::from_str(&text).unwrap(),
            Output::Close { code, .. } => json!({"close": code}),
        });
        told.collect()
    }
}
