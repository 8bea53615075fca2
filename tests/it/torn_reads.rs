//! The promise: a decision, and an answer, uses records of one version. DynamoDB reads item by item, so a read beside a
//! transaction may mix two moments. A torn read is recognised, repeated a fixed number of times, and then answered with
//! 503. A read that is not torn costs no more requests.

use std::collections::BTreeMap;

use arcadia_domain::Event;
use arcadia_functions::billing::sweep::Report;
use arcadia_store::MAX_READS;
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::reply::Reply;
use crate::harness::tears::Stale;
use crate::harness::world::id_of;
use crate::harness::{Fault, cursors};

const FOREVER: usize = usize::MAX;
/// The number of attempts of a read.
const READS: usize = MAX_READS as usize;
/// The items that the last transaction may have written.
const PRESENT: [&str; 2] = ["#DEPLOYMENT", "#SUBSCRIPTION#"];

/// A deployment that was subscribed when the year began, a day later. The proxy remembers overwritten items.
async fn start() -> (Billing, String) {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    billing.sell_addon("backup", json!({"price_cents": 1_000})).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    billing.set_time("2027-01-02T00:00:00Z");
    billing.dynamodb.remember();
    (billing, id)
}

fn partition(id: &str) -> String {
    format!("DEPLOYMENT#{id}")
}

/// The items of the present state that the last transaction changed, as they were before.
fn stale(billing: &Billing, id: &str) -> Vec<Stale> {
    billing.dynamodb.stale(&partition(id), &["#SUBSCRIPTION", PRESENT[0], PRESENT[1]])
}

/// Every choice of some, but not all, of the items.
fn mixtures(stale: &[Stale]) -> Vec<Vec<Stale>> {
    let all = 1_usize << stale.len();
    let chosen = |choice: usize| {
        stale.iter().enumerate().filter(move |(n, _)| choice & (1 << n) != 0).map(|(_, stale)| stale.clone()).collect()
    };
    (1..all - 1).map(chosen).collect()
}

/// Shows the deployment while the read of its present state is torn in every possible way. Each answer is correct and
/// costs one more Query.
async fn check_shown(billing: &Billing, id: &str) -> usize {
    let shown = billing.show(id).await;
    let mixtures = mixtures(&stale(billing, id));
    assert!(!mixtures.is_empty(), "the last transaction changed one item only");
    for mixture in &mixtures {
        billing.dynamodb.clear();
        billing.dynamodb.plan("Query", 1, Fault::Torn(mixture.clone()));
        assert_eq!(billing.show(id).await, shown, "{mixture:?}");
        assert_eq!(billing.dynamodb.operations(), ["Query"; 3], "{mixture:?}");
    }
    mixtures.len()
}

/// Insists on a 503 that says when to retry.
#[track_caller]
fn expect_unavailable(reply: Reply) {
    assert_ne!(reply.header("retry-after"), "");
    reply.expect_problem(503, "unavailable");
}

#[tokio::test]
async fn a_charge_that_waits_is_not_lost_when_the_next_command_reads_a_mixture() {
    for old in ["#SUBSCRIPTION", "#DEPLOYMENT", "#SUBSCRIPTION#ADDON#"] {
        let (billing, id) = start().await;
        billing.attach(&id, "backup").await;
        let stale = billing.dynamodb.stale(&partition(&id), &[old]);
        billing.dynamodb.clear();
        billing.dynamodb.plan("Query", 1, Fault::Torn(stale));
        billing.attach(&id, "storage_50gb").await;
        assert_eq!(billing.dynamodb.operations(), ["GetItem", "Query", "Query", "TransactWriteItems"], "{old}");
        let aggregate = billing.check(&id).await;
        assert_eq!(aggregate.addons.len(), 3);
        // 1,000 for 30 of 31 days.
        let subscription = aggregate.subscription.expect("a subscription");
        let of_backup = subscription.waiting().filter(|charge| charge.code.as_str() == "backup");
        assert_eq!(of_backup.map(|charge| charge.amount_cents).collect::<Vec<_>>(), [968], "{old}");
        billing.settle(&id).await;
        billing.sweep_at("2027-02-01T00:00:00Z").await;
        let invoices = billing.invoices(&id).await;
        let invoice = invoices.last().expect("the invoice of February");
        assert!(invoice["lines"].as_array().unwrap().iter().any(|line| line["amount_cents"] == 968), "{invoice}");
    }
}

