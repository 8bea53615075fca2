//! The promise: the figures of the business are the sums of its deployments at every closed hour, however often and in
//! whatever batches the table's stream is read, and their movements explain each change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arcadia_domain::{DeploymentId, Event, Figure, Figures, Movement, State, Summary, Timestamp, replay};
use arcadia_functions::events::count::count;
use arcadia_functions::runtime::Clock as _;
use arcadia_store::{Difference, stream};
use chrono::{Datelike as _, TimeDelta};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::Fault;
use crate::harness::billing::Billing;
use crate::harness::dynamodb;
use crate::harness::random::Random;
use crate::harness::stream::Stream;
use crate::harness::world::{id_of, user};

const BEGIN: &str = "2027-01-05T09:30:00Z";
const WEEKS: usize = 20;

/// Twenty weeks of a small business with every kind of movement. Returns the ids of its deployments.
async fn run(billing: &Billing) -> Vec<String> {
    let mut ids = Vec::new();
    billing.sell_plan("tryout", &[json!({"price_cents": 3_900, "trial_days": 14})]).await;
    for (slug, plan) in
        [("a", "studio"), ("b", "studio"), ("c", "yearly"), ("d", "studio"), ("e", "euro"), ("f", "tryout")]
    {
        let created = billing.post("/deployments", &user("acme"), json!({"slug": slug})).await.expect(201);
        let id = id_of(&created["deployment"]);
        billing.subscribe(&id, json!({"plan_code": plan})).await.expect(201);
        ids.push(id);
        billing.clock.shift(TimeDelta::minutes(47));
    }
    let at = |n: usize, rest: &str| format!("/deployments/{}{rest}", ids[n]);
    let admin = &billing.admin;
    // A resource that still runs when its deployment is cancelled.
    let resource = json!({"kind": "vm", "provider_reference": "i-1"});
    billing.post(&at(2, "/resources"), admin, resource).await.expect(201);
    for week in 0..WEEKS {
        if let 4 | 9 = week {
            billing.patch(&at(5, ""), admin, json!({"billing_action_suspended": week == 4})).await.expect(200);
        }
        // The fourth deployment never pays.
        for n in [0, 1, 2, 4, 5] {
            billing.settle_open_invoices(&ids[n]).await;
        }
        let moves: &[(usize, &str, Value)] = &match week {
            2 => vec![(0, "/subscription/addons", json!({"addon_code": "storage_50gb"}))],
            3 => vec![(1, "/transition", json!({"to_state": "paused"}))],
            5 => vec![(0, "/subscription/change", json!({"plan_code": "team"}))],
            6 => vec![(1, "/transition", json!({"to_state": "active"}))],
            8 => vec![
                (0, "/subscription/change", json!({"plan_code": "studio", "proration": "none"})),
                (1, "/subscription/cancellation", json!({"effective": "immediate"})),
            ],
            10 => vec![
                (1, "/subscribe", json!({"plan_code": "studio"})),
                (4, "/subscription/change", json!({"plan_code": "studio", "effective": "period_end"})),
            ],
            13 => vec![(2, "/transition", json!({"to_state": "cancelled"}))],
            14 => vec![(2, "/transition", json!({"to_state": "active"}))],
            _ => vec![],
        };
        for (n, path, body) in moves {
            let reply = billing.post(&at(*n, path), admin, body.clone()).await;
            assert!((200..300).contains(&reply.status), "{path}: {}", reply.text);
        }
        billing.clock.shift(TimeDelta::hours(7 * 24 + 5));
        billing.sweep().await;
    }
    ids
}

/// The histories of deployments.
async fn histories(billing: &Billing, ids: &[String]) -> Vec<(DeploymentId, Vec<Event>)> {
    let mut histories = Vec::new();
    for id in ids {
        histories.push((id.parse().expect("an id"), billing.books(id).await.events));
    }
    histories
}

/// The sums of deployments at a moment and their movements since another, from their histories alone.
fn expected(histories: &[(DeploymentId, Vec<Event>)], since: Timestamp, until: Timestamp) -> (Figures, Figures) {
    let (mut totals, mut movements) = (Figures::default(), Figures::default());
    for (id, events) in histories {
        let mut before = None;
        // One commit after the other.
        for (n, event) in events.iter().enumerate().filter(|(_, event)| event.sequence == event.commit_last) {
            if event.occurred_at >= until {
                break;
            }
            let after = replay(*id, &events[..=n]).expect("a history");
            if event.occurred_at >= since {
                let all = Figures::of_change(before.as_ref(), &after);
                let moved = all.iter().filter(|(figure, _)| matches!(figure, Figure::Movement(..)));
                moved.for_each(|(figure, value)| movements.add(figure.clone(), value));
            }
            before = Some(after);
        }
        if let Some(present) = before {
            totals.add_all(&Figures::of_present(&present), 1);
        }
    }
    (totals, movements)
}

