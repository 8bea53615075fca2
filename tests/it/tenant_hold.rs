//! The promise: while a tenant is held, none of its deployments is active or created, by any caller or payment. Its
//! release resumes exactly the deployments that the hold paused, and a late copy of the rules does not restore a hold.
//! Deployments paused by the rule about missing subscriptions resume when they subscribe.

use std::sync::Arc;

use arcadia_domain::{State, TenantRules, create};
use arcadia_functions::runtime::Clock as _;
use arcadia_store::StoreError;
use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::billing::{Billing, admin, new_deployment};
use crate::harness::client::send;
use crate::harness::world::{ACME, START, id_of, user};
use crate::harness::{Fault, Reply};
use crate::many::{finish, results, show, start, turn};

const HOLD: &str = "/tenants/acme/hold";

async fn hold(billing: &Billing, reason: &str) -> Value {
    let body = json!({"reason": reason, "notes": "seen twice"});
    billing.put(HOLD, &billing.admin, body).await.expect(202)["tenant"].take()
}

async fn release(billing: &Billing) -> Value {
    billing.delete(HOLD, &billing.admin).await.expect(202)["tenant"].take()
}

/// Runs the operation that copies a tenant's rules, to its end.
async fn copy(billing: &Billing, tenant: &Value) -> String {
    let operation = tenant["operation_id"].as_str().expect("an operation").to_owned();
    finish(billing, &billing.app, &operation).await;
    operation
}

async fn tenant(billing: &Billing) -> Value {
    billing.get("/tenants/acme", &billing.user).await.expect(200)["tenant"].take()
}

/// The state of a deployment, whether its tenant is held, and the reason of its pause. Its history must balance.
async fn stands(billing: &Billing, id: &str) -> Value {
    billing.books(id).await;
    let deployment = billing.show(id).await["deployment"].take();
    json!([deployment["state"], deployment["tenant_held"], deployment["paused_by"]])
}

async fn to(billing: &Billing, id: &str, token: &str, state: &str) -> Reply {
    billing.transition(id, token, json!({"to_state": state})).await
}

#[tokio::test]
async fn a_hold_pauses_what_is_active_and_its_release_resumes_just_that() {
    let billing = Billing::at(START).await;
    let running = billing.create_subscribed("running", json!({"plan_code": "studio"})).await;
    billing.settle(&running).await;
    let resting = billing.create_in("resting", State::Paused).await;
    let archived = billing.create_in("archived", State::Archived).await;
    let other = billing.post("/deployments", &user("globex"), json!({"slug": "theirs"})).await.expect(201);
    let other = id_of(&other["deployment"]);

    let held = hold(&billing, "abuse").await;
    assert_eq!(
        (&held["hold"]["reason"], &held["hold"]["by"], &held["version"]),
        (&json!("abuse"), &json!("ada"), &json!(1))
    );
    assert_eq!(tenant(&billing).await, held, "the tenant's users see the hold");
    assert_eq!(show(&billing, held["operation_id"].as_str().expect("an id")).await["status"], "running");
    let operation = copy(&billing, &held).await;
    let of = |outcome: &str| (outcome.to_owned(), String::new());
    let found = results(&billing, &operation).await;
    assert_eq!([&found[&running], &found[&resting], &found[&archived]], [&of("done"), &of("done"), &of("unchanged")]);
    assert_eq!(stands(&billing, &running).await, json!(["paused", true, "tenant_hold"]));
    assert_eq!(stands(&billing, &resting).await, json!(["paused", true, null]));
    let theirs = billing.get(&format!("/deployments/{other}"), &billing.admin).await.expect(200);
    assert_eq!(
        (&theirs["deployment"]["state"], &theirs["deployment"]["tenant_held"]),
        (&json!("active"), &json!(false))
    );
    let events = billing.show(&running).await["events"].take();
    assert_eq!(
        (&events[1]["type"], &events[1]["reason"], &events[1]["notes"]),
        (&json!("updated"), &json!("abuse"), &json!("seen twice"))
    );
    assert_eq!(
        (&events[0]["to_state"], &events[0]["reason"], &events[0]["commit_last"]),
        (&json!("paused"), &json!("tenant_held"), &events[0]["sequence"])
    );
    for token in [&billing.user, &billing.admin] {
        for id in [&running, &resting] {
            to(&billing, id, token, "active").await.expect_problem(409, "tenant_held");
        }
        let body = json!({"tenant_id": ACME, "slug": "new"});
        billing.post("/deployments", token, body).await.expect_problem(409, "tenant_held");
    }

    let released = release(&billing).await;
    assert_eq!((&released["hold"], &released["version"]), (&Value::Null, &json!(2)));
    copy(&billing, &released).await;
    assert_eq!(stands(&billing, &running).await, json!(["active", false, null]));
    assert_eq!(stands(&billing, &resting).await, json!(["paused", false, null]));
    let created = id_of(&billing.create("new").await);
    assert_eq!(stands(&billing, &created).await, json!(["active", false, null]));
    let told = billing.get("/tenants/acme/events?order=asc", &billing.user).await.expect(200);
    let told: Vec<&Value> = told["events"].as_array().expect("events").iter().map(|event| &event["type"]).collect();
    assert_eq!(told, ["held", "released"]);
}

