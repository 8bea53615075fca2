//! How costs grow: the time of a sweep for each deployment, of a page and of a deployment, with a hundred or a thousand
//! times as many other records.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arcadia_functions::runtime::RealClock;
use arcadia_local::engine::{Engine, Purpose, Storage};
use dynoxide::actions::scan::ScanRequest;
use dynoxide::{AttributeValue, Database, ImportOptions, Item};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Failure;
use crate::place::{Place, TENANT, request, route};
use crate::project::temporary;
use crate::report::{Finding, Goal, Section};
use crate::stats::{Ratios, Samples};
use crate::sweeps::Tenancy;

/// The number of due deployments in the two cases.
const DUE: [usize; 2] = [1_000, 100_000];
/// The number of items in the table in the two cases.
const ITEMS: [usize; 2] = [1_000, 1_000_000];
/// The number of items of a new deployment: itself, the claim on its slug, its first event.
const ITEMS_OF_ONE: usize = 3;
/// Calls of each kind in a round.
const CALLS: usize = 300;
/// The number of deployments written at a time.
const DEPLOYMENTS_OF_A_BATCH: usize = 10_000;
/// The name of the table.
const TABLE: &str = "growth";

/// Measures the section.
pub async fn measure(rounds: usize) -> Result<Section, Failure> {
    let mut findings = vec![of_a_sweep(rounds).await?];
    findings.extend(of_a_table(rounds).await?);
    Ok(Section { name: "growth", findings, tables: Vec::new() })
}

async fn of_a_sweep(rounds: usize) -> Result<Finding, Failure> {
    let tenancy = Tenancy::new(1).await?;
    let mut ratios = Ratios::default();
    let mut detail = String::new();
    for _ in 0..rounds.min(3) {
        let [few, many] = DUE;
        let mut each = [Duration::ZERO; 2];
        // The same total work in both cases.
        for _ in 0..many / few / 10 {
            each[0] += tenancy.sweep_stub(few, Duration::ZERO).await?.2;
        }
        each[0] /= u32::try_from(many / 10)?;
        each[1] = tenancy.sweep_stub(many, Duration::ZERO).await?.2 / u32::try_from(many)?;
        ratios.push(each[1], each[0]);
        detail = format!("{:.0?} / {:.0?}, in the last round", each[1], each[0]);
    }
    let what = "CPU time of a sweep for each due deployment, 100,000 due / 1,000 due, before a stub";
    Ok(Finding::ratio(what, Goal::AtMost(1.1), &ratios, detail))
}

async fn of_a_table(rounds: usize) -> Result<Vec<Finding>, Failure> {
    let few = Filled::new(ITEMS[0]).await?;
    let many = Filled::new(ITEMS[1]).await?;
    let mut findings = Vec::new();
    for (what, handler, whole_list) in
        [("a page of a tenant's list", "list_deployments", true), ("a deployment shown", "show_deployment", false)]
    {
        let mut ratios = Ratios::default();
        let mut all = [Samples::default(), Samples::default()];
        for round in 0..=rounds {
            let mut times = [Samples::default(), Samples::default()];
            for call in 0..CALLS {
                // The tables alternate, and they alternate at being first.
                let order = if call % 2 == 0 { [0, 1] } else { [1, 0] };
                for index in order {
                    let filled = [&few, &many][index];
                    let parameters = if whole_list { json!({}) } else { json!({"id": filled.id(call)}) };
                    times[index].push(filled.time(handler, &parameters).await?);
                }
            }
            if round > 0 {
                ratios.push(times[1].median(), times[0].median());
                let [of_few, of_many] = times;
                all[0].extend(of_few);
                all[1].extend(of_many);
            }
        }
        let detail = format!("{:.2?} / {:.2?}", all[1].median(), all[0].median());
        let what = format!("p50 of {what}, in a table of 1,000,000 items / of 1,000");
        findings.push(Finding::ratio(what, Goal::AtMost(1.1), &ratios, detail));
    }
    few.remove().await?;
    many.remove().await?;
    Ok(findings)
}

