//! A world in which time bills: sweeps, invoices, payments, and the books, kept a second time from the events.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use arcadia_domain::{
    Actor, Aggregate, AnchorMode, Authority, CatalogStatus, Change, Command, CreateDeployment, Created, DeploymentId,
    DunningPolicy, Event, Interval, Invoice, Plan, Scope, Subscribe, SubscriptionId, Timestamp, audit, create, decide,
    replay,
};
use arcadia_functions::auth::ClaimNames;
use arcadia_functions::billing::sweep::{self, Report};
use arcadia_functions::runtime::{App, Clock as _, Settings};
use arcadia_store::item::{Item, string};
use arcadia_store::{Store, StoreError, items, keys};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::world::{ACME, DEFAULT_REGION, token};
use super::{Reply, World, dynamodb, table};

/// Longer than any sweep of a test takes.
const SWEEP_LIMIT: Duration = Duration::from_secs(300);
/// More than are ever due in a shard.
const MAX_DUE: usize = 2_000;
/// How often one of many deployments is sent.
const FILL_ATTEMPTS: usize = 10;
/// How many deployments are made at a time.
const FILL_CONCURRENCY: usize = 16;

/// A world with a shop, and the scheduled functions on its table.
#[derive(Debug)]
pub struct Billing {
    world: World,
    /// What the scheduled functions run on; their requests go by the world's proxy.
    pub app: App,
    /// A client past the product and the proxy.
    pub direct: Client,
    /// A token of a payment provider.
    pub provider: String,
}

/// A deployment as the table has it, with its history.
#[derive(Debug, Clone, PartialEq)]
pub struct Books {
    /// Its present state.
    pub aggregate: Aggregate,
    /// What happened, oldest first.
    pub events: Vec<Event>,
    /// Its invoices by number.
    pub invoices: BTreeMap<String, Invoice>,
}

impl Billing {
    /// A world at `at` whose shop is open.
    pub async fn at(at: &str) -> Self {
        Self::start(dynamodb::endpoint(), at, table::PATIENCE).await
    }

    /// The same with functions that wait `patience` for each answer of DynamoDB.
    pub async fn at_with(at: &str, patience: Duration) -> Self {
        Self::start(dynamodb::endpoint(), at, patience).await
    }

    /// The same on another engine than DynamoDB Local.
    pub async fn on(endpoint: &'static str, at: &str) -> Self {
        Self::start(endpoint, at, table::PATIENCE).await
    }

    async fn start(endpoint: &'static str, at: &str, patience: Duration) -> Self {
        let world = World::start_with(endpoint, patience).await;
        world.set_time(at);
        world.open_shop().await;
        let name = world.describe_table().await.table_name.expect("a name");
        let app = App {
            store: Store::new(table::client_with(&world.dynamodb.endpoint, patience), name),
            clock: Arc::<super::world::TestClock>::clone(&world.clock),
            settings: Settings {
                default_region: DEFAULT_REGION.parse().expect("a region"),
                claims: ClaimNames { tenant: "tenant_id".to_owned(), role: "role".to_owned() },
            },
        };
        let direct = table::client(endpoint);
        Self { world, app, direct, provider: token("till", "payment_provider", None) }
    }

    /// Sweeps every shard once; nothing may be left unanswered or postponed.
    pub async fn sweep(&self) -> Report {
        let report = self.sweep_anyhow().await;
        assert_eq!((report.postponed, report.unanswered, report.unfinished), (0, 0, false), "{report:?}");
        report
    }

    /// Sweeps every shard once.
    pub async fn sweep_anyhow(&self) -> Report {
        sweep::sweep(&self.app, Instant::now() + SWEEP_LIMIT).await.expect("a sweep")
    }

    /// Sets the time and sweeps; how many steps were taken.
    pub async fn sweep_at(&self, at: &str) -> usize {
        self.set_time(at);
        self.sweep().await.steps
    }

    /// Insists that nothing is due a millisecond before `at`, and that one step is at `at`; it is taken.
    pub async fn step_at(&self, at: &str) {
        self.steps_at(at, 1).await;
    }

    /// The same with several steps of one deployment that are due at `at`.
    pub async fn steps_at(&self, at: &str, steps: usize) {
        let at: Timestamp = at.parse().expect("a time");
        self.clock.shift(at - chrono::TimeDelta::milliseconds(1) - self.clock.now());
        assert_eq!(self.sweep().await, Report::default(), "nothing is due before {at}");
        self.clock.shift(chrono::TimeDelta::milliseconds(1));
        let report = self.sweep().await;
        assert_eq!(report, Report { due: 1, steps, ..Report::default() }, "{steps} of one are due at {at}");
    }

    /// Has many deployments created and subscribed to a version of `plan_code` for 29.00 USD a month, or for nothing if
    /// that is `free`, as the functions would: by the store alone, many at a time. Their ids.
    pub async fn fill(&self, count: usize, plan_code: &str) -> Vec<String> {
        let now = self.clock.now();
        let filled = stream::iter(0..count).map(|n| async move {
            let created = create(new_deployment(self.app.new_id(now), n), &admin(), now).expect("a creation");
            self.commit(&created).await;
            let command = Command::Subscribe(new_subscription(self.app.new_id(now), plan_code, now));
            let subscribed =
                decide(&created.after, command, &admin(), Some(DunningPolicy::default()), now).expect("a subscription");
            self.commit(&subscribed.expect("a change")).await;
            created.after.deployment.id.to_string()
        });
        filled.buffer_unordered(FILL_CONCURRENCY).collect().await
    }