fn month_of(at: Timestamp) -> Timestamp {
    format!("{:04}-{:02}-01T00:00:00Z", at.year(), at.month()).parse().expect("a time")
}

/// Delivers the stream as Lambda does: in batches, each again if it failed, and some again although they succeeded, with
/// more records at their end or without.
async fn read(billing: &Billing, records: &[Value], random: &mut Random) {
    let mut end = 0;
    while end < records.len() {
        let begin = end;
        for _ in 0..=random.below(3) {
            if end < records.len() {
                end += random.below((records.len() - end).min(70)) + 1;
            }
            if random.below(5) == 0 {
                billing.dynamodb.plan("TransactWriteItems", 1, Fault::BreakOff);
            }
            let event = json!({"Records": records[begin..end]});
            let mut attempts = 0;
            while let Err(error) = count(&billing.app, &event).await {
                attempts += 1;
                assert!(attempts < 10, "{error}");
            }
            for _ in 0..random.below(2) {
                count(&billing.app, &event).await.expect("a repeated batch is recognised");
            }
        }
    }
}

#[tokio::test]
async fn every_closed_hour_has_the_figures_that_its_deployments_come_to() {
    let billing = Billing::at(BEGIN).await;
    let stream = Stream::open(dynamodb::endpoint(), &billing.app.store).await.expect("a stream");
    let ids = run(&billing).await;
    let histories = histories(&billing, &ids).await;
    let events: usize = histories.iter().map(|(_, events)| events.len()).sum();
    let records = stream.records(events, stream::is_event).await;
    read(&billing, &records, &mut Random::from_seed()).await;
    billing.dynamodb.clear();

    let (mut hour, end) = (BEGIN.parse::<Timestamp>().unwrap() - TimeDelta::minutes(30), billing.clock.now());
    let mut seen: BTreeSet<Movement> = BTreeSet::new();
    let mut last = None;
    while hour <= end {
        let now = hour + TimeDelta::minutes(10);
        let Summary { as_of, totals, movements } = billing.app.store.summary(now).await.expect("figures");
        assert_eq!(as_of, hour);
        let wanted = expected(&histories, month_of(as_of), as_of);
        assert_eq!((&totals, &movements), (&wanted.0, &wanted.1), "{as_of}");
        seen.extend(movements.iter().filter_map(|(figure, _)| match figure {
            Figure::Movement(movement, _) => Some(*movement),
            _ => None,
        }));
        // A minute before an hour closes, the summary shows the hour before it.
        let early = billing.app.store.summary(now - TimeDelta::minutes(1)).await.expect("figures").as_of;
        assert_eq!(early, hour - TimeDelta::hours(1));
        last = Some((as_of, totals, movements));
        hour += TimeDelta::hours(19);
    }
    assert_eq!(seen, Movement::ALL.into_iter().collect(), "everything has moved");

    // The summary's figures of the last closed hour.
    let (as_of, totals, movements) = last.expect("hours");
    billing.clock.shift(as_of + TimeDelta::minutes(10) - billing.clock.now());
    let summary = &billing.get("/summary", &billing.admin).await.expect(200)["summary"];
    assert_eq!(summary["as_of"].as_str().and_then(|text| text.parse::<Timestamp>().ok()), Some(as_of));
    let mut states: BTreeMap<String, i64> = BTreeMap::new();
    let mut plans = Vec::new();
    for (figure, value) in totals.iter() {
        match figure {
            Figure::State(state) => _ = states.insert(state.to_string(), value),
            Figure::Plan(code, version) => {
                plans.push(json!({"plan_code": code, "plan_version": version, "count": value}));
            }
            _ => {}
        }
    }
    assert_eq!(summary["deployments_by_state"], json!(states));
    assert_eq!(summary["subscriptions_by_plan"], json!(plans));
    let usd = "USD".parse().unwrap();
    let recurring = summary["recurring"].as_array().unwrap().iter().find(|one| one["currency"] == "USD").unwrap();
    assert_eq!(recurring["monthly_cents"], (totals.get(&Figure::Recurring(usd)) + 6) / 12);
    let new = movements.get(&Figure::Movement(Movement::Expansion, usd));
    assert_eq!(recurring["movements"]["expansion_cents"], (new + 6) / 12);
    billing.get("/summary", &billing.user).await.expect_problem(403, "admin_required");
}