#[tokio::test]
async fn a_hold_is_set_once_in_the_version_that_was_seen_and_with_its_operation_or_not_at_all() {
    let billing = Billing::at(START).await;
    let held = hold(&billing, "abuse").await;
    let before = billing.fingerprint().await;
    let again = billing.put(HOLD, &billing.admin, json!({"reason": "abuse"})).await.expect(200);
    assert_eq!((&again["tenant"], billing.fingerprint().await), (&held, before), "the same reason writes nothing");
    billing.clock.shift(TimeDelta::hours(1));
    let noted = billing.put(HOLD, &billing.admin, json!({"reason": "abuse", "notes": "thrice"})).await.expect(202);
    assert_eq!(noted["tenant"]["hold"]["notes"], "thrice", "other notes are kept");
    let fraud = hold(&billing, "fraud").await;
    assert_eq!((&fraud["hold"]["since"], &fraud["hold"]["reason"]), (&held["hold"]["since"], &json!("fraud")));
    let stale = billing.request(Method::DELETE, HOLD, &billing.admin).header("if-match", "\"2\"");
    send(stale).await.expect_problem(412, "precondition_failed");
    let seen = billing.request(Method::DELETE, HOLD, &billing.admin).header("if-match", "\"3\"");
    let reply = send(seen).await;
    assert_eq!(reply.header("etag"), "\"4\"");
    let released = reply.expect(202)["tenant"].take();
    assert_eq!(billing.delete(HOLD, &billing.admin).await.expect(200)["tenant"], released);
    billing.put(HOLD, &billing.admin, json!({})).await.expect_problem(422, "validation_failed");
    for token in [&billing.user, &billing.provider, &billing.data_plane] {
        billing.put(HOLD, token, json!({"reason": "abuse"})).await.expect_problem(403, "admin_required");
        billing.delete(HOLD, token).await.expect_problem(403, "admin_required");
    }
    // A failed transaction leaves neither the hold nor an operation.
    let before = billing.fingerprint().await;
    let fault = Fault::cancelled(&["ConditionalCheckFailed", "None", "None", "None", "None"]);
    billing.dynamodb.plan("TransactWriteItems", 1, fault);
    let refused = billing.put(HOLD, &billing.admin, json!({"reason": "abuse"})).await;
    refused.expect_problem(409, "version_conflict");
    billing.dynamodb.clear();
    assert_eq!(billing.fingerprint().await, before);
    // The same if no operation can start.
    for _ in 0..16 {
        start(&billing, json!({"filter": {"tenant_id": "nobody"}, "command": {"type": "copy_tenant_rules"}})).await;
    }
    let refused = billing.put(HOLD, &billing.admin, json!({"reason": "abuse"})).await;
    refused.expect_problem(409, "too_many_operations");
    assert_eq!(tenant(&billing).await, released);
}

