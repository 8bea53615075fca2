//! The cost of scheduled steps, by a sweep and before a command, and of a look at everything while nothing is due.

use std::time::Duration;

use arcadia_functions::billing::{dispatch, sweep};
use arcadia_functions::runtime::{App, Clock as _};
use arcadia_store::schema::DUE_INDEX;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use tokio::time::Instant;

use super::{Measured, TENANT, measure};
use crate::harness::billing::Billing;
use crate::harness::capacity::{Index, Items};
use crate::harness::client::send;
use crate::harness::exchange::Exchange;
use crate::harness::floor::{DUE_ELSEWHERE, EVENT, Floor, IN_ANOTHER_STATE, INVOICE, Read, SUBSCRIPTION, Write};
use crate::harness::routes::{Ready, Target, find_row, present, stock};
use crate::harness::table;

const BEGINNING: &str = "2027-01-01T00:00:00Z";
/// As long as Lambda lets a function run.
const LONG: Duration = Duration::from_secs(900);

/// A scheduled step.
struct Step {
    name: &'static str,
    at: &'static str,
    /// Whether it reads the tenant's policy.
    reads_policy: bool,
    writes: &'static [Write],
}

/// Of a paid deployment. The amount and the due date of the new period follow from the present policy.
const PAID: &[Step] = &[Step {
    name: "renew",
    at: "2027-02-01T00:00:00Z",
    reads_policy: true,
    writes: &[DUE_ELSEWHERE, SUBSCRIPTION, INVOICE, EVENT, EVENT],
}];

/// Of a deployment with an open invoice. A suspended deployment is not billed.
const UNPAID: &[Step] = &[
    Step { name: "mark past due", at: "2027-01-09T00:00:00Z", reads_policy: false, writes: &[IN_ANOTHER_STATE, EVENT] },
    Step {
        name: "suspend",
        at: "2027-01-23T00:00:00Z",
        reads_policy: false,
        writes: &[IN_ANOTHER_STATE, SUBSCRIPTION, EVENT],
    },
];

impl Step {
    /// Without the reads by which it is found: before a command, which reads the deployment anyway, there are none.
    fn floor(&self, prefix: &str, target: &Target) -> Floor {
        let policy = || Read::record("the tenant's policy", target.tenant_partition(), "#DUNNING_POLICY");
        let reads = if self.reads_policy { vec![policy()] } else { Vec::new() };
        Floor { name: format!("{prefix}: {}", self.name), reads, writes: self.writes.to_vec() }
    }
}

/// Measures all of it, in the order of the document.
pub async fn measure_all() -> Vec<Measured> {
    let mut measured = Vec::new();
    for (ready, steps) in [(Ready::Paid, PAID), (Ready::Subscribed, UNPAID)] {
        let (billing, target) = begin(ready).await;
        for step in steps {
            measured.push(measure_step(&billing, &target, step).await);
        }
        let (billing, target) = begin(ready).await;
        for (n, step) in steps.iter().enumerate() {
            measured.push(measure_late(&billing, Target { n, ..target.clone() }, step).await);
        }
    }
    for shards in [16, 64] {
        measured.push(measure_idle(shards).await);
    }
    measured
}

/// A world with one deployment.
async fn begin(ready: Ready) -> (Billing, Target) {
    let billing = Billing::at(BEGINNING).await;
    stock(&billing).await;
    let target = ready.make(&billing, TENANT, 0).await;
    (billing, target)
}

/// Measures a step that a sweep takes.
async fn measure_step(billing: &Billing, target: &Target, step: &Step) -> Measured {
    billing.set_time(step.at);
    let indexes = Index::all(&billing.describe_table().await);
    let items = table::typed_items(billing.app.store.table()).await;
    let deployment = &items[&(target.partition(), "#DEPLOYMENT".to_owned())];
    let partition = deployment["GSI3PK"]["S"].as_str().expect("the deployment has a next action");
    let shard = partition.trim_start_matches("DUE#").parse().expect("a shard");
    let mut floor = step.floor("sweep", target);
    let due = Read::entries_until("what is due in the shard", DUE_INDEX, [partition], &until(billing));
    floor.reads.splice(0..0, [due, present(target)]);
    let sweep = measure(billing, &indexes, &floor, async || {
        let report = sweep::sweep_shards(&billing.app, &[shard], Instant::now() + LONG).await.expect("a sweep");
        assert_eq!((report.due, report.steps), (1, 1), "{}", step.name);
    });
    sweep.await
}

/// Measures the part that a due step adds to a command. The command itself costs what it does when nothing is due.
async fn measure_late(billing: &Billing, target: Target, step: &Step) -> Measured {
    billing.set_time(step.at);
    let indexes = Index::all(&billing.describe_table().await);
    let command = find_row("create_resource");
    let before = table::typed_items(billing.app.store.table()).await;
    billing.dynamodb.record();
    let reply = send(command.request(billing, &target).bearer_auth(&billing.admin)).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let mut exchanges = billing.dynamodb.recorded();
    let after = table::typed_items(billing.app.store.table()).await;
    // The deployment is read, the step is taken, and then the command is executed.
    let first = exchanges.iter().position(|exchange| exchange.operation == "TransactWriteItems").expect("a step");
    let mut of_command = exchanges.split_off(first + 1);
    let of_step = exchanges.split_off(1);
    of_command.splice(0..0, exchanges);
    let between = applied(&before, of_step.last().expect("a transaction"));
    let of_command = Measured::of(&command.floor(&target), &of_command, (&between, &after), &indexes);
    let mut measured = Measured::of(&step.floor("before a command", &target), &of_step, (&before, &between), &indexes);
    measured.complaints.extend(of_command.complaints);
    measured
}

/// The items of a table after a transaction that only puts.
fn applied(items: &Items, transaction: &Exchange) -> Items {
    let mut items = items.clone();
    for write in transaction.request["TransactItems"].as_array().expect("writes") {
        let item = write["Put"]["Item"].clone();
        let key = ["PK", "SK"].map(|name| item[name]["S"].as_str().expect("a put of an item").to_owned());
        items.insert(key.into(), item);
    }
    items
}

/// Measures a tick and a sweep of every shard while nothing is due.
async fn measure_idle(shards: u8) -> Measured {
    let billing = Billing::at(BEGINNING).await;
    let app = App { store: billing.app.store.clone().with_due_shards(shards), ..billing.app.clone() };
    let partitions = (0..shards).map(|shard| format!("DUE#{shard:03}"));
    let due = Read::entries_until("what is due in each shard", DUE_INDEX, partitions, &until(&billing));
    let name = format!("tick: nothing due, {shards} shards");
    let floor = Floor { name, reads: vec![due], writes: Vec::new() };
    let indexes = Index::all(&billing.describe_table().await);
    let tick = measure(&billing, &indexes, &floor, async || {
        _ = dispatch::dispatch(&app, &nowhere(), "http://localhost/queue").await.expect("a tick that sends nothing");
    });
    let mut tick = tick.await;
    let sweep = measure(&billing, &indexes, &floor, async || {
        _ = sweep::sweep(&app, Instant::now() + LONG).await.expect("a sweep");
    });
    tick.complaints.extend(sweep.await.complaints);
    tick
}

/// The last sort key of the entries that are due by now.
fn until(billing: &Billing) -> String {
    format!("{}~", billing.clock.now().format("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

/// A queue that cannot be reached.
fn nowhere() -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(HttpClientBuilder::new().build_http())
        .endpoint_url("http://127.0.0.1:1")
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"));
    aws_sdk_sqs::Client::from_conf(config.build())
}