#[tokio::test]
async fn commands_after_a_detached_addon_do_not_read_it_again() {
    let (billing, id) = start().await;
    let addon = id_of(&billing.subscription(&id).await["addons"][0]);
    billing.delete(&format!("/deployments/{id}/subscription/addons/{addon}"), &billing.user).await.expect(200);
    assert_eq!(check_shown(&billing, &id).await, 6);
    let before = stale(&billing, &id);
    for mixture in mixtures(&before) {
        let version = billing.load(&id).await.deployment.version;
        billing.dynamodb.clear();
        billing.dynamodb.plan("Query", 1, Fault::Torn(mixture));
        let name = json!({"display_name": format!("shop {version}")});
        billing.patch(&format!("/deployments/{id}"), &billing.user, name).await.expect(200);
        assert!(billing.check(&id).await.addons.is_empty());
    }
}

#[tokio::test]
async fn a_replaced_subscription_is_never_mixed_with_the_one_before() {
    let (billing, id) = start().await;
    billing.cancel(&id, "immediate").await.expect(200);
    billing.set_time("2027-01-02T01:00:00Z");
    let body = json!({"plan_code": "team", "addons": ["backup", "storage_50gb"]});
    let replaced = billing.subscribe(&id, body).await.expect(201);
    // The deployment, the subscription, the removed add-on, and two new ones.
    assert_eq!(stale(&billing, &id).len(), 5);
    assert_eq!(check_shown(&billing, &id).await, 30);
    for mixture in mixtures(&stale(&billing, &id)) {
        billing.dynamodb.clear();
        billing.dynamodb.plan("Query", 1, Fault::Torn(mixture));
        let priced = json!({"plan_code": "studio", "dry_run": true});
        let foreseen = billing.change(&id, priced).await.expect(200);
        assert_eq!(foreseen["subscription"]["id"], replaced["subscription"]["id"]);
        assert_eq!(foreseen["subscription"]["addons"].as_array().map(Vec::len), Some(2));
    }
    billing.check(&id).await;
}

#[tokio::test]
async fn a_change_of_state_is_shown_with_the_subscription_that_follows_it() {
    let (billing, id) = start().await;
    billing.transition(&id, &billing.user, json!({"to_state": "paused"})).await.expect(200);
    assert_eq!(check_shown(&billing, &id).await, 2);
    // The last transaction changed one item, so there is nothing to mix, and the whole older state is not a mixture.
    billing.patch(&format!("/deployments/{id}"), &billing.user, json!({"display_name": "Shop"})).await.expect(200);
    billing.dynamodb.clear();
    let before = billing.dynamodb.stale(&partition(&id), &["#DEPLOYMENT"]);
    billing.dynamodb.plan("Query", 1, Fault::Torn(before));
    let shown = billing.show(&id).await;
    assert_eq!((&shown["deployment"]["display_name"], &shown["deployment"]["version"]), (&json!("shop"), &json!(4)));
    assert_eq!(shown["events"][0]["sequence"], 4, "the event after the older state is omitted");
    assert_eq!(billing.dynamodb.operations(), ["Query"; 3]);
}

/// The events of a deployment's last commit, as absent items.
fn unseen(billing: &Billing, id: &str) -> Vec<Stale> {
    billing.dynamodb.stale(&partition(id), &["EVENT#"])
}