#[tokio::test]
async fn no_payment_lifts_a_hold() {
    let billing = Billing::at(START).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    billing.clock.shift(TimeDelta::days(8));
    billing.sweep().await;
    assert_eq!(billing.state(&id).await, "past_due");
    let held = hold(&billing, "abuse").await;
    copy(&billing, &held).await;
    assert_eq!(stands(&billing, &id).await, json!(["past_due", true, null]), "dunning continues");
    billing.settle(&id).await;
    assert_eq!(stands(&billing, &id).await, json!(["paused", true, "tenant_hold"]));
    let kinds = billing.kinds(&id).await;
    assert_eq!(kinds[kinds.len() - 2..], ["active by till as settled", "paused by till as tenant_held"]);
    // Billing continues from the release.
    billing.clock.shift(TimeDelta::days(60));
    assert_eq!(billing.sweep().await.steps, 0);
    copy(&billing, &release(&billing).await).await;
    assert_eq!(stands(&billing, &id).await, json!(["active", false, null]));
    assert_eq!(billing.invoices(&id).await.len(), 2);
}

#[tokio::test]
async fn a_copy_that_is_late_does_not_bring_a_hold_back() {
    let billing = Billing::at(START).await;
    let id = id_of(&billing.create("shop").await);
    let held = hold(&billing, "abuse").await;
    let released = release(&billing).await;
    // The first worker copies the rules as they are by then.
    copy(&billing, &held).await;
    assert_eq!(stands(&billing, &id).await, json!(["active", false, null]));
    let found = results(&billing, &copy(&billing, &released).await).await;
    assert_eq!(found[&id].0, "unchanged");
    assert!(billing.kinds(&id).await.iter().all(|kind| !kind.contains("tenant_held")));

    // A worker that read the hold commits after the release was copied, and meets a newer version.
    let stale = TenantRules { version: 1, held: true, ..TenantRules::default() };
    let read = billing.books(&id).await.aggregate;
    let late = arcadia_domain::decide(
        &read,
        arcadia_domain::Command::FollowTenant(stale),
        &admin(),
        None,
        billing.clock.now(),
    );
    assert_eq!(late, Ok(None));
}