#[tokio::test]
async fn a_table_of_its_own_counts_with_each_commit() {
    let mut billing = Billing::at(BEGIN).await;
    billing.app.store = billing.app.store.clone().counting();
    let empty = billing.app.store.summary(billing.clock.now()).await.expect("figures");
    assert_eq!((empty.totals, empty.movements), (Figures::default(), Figures::default()));
    let ids = billing.fill(12, "studio").await;
    billing.clock.shift(TimeDelta::days(40));
    billing.sweep().await;
    let (totals, movements) = expected(
        &histories(&billing, &ids).await,
        month_of(billing.clock.now()),
        billing.clock.now() + TimeDelta::days(1),
    );
    let summary = billing.app.store.summary(billing.clock.now()).await.expect("figures");
    assert_eq!((summary.as_of, summary.totals, summary.movements), (billing.clock.now(), totals, movements));
}

#[tokio::test]
async fn given_up_invoices_of_many_months_fit_into_the_counting_transactions() {
    let mut billing = Billing::at("2027-01-01T00:00:00Z").await;
    billing.app.store = billing.app.store.clone().counting();
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    let path = format!("/deployments/{id}");
    let hold = async |held: bool| {
        billing.patch(&path, &billing.admin, json!({"billing_action_suspended": held})).await.expect(200);
    };
    hold(true).await;
    let months = (1..=40).map(|month| (2027 + month / 12, month % 12 + 1));
    for (year, month) in months {
        billing.set_time(&format!("{year}-{month:02}-01T00:00:00Z"));
        billing.sweep().await;
    }
    let open = async || billing.show(&id).await["deployment"]["open_invoices"].as_array().map(Vec::len);
    assert_eq!(open().await, Some(41));
    billing.transition(&id, &billing.admin, json!({"to_state": "cancelled"})).await.expect(200);
    billing.clock.shift(TimeDelta::days(60));
    hold(false).await;
    billing.sweep().await;
    assert_eq!(open().await, Some(0), "all invoices are given up");
    assert_eq!(billing.show(&id).await["deployment"]["uncollectible_invoices"], 41);
}

/// A difference of one active deployment.
fn one_more(sequence: u32, at: Timestamp) -> Difference {
    let mut figures = Figures::default();
    figures.add(Figure::State(State::Active), 1);
    Difference { sequence: u128::from(sequence), at, figures }
}

async fn add(billing: &Billing, batch: &[Difference]) {
    let (store, now) = (&billing.app.store, billing.clock.now());
    store.add_figures(batch, now, &|| billing.app.new_commit_id()).await.expect("figures are added");
}

async fn active(billing: &Billing, now: Timestamp) -> i64 {
    billing.app.store.summary(now).await.expect("figures").totals.get(&Figure::State(State::Active))
}

/// Adds differences of 200 hours: at first a part that fits into one transaction, then all from the same record on.
pub async fn add_again(billing: &Billing) {
    let begin = billing.clock.now();
    let all: Vec<Difference> = (1..=200).map(|n| one_more(n, begin + TimeDelta::hours(i64::from(n)))).collect();
    for batch in [&all[..60], &all, &all[..150]] {
        add(billing, batch).await;
    }
}

#[tokio::test]
async fn a_batch_that_comes_again_too_long_for_one_transaction_is_not_added_twice() {
    let billing = Billing::at(BEGIN).await;
    let begin = billing.clock.now();
    add_again(&billing).await;
    assert_eq!(active(&billing, begin + TimeDelta::hours(300)).await, 200);
}

#[tokio::test]
async fn a_summary_is_of_one_moment_while_figures_are_added() {
    let billing = Billing::at(BEGIN).await;
    let begin = billing.clock.now();
    let shown_at = begin + TimeDelta::minutes(165);
    add(&billing, &[one_more(1, begin)]).await;
    // The second query waits until another batch was added, of an hour that is not closed yet.
    let added = Arc::new(Barrier::new(2));
    billing.dynamodb.clear();
    billing.dynamodb.plan("Query", 1, Fault::Delay(Duration::ZERO));
    billing.dynamodb.plan("Query", 1, Fault::Gather(Arc::clone(&added)));
    let add_another = async {
        while billing.dynamodb.count("Query") < 2 {
            tokio::task::yield_now().await;
        }
        add(&billing, &[one_more(2, shown_at - TimeDelta::minutes(5))]).await;
        added.wait().await;
    };
    let (shown, _) = tokio::join!(active(&billing, shown_at), add_another);
    assert_eq!((shown, billing.dynamodb.count("Query")), (1, 8), "it is read again");
}
