//! The promise: no operation costs more of DynamoDB than it must. Every call of the table of routes
//! ([`crate::harness::routes`]) is made on a typical deployment. Its requests are billed by AWS's rules
//! ([`crate::harness::capacity`]) and compared with the floor that the call's row declares. The result is published in
//! `docs/costs.md` and, by `docs/costs.json`, in the OpenAPI document.
//!
//! `UPDATE_DOCS=1 cargo test -p arcadia-tests --test it costs` writes both anew; then `docs` the OpenAPI document.

mod clock;
mod document;
mod on_many;
mod walk;

use crate::harness::billing::Billing;
use crate::harness::capacity::{Cost, Index, Items, cost};
use crate::harness::exchange::Exchange;
use crate::harness::floor::Floor;
use crate::harness::table;

pub use walk::walk;

/// The tenant of the typical deployments: its id and their slugs are as long as they typically are.
const TENANT: &str = "0192f0c1-2345-7abc-8def-00000000acme";

/// The measured cost of an operation.
struct Measured {
    name: String,
    cost: Cost,
    /// How much more it costs in write units under an idempotency key.
    keyed: Option<usize>,
    reads: String,
    writes: String,
    /// The differences from the floor.
    complaints: Vec<String>,
}

impl Measured {
    /// Compares requests with the least that does the same.
    fn of(floor: &Floor, exchanges: &[Exchange], (before, after): (&Items, &Items), indexes: &[Index]) -> Self {
        let seen: Cost = exchanges.iter().map(|exchange| cost(exchange, before, after, indexes)).sum();
        let least = floor.cost(before, after, indexes);
        let operations: Vec<&str> = exchanges.iter().map(|exchange| exchange.operation.as_str()).collect();
        let name = floor.name.clone();
        let complaint =
            (seen != least).then(|| format!("{name}: {operations:?} cost {seen:?}, and the least is {least:?}"));
        let (reads, writes) = (floor.describe_reads(), floor.describe_writes());
        Self { name, cost: seen, keyed: None, reads, writes, complaints: complaint.into_iter().collect() }
    }
}

/// Watches an action and compares its requests with a floor.
async fn measure(billing: &Billing, indexes: &[Index], floor: &Floor, action: impl AsyncFnOnce()) -> Measured {
    let before = table::typed_items(billing.app.store.table()).await;
    billing.dynamodb.record();
    action().await;
    let exchanges = billing.dynamodb.recorded();
    let after = table::typed_items(billing.app.store.table()).await;
    Measured::of(floor, &exchanges, (&before, &after), indexes)
}

#[tokio::test]
async fn what_the_docs_say_of_costs_is_seen_and_the_least_possible() {
    let walk = walk().await;
    let steps = clock::measure_all().await;
    let complaints: Vec<&String> = walk.measured.iter().chain(&steps).flat_map(|one| &one.complaints).collect();
    assert!(complaints.is_empty(), "more than must be: {complaints:#?}");
    let on_many = on_many::measure().await;
    document::check(&walk.measured, &steps, &on_many, &walk.sizes);
}
