use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn number(value: &Value) -> Decimal {
    match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.to_string().parse().unwrap(),
    }
}

/// What the notifications about an account say has happened.
#[derive(Default)]
struct Bookkeeper {
    /// Fills of each order so far, and its status.
    orders: HashMap<u64, (i64, String)>,
    held: HashMap<String, i64>,
    cash: Decimal,
    statuses: HashMap<String, usize>,
    partial: usize,
}

impl Bookkeeper {
    /// Takes the account as REST shows it.
    fn of(world: &mut World) -> Self {
        let cash = number(&world.get("/accounts/SIM00001/balances")["cash-balance"]);
        let mut books = Self { cash, ..Self::default() };
        for position in world.get("/accounts/SIM00001/positions")["items"].as_array().unwrap() {
            let symbol = position["symbol"].as_str().unwrap().to_owned();
            books.held.insert(symbol, signed(position));
        }
        books
    }

    /// Checks a notification against those before it.
    fn take(&mut self, frame: &Value) {
        let data = &frame["data"];
        match frame["type"].as_str().unwrap() {
            "Order" => self.take_order(data),
            "CurrentPosition" => {
                let held = self.held.get(data["symbol"].as_str().unwrap()).copied();
                assert_eq!(Some(signed(data)), held, "{data}");
            }
            "AccountBalance" => {
                assert_eq!(number(&data["cash-balance"]), self.cash, "{data}");
                let amount = |name: &str| number(&data[name]);
                assert_eq!(
                    amount("net-liquidating-value"),
                    self.cash + amount("long-equity-value") + amount("long-derivative-value")
                        - amount("short-equity-value")
                        - amount("short-derivative-value")
                );
            }
            other => panic!("{other}"),
        }
    }

    fn take_order(&mut self, data: &Value) {
        let leg = &data["legs"][0];
        let size = data["size"].as_i64().unwrap();
        let fills = leg["fills"].as_array().unwrap();
        let filled: i64 = fills.iter().map(|fill| fill["quantity"].as_i64().unwrap()).sum();
        let status = data["status"].as_str().unwrap().to_owned();
        let known = self.orders.entry(data["id"].as_u64().unwrap()).or_default();
        let before = known.0;
        let follows: &[&str] = match known.1.as_str() {
            "" => &["Routed"],
            "Routed" => &["Live"],
            "Live" => &["Live", "Filled", "Cancelled"],
            other => panic!("something came after {other}"),
        };
        assert!(follows.contains(&status.as_str()), "{status} after {}", known.1);
        *known = (filled, status.clone());
        assert!(filled == before || status != "Cancelled");
        assert_eq!(status == "Filled", filled == size);
        let left = if status == "Cancelled" { 0 } else { size - filled };
        assert_eq!(leg["remaining-quantity"].as_i64(), Some(left));
        self.partial += usize::from(status == "Live" && filled > 0);
        *self.statuses.entry(status).or_default() += 1;
        if filled > before {
            let action = leg["action"].as_str().unwrap();
            let quantity = (filled - before) * if action.starts_with("Buy") { 1 } else { -1 };
            let symbol = leg["symbol"].as_str().unwrap();
            *self.held.entry(symbol.to_owned()).or_default() += quantity;
            let option = leg["instrument-type"] == "Equity Option";
            let (each, fee) =
                if option { (100, Decimal::new(114, 2)) } else { (1, Decimal::new(8, 4)) };
            let price = number(&fills.last().unwrap()["fill-price"]);
            self.cash -=
                Decimal::from(quantity * each) * price + fee * Decimal::from(quantity.abs());
        }
    }
}

