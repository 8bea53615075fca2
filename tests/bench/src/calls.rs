//! A transition through its handler, from the event's text to the answer's, against the same two requests by the bare
//! SDK: the Query and the TransactWriteItems with the same items and conditions, and nothing else.

use std::time::{Duration, Instant};

use arcadia_functions::runtime::{Clock as _, RealClock};
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use chrono::SecondsFormat;
use serde_json::json;
use uuid::Uuid;

use crate::Failure;
use crate::place::{Item, Place, event, query, request, route};
use crate::report::{Finding, Goal, Section};
use crate::stats::{Ratios, Samples, cpu_time};

/// Calls of each kind in a round, alternating.
const CALLS: usize = 1_000;
/// Calls of each kind before the first round.
const WARM_UP: usize = 1_000;

/// Wall and CPU time of many calls.
#[derive(Debug, Default)]
struct Times {
    wall: Samples,
    cpu: Samples,
}

/// The next write of the bare SDK.
struct Bare<'a> {
    place: &'a Place,
    partition: String,
    event: Item,
    sequence: u64,
}

/// Measures the section.
pub async fn measure(rounds: usize) -> Result<Section, Failure> {
    let place = Place::new("calls").await?;
    let handled = place.create("handled").await?;
    let mut bare = Bare::new(&place).await?;
    let mut ratios: [Ratios; 3] = Default::default();
    let (mut all_handled, mut all_bare) = (Times::default(), Times::default());
    for round in 0..=rounds {
        let (mut by_handler, mut by_sdk) = (Times::default(), Times::default());
        for call in 0..if round == 0 { WARM_UP } else { CALLS } {
            let to_state = if call % 2 == 0 { "paused" } else { "active" };
            // The first call finds the cache as the other kind left it, so the kinds take turns at being first, too.
            if (call / 2) % 2 == 0 {
                by_handler.time(transition(&place, &handled, to_state)).await?;
                by_sdk.time(bare.transition(to_state)).await?;
            } else {
                by_sdk.time(bare.transition(to_state)).await?;
                by_handler.time(transition(&place, &handled, to_state)).await?;
            }
        }
        if round == 0 {
            continue;
        }
        ratios[0].push(by_handler.wall.median(), by_sdk.wall.median());
        ratios[1].push(by_handler.wall.percentile(99), by_sdk.wall.percentile(99));
        ratios[2].push(by_handler.cpu.sum(), by_sdk.cpu.sum());
        all_handled.extend(by_handler);
        all_bare.extend(by_sdk);
    }
    let [p50, p99, cpu] = ratios;
    let versus = |of: fn(&Times) -> Duration| format!("{:.2?} / {:.2?}", of(&all_handled), of(&all_bare));
    Ok(Section {
        name: "calls",
        findings: vec![
            Finding::ratio("transition / bare SDK, p50", Goal::AtMost(1.10), &p50, versus(|t| t.wall.median())),
            Finding::ratio("the same, p99", Goal::AtMost(1.25), &p99, versus(|t| t.wall.percentile(99))),
            Finding::ratio("the same, CPU time of a call", Goal::AtMost(1.5), &cpu, versus(|t| t.cpu.mean())),
        ],
        tables: Vec::new(),
    })
}

impl Times {
    /// Times a call.
    async fn time(&mut self, call: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
        let (wall, cpu) = (Instant::now(), cpu_time()?);
        call.await?;
        self.cpu.push(cpu_time()? - cpu);
        self.wall.push(wall.elapsed());
        Ok(())
    }

    fn extend(&mut self, other: Self) {
        self.wall.extend(other.wall);
        self.cpu.extend(other.cpu);
    }
}

async fn transition(place: &Place, id: &str, to_state: &str) -> Result<(), Failure> {
    let event = event("transition_deployment", &json!({"id": id}), &json!({"to_state": to_state}));
    let (status, body) = place.answer(route("transition_deployment"), request(&event)?).await?;
    if status == 200 { Ok(()) } else { Err(format!("{status} {body}").into()) }
}

impl<'a> Bare<'a> {
    async fn new(place: &'a Place) -> Result<Self, Failure> {
        let id = place.create("bare").await?;
        // Each write repeats the event of a transition with another sequence.
        for to_state in ["paused", "active"] {
            transition(place, &id, to_state).await?;
        }
        let partition = format!("DEPLOYMENT#{id}");
        let events = query(place, &partition, "EVENT#").await?;
        let event = events.into_iter().last().ok_or("no event")?;
        Ok(Self { place, partition, event, sequence: 3 })
    }

    /// Reads the deployment and writes it with another state and an event.
    async fn transition(&mut self, to_state: &str) -> Result<(), Failure> {
        let store = &self.place.app.store;
        let mut deployment = query(self.place, &self.partition, "#").await?.pop().ok_or("no deployment")?;
        let token = Uuid::new_v4().to_string();
        let now = RealClock.now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let (version, state) = (deployment["version"].clone(), deployment["state"].clone());
        self.sequence += 1;
        for (name, value) in [
            ("version", AttributeValue::N(self.sequence.to_string())),
            ("state", text(to_state)),
            ("state_since", text(&now)),
            ("updated_at", text(&now)),
            ("last_commit_id", text(&token)),
        ] {
            deployment.insert(name.to_owned(), value);
        }
        let mut event = self.event.clone();
        event.insert("SK".to_owned(), text(&format!("EVENT#{:010}", self.sequence)));
        event.insert("last_commit_id".to_owned(), text(&token));
        let put = |item| {
            Put::builder()
                .table_name(store.table())
                .set_item(Some(item))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        };
        let deployment = put(deployment)
            .condition_expression("version = :version AND #state = :state")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":version", version)
            .expression_attribute_values(":state", state)
            .build()?;
        let event = put(event).condition_expression("attribute_not_exists(PK)").build()?;
        let writes = [deployment, event].map(|put| TransactWriteItem::builder().put(put).build());
        let request = store.client().transact_write_items().client_request_token(token);
        request.set_transact_items(Some(writes.into())).send().await?;
        Ok(())
    }
}