    /// Creates deployments without a subscription; nothing is due for them.
    pub async fn fill_unsubscribed(&self, count: usize) -> Vec<String> {
        let now = self.clock.now();
        let filled = stream::iter(0..count).map(|n| async move {
            let created = create(new_deployment(self.app.new_id(now), n), &admin(), now).expect("a creation");
            self.commit(&created).await;
            created.after.deployment.id.to_string()
        });
        filled.buffer_unordered(FILL_CONCURRENCY).collect().await
    }

    /// How many deployments are due.
    pub async fn due(&self) -> usize {
        let store =
            Store::new(self.direct.clone(), self.app.store.table()).with_due_shards(self.app.store.due_shards());
        let now = self.clock.now();
        let shards = (0..store.due_shards()).map(|shard| store.due(shard, now, None, MAX_DUE));
        let pages = try_join_all(shards).await.expect("the due index");
        pages.iter().map(|page| page.rows.len()).sum()
    }

    async fn commit(&self, change: &Change) {
        let id = self.app.new_commit_id();
        let mut attempt = 1;
        // On a busy machine DynamoDB Local can wait too long for its lock. The same commit can be sent again.
        while let Err(error) = self.app.store.commit(change, id, None).await {
            assert!(attempt < FILL_ATTEMPTS && matches!(error, StoreError::Unavailable(_)), "{error:?}");
            attempt += 1;
        }
    }

    /// A deployment's invoices as callers see them, oldest first.
    pub async fn invoices(&self, id: &str) -> Vec<Value> {
        let mut invoices = self.collect(&format!("/deployments/{id}/invoices"), &self.admin, "invoices").await;
        invoices.reverse();
        invoices
    }

    /// The number of a deployment's newest invoice.
    pub async fn newest(&self, id: &str) -> String {
        number_of(self.invoices(id).await.last().expect("an invoice"))
    }

    /// Reports a payment in dollars, as a payment provider does.
    pub async fn pay(&self, id: &str, number: &str, reference: &str, amount_cents: i64) -> Reply {
        let body = json!({"reference": reference, "amount_cents": amount_cents, "currency": "USD"});
        self.post(&format!("/deployments/{id}/invoices/{number}/payments"), &self.provider, body).await
    }

    /// Pays all that is open.
    pub async fn settle(&self, id: &str) {
        for invoice in self.invoices(id).await {
            if invoice["status"] == "open" {
                let number = number_of(&invoice);
                let due_cents = invoice["due_cents"].as_i64().expect("an amount");
                self.pay(id, &number, &format!("settle-{number}"), due_cents).await.expect(200);
            }
        }
    }

    /// Asks for an invoice to be taken back.
    pub async fn void(&self, id: &str, number: &str) -> Reply {
        self.post(&format!("/deployments/{id}/invoices/{number}/void"), &self.admin, json!({})).await
    }

    /// A deployment's state.
    pub async fn state(&self, id: &str) -> String {
        self.show(id).await["deployment"]["state"].as_str().expect("a state").to_owned()
    }

    /// The type of every event, oldest first; of a change of state, the new state and the reason.
    pub async fn kinds(&self, id: &str) -> Vec<String> {
        let event = |event: &Event| {
            let kind = json!(event)["type"].as_str().expect("a type").to_owned();
            match (&event.from_state, &event.to_state, &event.reason) {
                (Some(_), Some(to), reason) => {
                    let reason = reason.as_ref().map_or("", |reason| reason.as_str());
                    format!("{to} by {} as {reason}", event.actor)
                }
                _ => kind,
            }
        };
        self.books(id).await.events.iter().map(event).collect()
    }

    /// What is next for a deployment, and when, as callers see it.
    pub async fn next(&self, id: &str) -> (String, String) {
        let deployment = self.show(id).await["deployment"].take();
        let text = |name: &str| deployment[name].as_str().unwrap_or("none").to_owned();
        (text("next_action"), text("next_action_at"))
    }

    /// Every item of a deployment's partition, by sort key: one Query past the product, or a few.
    pub async fn partition(&self, id: &str) -> BTreeMap<String, Item> {
        let pk = keys::partition(id.parse().expect("an id"));
        let query = self.direct.query().table_name(self.app.store.table()).consistent_read(true);
        let query = query.key_condition_expression("PK = :pk").expression_attribute_values(":pk", string(pk));
        let items: Vec<Item> =
            query.into_paginator().items().send().collect::<Result<_, _>>().await.expect("a Query by the test");
        items.into_iter().map(|item| (text(&item, "SK").expect("a sort key"), item)).collect()
    }