/// A table full of deployments of one tenant, on its own engine.
struct Filled {
    place: Place,
    ids: Vec<Uuid>,
    engine: Engine,
    file: PathBuf,
}

impl Filled {
    async fn new(items: usize) -> Result<Self, Failure> {
        let file = temporary().join(format!("{}.db", crate::unique("growth")));
        let storage = Storage::File(file.clone());
        // The product makes one deployment, and all others are copies of it.
        let engine = Engine::start(&storage, Purpose::Serve).await?;
        let place = Place::new_on(engine.client(), TABLE, Arc::new(RealClock)).await?;
        let first = place.create("shop-0").await?;
        engine.stop().await?;
        let ids: Vec<Uuid> = (1..items / ITEMS_OF_ONE).map(|_| place.app.new_id(place.app.clock.now())).collect();
        fill(&file, &first, &ids)?;
        let engine = Engine::start(&storage, Purpose::Serve).await?;
        Ok(Self { place: Place::on(engine.client(), TABLE, Arc::new(RealClock)), ids, engine, file })
    }

    async fn remove(self) -> Result<(), Failure> {
        self.engine.stop().await?;
        Ok(fs::remove_file(self.file)?)
    }

    /// The id of a stored deployment, by its number.
    fn id(&self, number: usize) -> String {
        self.ids[number * 7_919 % self.ids.len()].to_string()
    }

    /// Times a call of a route by one of the tenant's users.
    async fn time(&self, handler: &str, parameters: &Value) -> Result<Duration, Failure> {
        let event = crate::place::event(handler, parameters, &Value::Null);
        let claims = json!({"sub": "ada@acme.example", "role": "tenant_user", "tenant_id": TENANT});
        let event = with_claims(event, claims);
        let request = request(&event)?;
        let started = Instant::now();
        let (status, body) = self.place.answer(route(handler), request).await?;
        let took = started.elapsed();
        let whole = body["deployments"].as_array().is_none_or(|page| page.len() == 50);
        if status == 200 && whole { Ok(took) } else { Err(format!("{status} {body}").into()) }
    }
}

/// Writes copies of the first deployment.
fn fill(file: &Path, first: &str, ids: &[Uuid]) -> Result<(), Failure> {
    let database = Database::new(file.to_str().ok_or("a path that is not UTF-8")?)?;
    database.enable_bulk_loading()?;
    let scan = ScanRequest { table_name: TABLE.to_owned(), ..ScanRequest::default() };
    let pattern = database.scan(scan)?.items.unwrap_or_default();
    if pattern.len() != ITEMS_OF_ONE {
        return Err(format!("a new deployment has {} items", pattern.len()).into());
    }
    let mut number = 0;
    for batch in ids.chunks(DEPLOYMENTS_OF_A_BATCH) {
        let mut items = Vec::with_capacity(batch.len() * ITEMS_OF_ONE);
        for id in batch {
            number += 1;
            let (id, slug) = (id.to_string(), format!("shop-{number}"));
            items.extend(pattern.iter().map(|item| renamed(item, first, &id, &slug)));
        }
        database.import_items(TABLE, items, ImportOptions::default())?;
    }
    Ok(())
}

fn with_claims(mut event: Value, claims: Value) -> Value {
    event["requestContext"]["authorizer"]["jwt"]["claims"] = claims;
    event["body"] = Value::Null;
    event
}

/// An item of another deployment, with its id and slug in place of the first one's.
fn renamed(item: &Item, first: &str, id: &str, slug: &str) -> Item {
    item.iter().map(|(name, value)| (name.clone(), rename(value, first, id, slug))).collect()
}

fn rename(value: &AttributeValue, first: &str, id: &str, slug: &str) -> AttributeValue {
    match value {
        AttributeValue::S(text) if text == "shop-0" => AttributeValue::S(slug.to_owned()),
        AttributeValue::S(text) => {
            AttributeValue::S(text.replace(first, id).replace("SLUG#shop-0", &format!("SLUG#{slug}")))
        }
        AttributeValue::M(map) => AttributeValue::M(renamed(map, first, id, slug)),
        other => other.clone(),
    }
}
