//! The sweep: on DynamoDB Local against a bare loop of the same requests, and with a stub against the most that its
//! latency allows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arcadia_domain::Timestamp;
use arcadia_functions::billing::sweep::{CONCURRENCY, sweep};
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, PutRequest, ReturnValuesOnConditionCheckFailure, TransactWriteItem, WriteRequest,
};
use chrono::Months;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use crate::place::{Item, Place, SetClock, query};
use crate::report::{Finding, Goal, Section};
use crate::stats::{Ratios, cpu_time};
use crate::stub::{Settings, Stub};
use crate::{Failure, runtime};

/// When the deployments are created; they are due at the beginning of each month.
const BEGINNING: &str = "2027-01-15T10:00:00Z";
/// The number of due deployments on DynamoDB Local in a round.
const DUE: usize = 256;
/// The number of due deployments at the stub in a round.
const DUE_AT_STUB: usize = 20_000;
/// The latency of the stub.
const LATENCY: Duration = Duration::from_millis(5);
/// Longer than any sweep.
const LIMIT: Duration = Duration::from_secs(3_600);
/// The number of items of one BatchWriteItem.
const BATCH: usize = 25;

/// Deployments that are due each month, and the stored items of one of them.
pub struct Tenancy {
    /// Their place.
    pub place: Place,
    /// The clock of that place.
    pub clock: Arc<SetClock>,
    /// Their ids.
    pub ids: Vec<String>,
}

/// The writes of a step, taken from one by the product.
struct Written {
    /// Present records by sort key: they are read, and written unchanged but for the version.
    present: Vec<String>,
    /// New records of history.
    new: Vec<Item>,
}

/// Measures the section.
pub fn measure(rounds: usize) -> Result<Section, Failure> {
    let real = runtime().build()?;
    let mut findings = vec![real.block_on(against_bare_loop(rounds))?];
    let tenancy = real.block_on(Tenancy::new(1))?;
    findings.push(real.block_on(against_latency(&tenancy, rounds))?);
    let stub = real.block_on(tenancy.settings(DUE_AT_STUB, tenancy.place.app.store.due_shards()))?;
    findings.push(runtime().start_paused(true).build()?.block_on(in_virtual_time(stub))?);
    Ok(Section { name: "sweeps", findings, tables: Vec::new() })
}

async fn against_bare_loop(rounds: usize) -> Result<Finding, Failure> {
    let tenancy = Tenancy::new(DUE).await?;
    let copy = Place::new("bare").await?;
    copy_table(&tenancy.place, &copy).await?;
    let before = tenancy.sample().await?;
    tenancy.sweep_next_month().await?;
    let written = Written::between(&before, &tenancy.sample().await?);
    // Each of them once before the first round.
    bare_loop(&copy, &tenancy.ids, &written, 0).await?;
    let mut ratios = Ratios::default();
    let mut detail = String::new();
    for round in 1..=rounds {
        let (swept, looped) = if round % 2 == 0 {
            let swept = tenancy.sweep_next_month().await?;
            (swept, bare_loop(&copy, &tenancy.ids, &written, round).await?)
        } else {
            let looped = bare_loop(&copy, &tenancy.ids, &written, round).await?;
            (tenancy.sweep_next_month().await?, looped)
        };
        ratios.push(looped, swept);
        let a_second = |time: Duration| DUE as f64 / time.as_secs_f64();
        detail = format!("{:.0} / {:.0} a second, in the last round", a_second(swept), a_second(looped));
    }
    let what = "steps a second of a sweep / of a bare loop of the same requests, 32 at a time";
    Ok(Finding::ratio(what, Goal::AtLeast(0.9), &ratios, detail))
}

async fn against_latency(tenancy: &Tenancy, rounds: usize) -> Result<Finding, Failure> {
    let mut ratios = Ratios::default();
    let mut detail = String::new();
    for _ in 0..rounds {
        let (stub, swept, cpu) = tenancy.sweep_stub(DUE_AT_STUB, LATENCY).await?;
        let done = stub.done();
        let requests = a_second(done.steps, swept);
        ratios.push_ratio(requests / possible());
        let each = cpu / u32::try_from(done.requests)?;
        detail =
            format!("{requests:.0} / {:.0}; an answer took {:.2?}, a request {each:.0?} CPU", possible(), done.latency);
    }
    Ok(Finding::ratio("requests a second of a sweep / (32 / 5 ms)", Goal::AtLeast(0.9), &ratios, detail))
}