fn signed(position: &Value) -> i64 {
    let quantity: i64 = number(&position["quantity"]).try_into().unwrap();
    match position["quantity-direction"].as_str().unwrap() {
        "Long" => quantity,
        "Short" => -quantity,
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn notifications_and_rest_agree_on_orders_positions_and_balances_at_every_moment(
        seed in any::<u64>(),
    ) {
        let config = AccountsConfig {
            seed,
            orders_per_minute: 240.0,
            heartbeat_timeout: Duration::MAX,
            ..AccountsConfig::default()
        };
        let mut world = World::new(config);
        let mut books = Bookkeeper::of(&mut world);
        let id = world.connect();
        for _ in 0..30 {
            world.run(Duration::from_secs(2));
            for frame in world.heard(id) {
                books.take(&frame);
            }
            let balances = world.get("/accounts/SIM00001/balances/USD");
            prop_assert_eq!(number(&balances["cash-balance"]), books.cash);
            let positions = world.get("/accounts/SIM00001/positions?include-marks=true");
            let mut worth = books.cash;
            let mut held = HashMap::new();
            for position in positions["items"].as_array().unwrap() {
                let quantity = signed(position);
                let each = number(&position["multiplier"]) * number(&position["mark-price"]);
                worth += Decimal::from(quantity) * each;
                held.insert(position["symbol"].as_str().unwrap().to_owned(), quantity);
            }
            prop_assert_eq!(number(&balances["net-liquidating-value"]), worth);
            books.held.retain(|_, quantity| *quantity != 0);
            prop_assert_eq!(&held, &books.held);
        }
        for status in ["Routed", "Live", "Filled", "Cancelled"] {
            prop_assert!(books.statuses.contains_key(status), "{:?}", books.statuses);
        }
        prop_assert!(books.partial > 0);
        prop_assert!(books.held.keys().any(|symbol| symbol.len() == 21), "no option");
    }
}

/// What a client hears of nearly a minute.
fn a_minute(seed: u64) -> Vec<Value> {
    let mut world =
        World::new(AccountsConfig { seed, orders_per_minute: 60.0, ..AccountsConfig::default() });
    let id = world.connect();
    world.run(Duration::from_secs(50));
    world.heard(id)
}

#[test]
fn the_same_seed_says_the_same() {
    let frames = a_minute(7);
    assert!(frames.len() > 100);
    assert_eq!(a_minute(7), frames);
    assert_ne!(a_minute(8), frames);
    let sequences: Vec<_> = frames.iter().map(|frame| frame["ws-sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..=frames.len() as u64).map(Some).collect::<Vec<_>>());
}

#[test]
fn an_order_of_the_caller_waits_for_its_price_and_is_filled_there() {
    let config = AccountsConfig {
        orders_per_minute: 0.0,
        opening_orders: 0,
        heartbeat_timeout: Duration::MAX,
        ..AccountsConfig::default()
    };
    let mut world = World::new(config);
    let id = world.connect();
    let place = |world: &mut World, symbol: &str, quantity, limit: Option<i64>| {
        let now = world.now;
        world.accounts.place(now, NUMBER, symbol, quantity, limit.map(Decimal::from))
    };
    let market = place(&mut world, "AAPL", -3, None).unwrap();
    let low = place(&mut world, "AAPL", 1, Some(1)).unwrap();
    world.run(Duration::from_secs(10));
    let heard = world.heard(id);
    let last = |order: u64| {
        let of = heard.iter().rev().find(|frame| frame["data"]["id"] == order);
        of.map(|frame| frame["data"].clone()).unwrap()
    };
    assert_eq!(last(market)["status"], "Filled");
    assert_eq!(last(market)["legs"][0]["action"], "Sell to Open");
    assert_eq!(last(low)["status"], "Live");
    assert_eq!(last(low)["price"], "1.0");
    let positions = world.get("/accounts/SIM00001/positions");
    assert_eq!(positions["items"][0]["quantity-direction"], "Short");
    assert_eq!(world.get("/accounts/SIM00001/orders/live")["items"].as_array().unwrap().len(), 2);
    assert_eq!(world.get(&format!("/accounts/SIM00001/orders/{low}"))["status"], "Live");
    for (account, symbol, quantity, limit, text) in [
        ("X", "AAPL", 1, None, "the exchange has no account X"),
        (NUMBER, "SPX", 1, None, "SPX is an index and cannot be traded; trade its options"),
        (
            NUMBER,
            "aapl",
            1,
            None,
            "\"aapl\" is no stock and no OCC or streamer symbol of an option",
        ),
        (
            NUMBER,
            "AAPL",
            0,
            None,
            "a quantity is a whole number from 1 to 1000000, negative for a sale; not 0",
        ),
        (NUMBER, "AAPL", 1, Some(Decimal::ZERO), "a price must be above 0, not 0"),
    ] {
        let refused = world.accounts.place(world.now, account, symbol, quantity, limit);
        assert_eq!(refused.unwrap_err().to_string(), text);
    }
}