#[tokio::test]
async fn a_page_of_events_has_no_gap_and_no_half_of_a_commit_at_its_newest_end() {
    let (billing, _) = start().await;
    let id = id_of(&billing.create("blog").await);
    billing.subscribe(&id, json!({"plan_code": "studio"})).await.expect(201);
    let events = billing.events(&id).await;
    let commits: Vec<(u64, u64)> = events.iter().map(|event: &Event| (event.sequence, event.commit_last)).collect();
    assert_eq!(commits, [(1, 1), (2, 3), (3, 3)]);
    let path = format!("/deployments/{id}/events");
    let whole = billing.get(&path, &billing.user).await.expect(200);
    let shown = billing.show(&id).await;
    for mixture in mixtures(&unseen(&billing, &id)) {
        billing.dynamodb.clear();
        billing.dynamodb.plan("Query", 1, Fault::Torn(mixture.clone()));
        assert_eq!(billing.get(&path, &billing.user).await.expect(200), whole, "{mixture:?}");
        assert_eq!(billing.dynamodb.operations(), ["GetItem", "Query", "Query"], "{mixture:?}");
        // The same when they are shown with the deployment.
        billing.dynamodb.clear();
        billing.dynamodb.plan("Query", 1, Fault::Torn(mixture.clone()));
        assert_eq!(billing.show(&id).await, shown, "{mixture:?}");
        assert_eq!(billing.dynamodb.operations(), ["Query"; 3], "{mixture:?}");
    }
    // Without both events, the page is of the moment before, but the deployment is not.
    billing.dynamodb.clear();
    billing.dynamodb.plan("Query", 1, Fault::Torn(unseen(&billing, &id)));
    assert_eq!(billing.show(&id).await, shown);
}

#[tokio::test]
async fn a_page_may_end_within_a_commit_and_the_next_goes_on_there() {
    let (billing, id) = start().await;
    billing.dynamodb.clear();
    let path = format!("/deployments/{id}/events");
    let pages = billing.pages(&format!("{path}?limit=1"), &billing.user, "events").await;
    let sequences: Vec<&Value> = pages.iter().flatten().map(|event| &event["sequence"]).collect();
    assert_eq!(sequences, [3, 2, 1]);
    let each = [["GetItem"; 3], ["Query"; 3]];
    assert_eq!(
        billing.dynamodb.operations(),
        each.as_flattened(),
        "a Query for each page of the caller's own deployment"
    );
    // A page that begins before an event is torn if the event right before the position is missing.
    let body = billing.get(&format!("{path}?limit=1"), &billing.user).await.expect(200);
    let next = format!("{path}?limit=1&cursor={}", body["next_cursor"].as_str().unwrap());
    billing.subscribe(&id_of(&billing.create("blog").await), json!({"plan_code": "studio"})).await.expect(201);
    assert_eq!(billing.get(&next, &billing.user).await.expect(200)["events"][0]["sequence"], 2);
    // A forged position is beyond the newest event: one more request finds that out.
    billing.dynamodb.clear();
    let beyond = cursors::forged(&format!("/api/v1{path}"), "99");
    let beyond = billing.get(&format!("{path}?cursor={beyond}"), &billing.user).await.expect(200);
    assert_eq!(beyond["events"].as_array().map(Vec::len), Some(3));
    assert_eq!(billing.dynamodb.operations(), ["GetItem", "GetItem", "Query"]);
}