/// The same without the time of computing.
async fn in_virtual_time((settings, now): (Settings, Timestamp)) -> Result<Finding, Failure> {
    let stub = Stub::new(&Settings { latency: [LATENCY; 2], ..settings })?;
    let place = Place::on(stub.client(), "stub", Arc::new(SetClock::new(now)));
    let started = tokio::time::Instant::now();
    sweep(&place.app, started + LIMIT).await?;
    let requests = a_second(stub.done().steps, started.elapsed());
    let detail = format!("{requests:.0} / {:.0}", possible());
    Ok(Finding::once("the same in virtual time", Goal::AtLeast(0.9), requests / possible(), "", detail))
}

/// The requests a second that latency allows.
fn possible() -> f64 {
    CONCURRENCY as f64 / LATENCY.as_secs_f64()
}

/// The requests a second of `steps`: each step waits for two answers.
fn a_second(steps: usize, time: Duration) -> f64 {
    2.0 * steps as f64 / time.as_secs_f64()
}

impl Tenancy {
    /// Creates `count` deployments, each with a free subscription and an add-on: nothing is owed, so that each month is
    /// one renewal.
    pub async fn new(count: usize) -> Result<Self, Failure> {
        let clock = Arc::new(SetClock::new(BEGINNING.parse()?));
        let place = Place::new_at("sweep", Arc::<SetClock>::clone(&clock)).await?;
        place.open_shop(0).await?;
        let mut ids = Vec::with_capacity(count);
        for number in 0..count {
            ids.push(place.create_subscribed(&format!("shop-{number}")).await?);
        }
        Ok(Self { place, clock, ids })
    }

    /// Begins a month and sweeps. Returns how long that took.
    async fn sweep_next_month(&self) -> Result<Duration, Failure> {
        self.clock.set(first_of_next_month(self.clock.get()));
        let started = Instant::now();
        let report = sweep(&self.place.app, tokio::time::Instant::now() + LIMIT).await?;
        let took = started.elapsed();
        if report.steps == self.ids.len() { Ok(took) } else { Err(format!("{report:?}").into()) }
    }

    /// A stub with `due` copies of the first deployment, and their due time.
    pub async fn settings(&self, due: usize, shards: u8) -> Result<(Settings, Timestamp), Failure> {
        let settings = Settings {
            deployment: query(&self.place, &format!("DEPLOYMENT#{}", self.ids[0]), "#").await?,
            id: self.ids[0].clone(),
            due,
            shards: usize::from(shards),
            latency: [Duration::ZERO; 2],
            capacity: None,
        };
        Ok((settings, first_of_next_month(self.clock.get())))
    }

    /// Sweeps a stub with `due` copies of the first deployment. Returns its wall and CPU time.
    pub async fn sweep_stub(&self, due: usize, latency: Duration) -> Result<(Stub, Duration, Duration), Failure> {
        let (settings, now) = self.settings(due, self.place.app.store.due_shards()).await?;
        let stub = Stub::new(&Settings { latency: [latency; 2], ..settings })?;
        let place = Place::at(&stub.listen()?, "stub", Arc::new(SetClock::new(now)));
        let (started, cpu) = (Instant::now(), cpu_time()?);
        let report = sweep(&place.app, tokio::time::Instant::now() + LIMIT).await?;
        let (took, cpu) = (started.elapsed(), cpu_time()? - cpu);
        let all = (report.due, report.steps, stub.done().steps) == (due, due, due);
        if all { Ok((stub, took, cpu)) } else { Err(format!("{report:?}, {:?}", stub.done()).into()) }
    }

    /// The stored items of the first deployment, by sort key.
    async fn sample(&self) -> Result<HashMap<String, Item>, Failure> {
        let mut items = HashMap::new();
        for prefix in ["#", "EVENT#", "INVOICE#"] {
            for item in query(&self.place, &format!("DEPLOYMENT#{}", self.ids[0]), prefix).await? {
                items.insert(text(&item, "SK"), item);
            }
        }
        Ok(items)
    }
}

