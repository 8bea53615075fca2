//! What an operation on many deployments costs. Its pages are measured one by one; all between the first and the last of a
//! pass cost the same, so that the cost for ten thousand deployments follows.

use std::iter::repeat_n;

use arcadia_functions::operations::run::{Turned, Worker};
use arcadia_functions::runtime::Clock as _;
use chrono::TimeDelta;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::TENANT;
use crate::harness::billing::Billing;
use crate::harness::capacity::{Cost, Index, cost};
use crate::harness::routes::{Ready, stock};
use crate::harness::table;
use crate::many;

/// How many deployments the published costs are for.
pub const DEPLOYMENTS: usize = 10_000;
/// How many deployments a page has at the usual rate.
const PAGE: usize = 100;
/// How many deployments are made at a time.
const CONCURRENCY: usize = 16;

/// What an operation costs.
pub struct ManyRow {
    /// The type of its command.
    pub command: &'static str,
    /// The handler that gives the same command to one deployment.
    pub single: &'static str,
    /// For [`DEPLOYMENTS`].
    pub cost: Cost,
}

/// Measures operations on two pages of typical deployments.
pub async fn measure() -> Vec<ManyRow> {
    let billing = Billing::at("2027-01-15T10:00:00Z").await;
    stock(&billing).await;
    let world = &billing;
    let made = stream::iter(0..2 * PAGE).map(|n| Ready::Paid.make(world, TENANT, n)).buffer_unordered(CONCURRENCY);
    assert_eq!(made.count().await, 2 * PAGE);
    let credit = json!({"type": "credit", "amount_cents": 500, "currency": "USD"});
    let pause = json!({"type": "transition", "to_state": "paused"});
    let mut rows = Vec::new();
    for (command, single) in [(credit, "grant_credit"), (pause, "transition_deployment")] {
        rows.push(measure_one(&billing, command, single).await);
    }
    rows
}

async fn measure_one(billing: &Billing, command: Value, single: &'static str) -> ManyRow {
    let name = if command["type"] == "credit" { "credit" } else { "transition" };
    billing.clock.shift(TimeDelta::seconds(1));
    let body = json!({"filter": {"tenant_id": TENANT}, "command": command, "reason": "outage"});
    let id = many::start(billing, body).await;
    let indexes = Index::all(&billing.describe_table().await);
    let mut worker = Worker::start(&billing.app, id.parse().expect("an id")).await.expect("it").expect("it runs");
    let mut turns = Vec::new();
    let mut before = table::typed_items(billing.app.store.table()).await;
    loop {
        billing.dynamodb.record();
        let turned = worker.turn().await.expect("a page");
        let exchanges = billing.dynamodb.recorded();
        let after = table::typed_items(billing.app.store.table()).await;
        turns.push(exchanges.iter().map(|exchange| cost(exchange, &before, &after, &indexes)).sum::<Cost>());
        before = after;
        let Turned::NextAt(at) = turned else { break };
        billing.clock.shift((at - billing.clock.now()).max(TimeDelta::zero()));
    }
    let counts = many::show(billing, &id).await["counts"].take();
    assert_eq!(counts, json!({"done": 2 * PAGE, "unchanged": 0, "refused": 0}));
    // Each of two passes reads its first page, works on it and reads the next, and works on its last.
    let [first, middle, last, first_again, middle_again, last_again] = <[Cost; 6]>::try_from(turns).expect("six turns");
    let middles = DEPLOYMENTS / PAGE - 1;
    let passes = [(first, middle, last), (first_again, middle_again, last_again)];
    let all =
        passes.into_iter().flat_map(|(first, middle, last)| [first, last].into_iter().chain(repeat_n(middle, middles)));
    ManyRow { command: name, single, cost: all.sum() }
}
