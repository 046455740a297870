//! An account stream of the core, connected to the accounts of an exchange.

use std::time::Duration;

use dxstream::account::{AccountLinkSettings, AccountSessionSettings};
use dxstream::connection::{
    AccountClient, AccountSettings, Api, ApiSettings, Credentials, Limits, State,
};
use dxstream::protocol::ReconnectPolicy;
use dxstream::{Error, Secret};
use dxstream_exchange::account::fault::{AccountAction, AccountFault};
use dxstream_exchange::account::{AccountsConfig, Decimal};
use dxstream_exchange::config::ExchangeConfig;
use dxstream_exchange::{Exchange, ExchangeError};

use crate::client::{DEADLINE, until};

const ACCOUNT: &str = "SIM00001";

fn exchange(access_token_lifetime: Duration) -> Exchange {
    let accounts = AccountsConfig {
        access_token_lifetime,
        orders_per_minute: 0.0,
        opening_orders: 0,
        ..AccountsConfig::default()
    };
    let config = ExchangeConfig { accounts: Some(accounts), ..ExchangeConfig::default() };
    Exchange::start(config).unwrap()
}

/// A stream of an exchange's account, which asks REST for nothing but tokens.
fn stream(exchange: &Exchange, heartbeat_interval: Duration) -> AccountClient {
    let api = Api::new(ApiSettings {
        base_url: exchange.api_url().unwrap(),
        account_url: exchange.account_url().unwrap(),
        credentials: Some(Credentials {
            provider_secret: Secret::new("secret"),
            refresh_token: Secret::new("refresh"),
        }),
        is_test: false,
        ca_pem: None,
        // A request that is not answered outlives the test.
        timeout: 10 * DEADLINE,
    });
    let link = AccountLinkSettings {
        session: AccountSessionSettings {
            heartbeat_interval,
            silence_timeout: 10 * DEADLINE,
            answer_timeout: DEADLINE,
        },
        policy: ReconnectPolicy::default(),
        heals_first: false,
        hydrates: false,
    };
    let settings = AccountSettings { link, limits: Limits::default() };
    let client = AccountClient::new(api.unwrap(), settings).unwrap();
    client.subscribe_accounts(vec![ACCOUNT.to_owned()]).unwrap();
    client
}

#[tokio::test]
async fn what_is_told_while_a_token_is_slow_to_come_is_heard_at_once() {
    let exchange = exchange(Duration::from_secs(2));
    let client = stream(&exchange, Duration::from_millis(50));
    let queue = client.listen(None, 8);
    until(|| client.state() == State::Connected).await;
    exchange
        .set_account_faults(vec![AccountFault {
            point: "/oauth/token".to_owned(),
            number: 1,
            times: None,
            action: AccountAction::Stall,
        }])
        .unwrap();
    // A heartbeat is due and wants a fresh token, which does not come.
    until(|| exchange.account_stats().faults == [1]).await;
    let told = exchange.notify(ACCOUNT, r#"{"type":"Order","data":{"id":1}}"#);
    assert_eq!(told, 1);
    let mut heard = None;
    until(|| {
        heard = queue.next_message();
        heard.is_some()
    })
    .await;
    assert_eq!(heard.unwrap().notification.data.get(), r#"{"id":1}"#);
    client.close();
    until(|| client.state() == State::Ended(Error::Closed)).await;
}

#[test]
fn an_account_with_more_cash_than_can_be_counted_is_refused() {
    for cash in [Decimal::MAX, Decimal::MIN] {
        let accounts = AccountsConfig { cash, ..AccountsConfig::default() };
        let config = ExchangeConfig { accounts: Some(accounts), ..ExchangeConfig::default() };
        let error = Exchange::start(config).unwrap_err();
        assert!(matches!(error, ExchangeError::Cash(refused) if refused == cash), "{error}");
    }
}