impl Written {
    fn between(before: &HashMap<String, Item>, after: &HashMap<String, Item>) -> Self {
        let changed = after.iter().filter(|(key, item)| before.get(*key) != Some(*item));
        let (present, new): (Vec<_>, Vec<_>) = changed.partition(|(key, _)| key.starts_with('#'));
        let present = present.into_iter().map(|(key, _)| key.clone()).collect();
        Self { present, new: new.into_iter().map(|(_, item)| item.clone()).collect() }
    }
}

/// Reads and writes each deployment as a step does. Returns the time of all of them.
async fn bare_loop(place: &Place, ids: &[String], written: &Written, round: usize) -> Result<Duration, Failure> {
    let started = Instant::now();
    let steps = stream::iter(ids).map(|id| bare_step(place, id, written, round)).buffer_unordered(CONCURRENCY);
    steps.try_collect::<()>().await?;
    Ok(started.elapsed())
}

async fn bare_step(place: &Place, id: &str, written: &Written, round: usize) -> Result<(), Failure> {
    let store = &place.app.store;
    let partition = format!("DEPLOYMENT#{id}");
    let string = |text: String| AttributeValue::S(text);
    let put = |item: Item| {
        let put = Put::builder().table_name(store.table()).set_item(Some(item));
        put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    };
    let mut puts = Vec::new();
    for mut item in query(place, &partition, "#").await? {
        let key = text(&item, "SK");
        if key == "#DEPLOYMENT" {
            let (version, state) = (item["version"].clone(), item["state"].clone());
            let next = version.as_n().map_err(|_| "a version is a number")?.parse::<u64>()? + 1;
            item.insert("version".to_owned(), AttributeValue::N(next.to_string()));
            item.insert("GSI3SK".to_owned(), string(format!("2030-01-01T00:00:00.{round:03}Z#{id}")));
            let put = put(item)
                .condition_expression("version = :version AND #state = :state")
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":version", version)
                .expression_attribute_values(":state", state);
            puts.push(put.build()?);
        } else if written.present.contains(&key) {
            puts.push(put(item).build()?);
        }
    }
    for item in &written.new {
        let mut item = item.clone();
        item.insert("PK".to_owned(), string(partition.clone()));
        item.insert("SK".to_owned(), string(format!("{}-{round}", text(&item, "SK"))));
        puts.push(put(item).condition_expression("attribute_not_exists(PK)").build()?);
    }
    let writes = puts.into_iter().map(|put| TransactWriteItem::builder().put(put).build()).collect();
    let request = store.client().transact_write_items().client_request_token(Uuid::new_v4().to_string());
    request.set_transact_items(Some(writes)).send().await?;
    Ok(())
}

/// Copies a whole table. Only a benchmark may Scan.
pub async fn copy_table(from: &Place, to: &Place) -> Result<(), Failure> {
    let pages = from.app.store.client().scan().table_name(from.app.store.table()).into_paginator().items().send();
    let items: Vec<Item> = pages.collect::<Result<_, _>>().await?;
    for batch in items.chunks(BATCH) {
        put_batch(to, batch.to_vec()).await?;
    }
    Ok(())
}

/// Writes at most 25 items.
async fn put_batch(place: &Place, items: Vec<Item>) -> Result<(), Failure> {
    let mut writes = Vec::with_capacity(items.len());
    for item in items {
        let put = PutRequest::builder().set_item(Some(item)).build()?;
        writes.push(WriteRequest::builder().put_request(put).build());
    }
    let request = place.app.store.client().batch_write_item().request_items(place.app.store.table(), writes);
    let left = request.send().await?.unprocessed_items.unwrap_or_default();
    if left.is_empty() { Ok(()) } else { Err("DynamoDB Local left items of a batch".into()) }
}

fn text(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

/// The first moment of the month after `at`'s.
pub fn first_of_next_month(at: Timestamp) -> Timestamp {
    let next = at.date_naive() + Months::new(1);
    let first = chrono::Datelike::with_day(&next, 1).expect("every month has a first");
    first.and_time(chrono::NaiveTime::MIN).and_utc()
}
