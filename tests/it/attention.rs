//! The promise: the attention list has every deployment that needs a person, for as long as it does, the longest first:
//! held deployments, cancelled ones that still run, those that the sweep postponed, and unpublished events.

use arcadia_functions::events::publish;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::billing::{Billing, overwrite};
use crate::harness::world::id_of;

/// The slugs listed for a kind, or for any kind, each with the time since when it is listed.
async fn listed(billing: &Billing, query: &str) -> Vec<(String, String)> {
    let entries = billing.collect(&format!("/attention?limit=1{query}"), &billing.admin, "attention").await;
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    entries.iter().map(|entry| (text(&entry["slug"]), text(&entry["since"]))).collect()
}

fn pair(slug: &str, since: &str) -> (String, String) {
    (slug.to_owned(), since.to_owned())
}

async fn counts(billing: &Billing) -> Value {
    billing.get("/summary", &billing.admin).await.expect(200)["summary"]["attention"].take()
}

#[tokio::test]
async fn holds_and_cancelled_deployments_that_still_run_are_listed_while_they_last() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let [held, gone] = [id_of(&billing.create("held").await), id_of(&billing.create("gone").await)];
    let hold = async |id: &str, held: bool| {
        billing
            .patch(&format!("/deployments/{id}"), &billing.admin, json!({"billing_action_suspended": held}))
            .await
            .expect(200)
    };
    assert_eq!(listed(&billing, "").await, []);
    let answer = hold(&held, true).await;
    assert_eq!(answer["deployment"]["billing_action_suspended_since"], "2027-01-01T00:00:00Z");
    let path = format!("/deployments/{gone}/resources");
    let resource = json!({"kind": "vm", "provider_reference": "i-1"});
    let resource = id_of(&billing.post(&path, &billing.data_plane, resource).await.expect(201)["resource"]);
    billing.clock.shift(TimeDelta::hours(1));
    billing.transition(&gone, &billing.admin, json!({"to_state": "cancelled"})).await.expect(200);
    billing.clock.shift(TimeDelta::hours(1));
    // Holding a held deployment again does not change the time since when it is held.
    hold(&held, true).await;
    hold(&gone, true).await;
    let (first, second, third) = ("2027-01-01T00:00:00Z", "2027-01-01T01:00:00Z", "2027-01-01T02:00:00Z");
    assert_eq!(listed(&billing, "").await, [pair("held", first), pair("gone", second), pair("gone", third)]);
    assert_eq!(listed(&billing, "&kind=held").await, [pair("held", first), pair("gone", third)]);
    assert_eq!(listed(&billing, "&kind=cancelled_with_resources").await, [pair("gone", second)]);
    billing.delete(&format!("{path}/{resource}"), &billing.data_plane).await.expect(200);
    let answer = hold(&held, false).await;
    assert_eq!(answer["deployment"]["billing_action_suspended_since"], Value::Null);
    assert_eq!(listed(&billing, "").await, [pair("gone", third)]);
    // An archived deployment needs nobody's attention.
    billing.transition(&gone, &billing.admin, json!({"to_state": "archived"})).await.expect(200);
    assert_eq!(listed(&billing, "").await, []);
    for token in [&billing.user, &billing.data_plane, &billing.provider] {
        billing.get("/attention", token).await.expect_problem(403, "admin_required");
    }
}

#[tokio::test]
async fn failures_of_functions_are_listed_even_for_unreadable_records() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    overwrite(&billing, &id, "#DEPLOYMENT", "state", Some("bogus")).await;
    billing.set_time("2027-01-09T00:00:00Z");
    assert_eq!(billing.sweep_anyhow().await.postponed, 1);
    let page = billing.get("/attention?kind=postponed", &billing.admin).await.expect(200);
    assert_eq!(
        page["attention"],
        json!([{
            "kind": "postponed", "deployment_id": id, "tenant_id": null, "slug": null, "state": null,
            "since": "2027-01-09T00:00:00Z", "until": "2027-01-09T01:00:00Z",
        }])
    );
    // An hour later it is postponed again; the list still shows the time of the first postponement.
    billing.set_time("2027-01-09T01:00:00Z");
    assert_eq!(billing.sweep_anyhow().await.postponed, 1);
    let entry = &billing.get("/attention?kind=postponed", &billing.admin).await.expect(200)["attention"];
    assert_eq!(entry.as_array().map(Vec::len), Some(1));
    let times = (&entry[0]["since"], &entry[0]["until"]);
    assert_eq!(times, (&json!("2027-01-09T00:00:00Z"), &json!("2027-01-09T02:00:00Z")));
    // Two of its events from the pipe are unreadable; the pipe retries each of them.
    let record = |at: i64, sequence: u64| {
        let keys = json!({"PK": {"S": format!("DEPLOYMENT#{id}")}, "SK": {"S": format!("EVENT#{sequence:010}")}});
        let image = json!({"PK": keys["PK"], "SK": keys["SK"], "type": {"S": "event"}});
        let stream = json!({"Keys": keys, "NewImage": image, "SequenceNumber": "1", "ApproximateCreationDateTime": at});
        json!([{"eventName": "INSERT", "dynamodb": stream}])
    };
    for (at, sequence) in [(1_798_848_000, 1), (1_798_848_001, 2), (1_798_848_000, 1)] {
        publish::handle(&billing.app, &record(at, sequence)).await.unwrap_err();
    }
    let since = async || {
        let page = billing.get("/attention?kind=not_published", &billing.admin).await.expect(200);
        let entries = page["attention"].as_array().expect("a list").clone();
        entries.iter().map(|entry| entry["since"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(since().await, ["2027-01-02T00:00:00Z", "2027-01-02T00:00:01Z"]);
    assert_eq!(counts(&billing).await["not_published"], 2);
    billing.set_time("2027-01-17T00:00:00Z");
    assert_eq!(since().await, Vec::<String>::new(), "an unpublished event is listed for as long as the queue keeps it");
    assert_eq!(listed(&billing, "").await, []);
}