#[tokio::test]
async fn a_version_of_a_plan_is_read_with_the_plan_that_it_was_published_with() {
    let (billing, id) = start().await;
    let other = id_of(&billing.create("blog").await);
    billing.publish("team", json!({"price_cents": 4_900})).await.expect(201);
    for missing in ["VERSION#", "#PLAN"] {
        let stale = billing.dynamodb.stale("PLAN#team", &[missing]);
        billing.dynamodb.clear();
        billing.dynamodb.plan("BatchGetItem", 1, Fault::Torn(stale.clone()));
        let priced = json!({"plan_code": "team", "plan_version": 2, "dry_run": true});
        let foreseen = billing.change(&id, priced).await.expect(200);
        assert_eq!(foreseen["subscription"]["price_cents"], 4_900, "{missing}");
        assert_eq!(billing.dynamodb.operations(), ["BatchGetItem", "BatchGetItem", "Query"], "{missing}");

        billing.dynamodb.clear();
        billing.dynamodb.plan("BatchGetItem", FOREVER, Fault::Torn(stale.clone()));
        let wanted = json!({"plan_code": "team", "plan_version": 2});
        expect_unavailable(billing.subscribe(&other, wanted).await);
        assert_eq!(billing.dynamodb.count("BatchGetItem"), READS, "{missing}");
    }
    // The catalog never shows a plan without its newest version.
    let shown = billing.get("/plans/team", &billing.user).await.expect(200);
    billing.dynamodb.clear();
    billing.dynamodb.plan("Query", 1, Fault::Torn(billing.dynamodb.stale("PLAN#team", &["VERSION#"])));
    assert_eq!(billing.get("/plans/team", &billing.user).await.expect(200), shown);
    assert_eq!(billing.dynamodb.operations(), ["GetItem", "Query", "Query"]);
    billing.dynamodb.clear();
    billing.dynamodb.plan("GetItem", 1, Fault::Torn(billing.dynamodb.stale("PLAN#team", &["#PLAN"])));
    let before = billing.get("/plans/team", &billing.user).await.expect(200);
    assert_eq!(before["versions"].as_array().map(Vec::len), Some(1), "an older plan is shown with its versions");

    billing.dynamodb.clear();
    billing.subscribe(&other, json!({"plan_code": "team", "plan_version": 2})).await.expect(201);
    assert_eq!(billing.dynamodb.operations(), ["BatchGetItem", "Query", "TransactWriteItems"]);
    billing
        .subscribe(&id_of(&billing.create("third").await), json!({"plan_code": "team", "plan_version": 3}))
        .await
        .expect_problem(422, "unknown_plan_version");
}

#[tokio::test]
async fn a_resource_is_written_only_over_the_version_that_was_read() {
    // Beside another live resource, and alone.
    for others in 0..2 {
        let (billing, id) = start().await;
        let path = format!("/deployments/{id}/resources");
        let add = async || {
            let body = json!({"kind": "database", "provider_reference": "db"});
            billing.post(&path, &billing.admin, body).await.expect(201)["resource"].take()
        };
        for _ in 0..others {
            add().await;
        }
        let added = add().await;
        assert_eq!(added["version"], 4 + others);
        let path = format!("{path}/{}", id_of(&added));
        let deleted = billing.delete(&path, &billing.admin).await.expect(200);
        assert_eq!(deleted["resource"]["version"], 5 + others);
        let before = billing.dynamodb.stale(&partition(&id), &["RESOURCE#"]);
        billing.dynamodb.plan("GetItem", 1, Fault::Torn(before));
        billing.delete(&path, &billing.admin).await.expect_problem(409, "version_conflict");
        assert_eq!(billing.delete(&path, &billing.admin).await.expect(200)["resource"], deleted["resource"]);
        assert_eq!(billing.check(&id).await.deployment.live_resources, others);
    }
}