    /// Reads a deployment with its history, and insists that they agree: its events are numbered 1..n and fold into
    /// what is stored; its invoices are those that its events opened, paid and closed, each once; its payments are marked
    /// each once; and the due index has what is next.
    pub async fn books(&self, id: &str) -> Books {
        let partition = self.partition(id).await;
        let of = |prefix: &'static str| partition.range(prefix.to_owned()..format!("{prefix}~")).map(|(_, item)| item);
        let events: Vec<Event> = of("EVENT#").map(|item| items::to_event(item.clone()).expect("an event")).collect();
        let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, (1..=events.len() as u64).collect::<Vec<_>>(), "{id}");
        let invoices: BTreeMap<String, Invoice> = of("INVOICE#")
            .map(|item| items::to_invoice(item.clone()).expect("an invoice").invoice)
            .map(|invoice| (invoice.number.to_string(), invoice))
            .collect();
        assert_eq!(
            invoices,
            account(id.parse().expect("an id"), &events),
            "{id}: the invoices are not what its events tell"
        );
        let payments: usize = invoices.values().map(|invoice| invoice.payments.len()).sum();
        assert_eq!(of("PAYMENT#").count(), payments, "{id}: payments are not marked each once");
        let item = &partition["#DEPLOYMENT"];
        let aggregate = replay(id.parse().expect("an id"), &events).expect("a history");
        let store = Store::new(self.direct.clone(), self.app.store.table());
        let stored = store.load(&Scope::All, aggregate.deployment.id).await.expect("a deployment");
        assert_eq!(stored.as_ref(), Some(&aggregate), "{id}: its events do not fold into what is stored");
        let mut kept = aggregate.deployment.open_invoices.clone();
        kept.sort_by_key(|open| open.number.to_string());
        let open: Vec<_> = invoices.values().filter_map(Invoice::as_open).collect();
        assert_eq!(kept, open, "{id}: the open invoices are not those that the deployment keeps");
        let next = aggregate.next_action();
        let due = next.map(|next| keys::due_index(next, aggregate.deployment.id, self.app.store.due_shards()));
        assert_eq!(text(item, "GSI3PK"), due.as_ref().map(|key| key.pk.clone()), "{id}: {next:?}");
        assert_eq!(text(item, "GSI3SK"), due.map(|key| key.sk), "{id}: {next:?}");
        Books { aggregate, events, invoices }
    }
}

impl Deref for Billing {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Books {
    /// How many events there are of a type.
    pub fn count(&self, kind: &str) -> usize {
        self.events.iter().filter(|event| json!(event)["type"] == kind).count()
    }
}

/// A user of `platform_admin`.
pub fn admin() -> Actor {
    Actor { id: "ada".to_owned(), authority: Authority::PlatformAdmin }
}

/// The creation of the `n`th deployment that [`Billing::fill`] makes.
pub fn new_deployment(id: Uuid, n: usize) -> CreateDeployment {
    CreateDeployment {
        id: DeploymentId::new(id),
        state: None,
        created: Created::new(
            ACME.parse().expect("a tenant"),
            format!("filled-{n}").parse().expect("a slug"),
            DEFAULT_REGION.parse().expect("a region"),
        ),
    }
}

/// Its subscription.
pub fn new_subscription(id: Uuid, plan_code: &str, now: Timestamp) -> Subscribe {
    let bare = Plan {
        code: plan_code.parse().expect("a code"),
        name: plan_code.parse().expect("a name"),
        status: CatalogStatus::Active,
        newest_version: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    let price_cents = if plan_code == "free" { 0 } else { 2_900 };
    let (plan, version) = bare.publish(price_cents, "USD".parse().expect("a currency"), Interval::Month, 0, now);
    Subscribe {
        id: SubscriptionId::new(id),
        plan,
        version,
        addons: Vec::new(),
        anchor_mode: AnchorMode::Calendar,
        trial_ends_at: None,
        trial_claimed_by: None,
    }
}

/// The number of an invoice.
pub fn number_of(invoice: &Value) -> String {
    invoice["number"].as_str().expect("an invoice has a number").to_owned()
}

/// A text of an item.
pub fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name).and_then(|value| AttributeValue::as_s(value).ok()).cloned()
}

/// The invoices that events tell of, once the whole history has been audited.
pub fn account(id: DeploymentId, events: &[Event]) -> BTreeMap<String, Invoice> {
    let audited = audit(id, events).unwrap_or_else(|violation| panic!("{violation}"));
    audited.invoices.into_iter().map(|(number, invoice)| (number.to_string(), invoice)).collect()
}

/// Writes an attribute of an item past the product.
pub async fn overwrite(billing: &Billing, id: &str, sort_key: &str, name: &str, value: Option<&str>) {
    let pk = keys::partition(id.parse().expect("an id"));
    let update = billing.direct.update_item().table_name(billing.app.store.table());
    let update = update.key("PK", string(pk)).key("SK", string(sort_key)).expression_attribute_names("#name", name);
    let update = match value {
        Some(value) => {
            update.update_expression("SET #name = :value").expression_attribute_values(":value", string(value))
        }
        None => update.update_expression("REMOVE #name"),
    };
    update.send().await.expect("an update by the test");
}