#[tokio::test]
async fn a_creation_that_read_other_rules_is_refused() {
    let billing = Billing::at(START).await;
    let store = &billing.app.store;
    let command = |n| new_deployment(billing.app.new_id(billing.clock.now()), n);
    let created = |n, tenant_rules| {
        let mut command = command(n);
        command.created.tenant_rules = tenant_rules;
        create(command, &admin(), billing.clock.now()).expect("a creation")
    };
    let before = created(1, TenantRules::default());
    hold(&billing, "abuse").await;
    let refused = store.commit(&before, billing.app.new_commit_id(), None).await;
    assert!(matches!(refused, Err(StoreError::TenantHeld)), "{refused:?}");
    release(&billing).await;
    let refused = store.commit(&before, billing.app.new_commit_id(), None).await;
    assert!(matches!(refused, Err(StoreError::TenantConflict)), "{refused:?}");
    let after = created(1, TenantRules { version: 2, ..TenantRules::default() });
    store.commit(&after, billing.app.new_commit_id(), None).await.expect("a creation by the present rules");
    billing.put("/tenants/acme", &billing.admin, json!({"deployment_quota": 1})).await.expect(200);
    billing.post("/deployments", &billing.user, json!({"slug": "more"})).await.expect_problem(409, "quota_exceeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_creations_at_the_moment_of_a_hold_none_stays_active() {
    let billing = Arc::new(Billing::at(START).await);
    billing.create("first").await;
    let creations = (0..12).map(|n| {
        let billing = Arc::clone(&billing);
        tokio::spawn(
            async move { billing.post("/deployments", &billing.user, json!({"slug": format!("shop-{n}")})).await },
        )
    });
    let creations: Vec<_> = creations.collect();
    let held = loop {
        let reply = billing.put(HOLD, &billing.admin, json!({"reason": "abuse"})).await;
        if reply.status == 202 {
            break reply.body["tenant"].clone();
        }
        assert!(reply.status == 503 || reply.body["code"] == "version_conflict", "{}", reply.text);
    };
    for reply in join_all(creations).await {
        let reply = reply.expect("a reply");
        let refused = ["tenant_held", "version_conflict"].iter().any(|code| reply.body["code"] == **code);
        assert!(reply.status == 201 || refused || reply.status == 503, "{}", reply.text);
    }
    copy(&billing, &held).await;
    let all = billing.collect("/deployments?tenant_id=acme", &billing.admin, "deployments").await;
    assert!(!all.is_empty());
    for deployment in all {
        assert_eq!(
            (&deployment["state"], &deployment["tenant_held"]),
            (&json!("paused"), &json!(true)),
            "{deployment}"
        );
    }
}

#[tokio::test]
async fn an_operation_by_hand_copies_what_a_stopped_one_left() {
    let billing = Billing::at(START).await;
    let id = id_of(&billing.create("shop").await);
    let held = hold(&billing, "abuse").await;
    let operation = held["operation_id"].as_str().expect("an id");
    billing.post(&format!("/operations/{operation}/stop"), &billing.admin, json!({})).await.expect(200);
    turn(&billing, operation).await;
    assert_eq!(stands(&billing, &id).await, json!(["active", false, null]));
    let body = json!({"filter": {"tenant_id": ACME}, "command": {"type": "copy_tenant_rules"}});
    let mut dry = body.clone();
    dry["dry_run"] = json!(true);
    let preview = billing.post("/operations", &billing.admin, dry).await.expect(200);
    assert_eq!(preview["preview"][0]["outcome"], "done");
    let again = start(&billing, body).await;
    finish(&billing, &billing.app, &again).await;
    assert_eq!(stands(&billing, &id).await, json!(["paused", true, "tenant_hold"]));
}

async fn set(billing: &Billing, body: Value) -> Reply {
    billing.put("/tenants/acme", &billing.admin, body).await
}

#[tokio::test]
async fn an_unsubscribed_deployment_is_paused_after_its_tenants_days_until_it_subscribes() {
    let billing = Billing::at(START).await;
    let old = id_of(&billing.create("old").await);
    let subscribed = billing.create_subscribed("subscribed", json!({"plan_code": "studio"})).await;
    billing.settle(&subscribed).await;
    billing.clock.shift(TimeDelta::days(60));
    billing.sweep().await;
    // Together with a quota, in the same request.
    let reply = set(&billing, json!({"unsubscribed_after_days": 10, "deployment_quota": 3})).await;
    let tenant = reply.expect(202)["tenant"].take();
    assert_eq!((&tenant["unsubscribed_after_days"], &tenant["live_deployments"]), (&json!(10), &json!(2)));
    let again = set(&billing, json!({"unsubscribed_after_days": 10})).await.expect(200);
    assert_eq!(again["tenant"], tenant);
    copy(&billing, &tenant).await;
    billing.create("new").await;
    billing.post("/deployments", &billing.user, json!({"slug": "more"})).await.expect_problem(409, "quota_exceeded");
    assert_eq!(billing.next(&old).await.0, "pause_unsubscribed", "not for the days before the rule");
    billing.clock.shift(TimeDelta::days(10));
    billing.sweep().await;
    assert_eq!(stands(&billing, &old).await, json!(["paused", false, "unsubscribed"]));
    assert_eq!(
        stands(&billing, &subscribed).await,
        json!(["past_due", false, null]),
        "it is subscribed, and its invoice is overdue"
    );
    for token in [&billing.user, &billing.admin] {
        to(&billing, &old, token, "active").await.expect_problem(409, "subscription_required");
    }
    let all = billing.collect("/deployments?tenant_id=acme", &billing.admin, "deployments").await;
    let paused = all.iter().filter(|deployment| deployment["paused_by"] == "unsubscribed").count();
    assert_eq!(paused, 2, "the new one is paused, too");
    let path = format!("/deployments/{old}/subscribe");
    let body = json!({"plan_code": "studio"});
    billing.post(&format!("{path}?dry_run=true"), &billing.user, body.clone()).await.expect(200);
    billing.post(&path, &billing.user, body).await.expect(201);
    assert_eq!(stands(&billing, &old).await, json!(["active", false, null]));
    let kinds = billing.kinds(&old).await;
    assert_eq!(kinds[kinds.len() - 3..], ["active by bob as subscribed", "subscribed", "invoice_opened"]);
    // Without the rule no deployment is paused, and those that it paused can be resumed by hand.
    let never = set(&billing, json!({"unsubscribed_after_days": null})).await.expect(202)["tenant"].take();
    copy(&billing, &never).await;
    let new = all.iter().find(|deployment| deployment["slug"] == "new").expect("it is listed");
    to(&billing, &id_of(new), &billing.user, "active").await.expect(200);
}