#[tokio::test]
async fn a_read_that_stays_torn_is_given_up_after_the_named_number_of_reads() {
    let (billing, id) = start().await;
    billing.attach(&id, "backup").await;
    let torn = Fault::Torn(billing.dynamodb.stale(&partition(&id), &["#SUBSCRIPTION"]));
    let contents = billing.contents().await;
    let path = format!("/deployments/{id}");
    billing.dynamodb.clear();
    billing.dynamodb.plan("Query", FOREVER, torn.clone());
    expect_unavailable(billing.patch(&path, &billing.user, json!({"display_name": "Shop"})).await);
    assert_eq!(billing.dynamodb.operations(), ["Query"; READS]);
    billing.dynamodb.clear();
    billing.dynamodb.plan("Query", FOREVER, torn.clone());
    expect_unavailable(billing.get(&path, &billing.user).await);
    assert_eq!(billing.dynamodb.count("Query"), READS, "events are read after the owner is known");
    // Another tenant's caller learns nothing from it.
    let stranger = crate::harness::world::user("other");
    billing.dynamodb.clear();
    billing.dynamodb.plan("Query", FOREVER, torn.clone());
    billing.get(&path, &stranger).await.expect_problem(404, "not_found");

    billing.dynamodb.clear();
    let blog = id_of(&billing.create("blog").await);
    billing.subscribe(&blog, json!({"plan_code": "studio"})).await.expect(201);
    billing.dynamodb.clear();
    let half = billing.dynamodb.stale(&partition(&blog), &["EVENT#0000000003"]);
    billing.dynamodb.plan("Query", FOREVER, Fault::Torn(half));
    expect_unavailable(billing.get(&format!("/deployments/{blog}/events"), &billing.admin).await);
    assert_eq!(billing.dynamodb.operations(), ["Query"; READS]);
    // Nothing of the deployment was changed, and a later sweep takes it up again.
    let of_id = |contents: &BTreeMap<(String, String), Value>| -> Vec<Value> {
        contents.iter().filter(|((pk, _), _)| *pk == partition(&id)).map(|(_, item)| item.clone()).collect()
    };
    assert_eq!(of_id(&billing.contents().await), of_id(&contents));
    billing.set_time("2027-01-09T12:00:00Z");
    billing.dynamodb.clear();
    billing.dynamodb.plan("Query", FOREVER, torn);
    let report = billing.sweep_anyhow().await;
    assert_eq!((report.unanswered, report.postponed), (1, 0), "{report:?}");
    billing.dynamodb.clear();
    assert_ne!(billing.sweep().await, Report::default());
    billing.check(&id).await;
}

#[tokio::test]
async fn a_dunning_policy_is_read_with_the_version_of_its_tenant() {
    let (billing, _) = start().await;
    let path = "/tenants/acme/dunning-policy";
    for terms in [3, 4] {
        let policy = json!({"payment_terms_days": terms, "past_due_after_days": 1, "suspended_after_days": 2,
            "cancelled_after_days": 3, "archived_after_days": 4});
        billing.put(path, &billing.admin, policy).await.expect(200);
    }
    let shown = billing.get(path, &billing.admin).await;
    let (etag, body) = (shown.header("etag").to_owned(), shown.expect(200));
    for stale in ["#ACCOUNT", "#DUNNING_POLICY"] {
        let torn = Fault::Torn(billing.dynamodb.stale("TENANT#acme", &[stale]));
        billing.dynamodb.clear();
        billing.dynamodb.plan("BatchGetItem", 1, torn.clone());
        let again = billing.get(path, &billing.admin).await;
        assert_eq!((again.header("etag"), &again.body), (etag.as_str(), &body), "{stale}");
        assert_eq!(billing.dynamodb.operations(), ["BatchGetItem"; 2], "{stale}");
        billing.dynamodb.clear();
        billing.dynamodb.plan("BatchGetItem", FOREVER, torn);
        expect_unavailable(billing.put(path, &billing.admin, body["dunning_policy"].clone()).await);
    }
}

#[tokio::test]
async fn a_tenants_history_read_from_its_beginning_has_no_gap_there() {
    let (billing, _) = start().await;
    let mut second = Vec::new();
    for (n, name) in ["A", "B", "C"].into_iter().enumerate() {
        billing.put("/tenants/acme", &billing.admin, json!({"name": name})).await.expect(200);
        if n == 1 {
            second = billing.dynamodb.stale("TENANT#acme", &["EVENT#"]);
        }
    }
    let path = "/tenants/acme/events?order=asc&after=1";
    let whole = billing.get(path, &billing.admin).await.expect(200);
    assert_eq!(whole["events"].as_array().map(Vec::len), Some(2));
    billing.dynamodb.clear();
    billing.dynamodb.plan("Query", 1, Fault::Torn(second));
    assert_eq!(billing.get(path, &billing.admin).await.expect(200), whole);
    assert_eq!(billing.dynamodb.operations(), ["Query"; 2]);
}
