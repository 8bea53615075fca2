//! The promise: a plan and an add-on are put into the catalog and bought together, at prices that no later change of
//! the catalog touches. A change of plan is one call.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::world::{ACME, START, id_of};

/// The beginnings of the month of these tests and of the next month.
const MONTH: (&str, &str) = ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z");
/// The due date of an invoice that is issued at [`START`].
const DUE: &str = "2027-01-22T10:00:00Z";

/// A world that sells `studio` with one version and `storage_50gb`, created by single calls.
async fn catalog() -> World {
    let world = World::start().await;
    let plan = world.put("/plans/studio", &world.admin, json!({"name": "Studio"})).await;
    assert_eq!((plan.header("etag"), plan.header("location")), ("\"1\"", "/api/v1/plans/studio"));
    let expected = json!({
        "code": "studio", "name": "Studio", "status": "active", "newest_version": null, "revision": 1,
        "created_at": START, "updated_at": START,
    });
    assert_eq!(plan.expect(201), json!({"plan": expected}));
    let version = json!({"price_cents": 2_900, "currency": "USD", "interval": "month"});
    let version = world.post("/plans/studio/versions", &world.admin, version).await.expect(201);
    let expected = json!({
        "plan_code": "studio", "version": 1, "price_cents": 2_900, "currency": "USD", "interval": "month",
        "trial_days": 0, "published_at": START, "status": "offered",
    });
    assert_eq!(version, json!({"plan_version": expected, "replaced": null, "operation_id": null}));
    let addon = json!({"name": "Storage", "price_cents": 750, "currency": "USD", "quantity": 50, "unit": "GB"});
    let reply = world.put("/addons/storage_50gb", &world.admin, addon).await;
    assert_eq!((reply.header("etag"), reply.header("location")), ("\"1\"", "/api/v1/addons/storage_50gb"));
    let expected = json!({
        "code": "storage_50gb", "name": "Storage", "price_cents": 750, "currency": "USD", "quantity": 50, "unit": "GB",
        "status": "active", "revision": 1, "created_at": START, "updated_at": START,
    });
    assert_eq!(reply.expect(201), json!({"addon": expected}));
    world
}

fn studio_with_storage() -> Value {
    json!({"plan_code": "studio", "addons": ["storage_50gb"]})
}

#[tokio::test]
async fn a_deployment_is_created_paused_resumed_and_never_archived_from_a_pause() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let paused = world.transition(&id, &world.user, json!({"to_state": "paused"})).await.expect(200);
    let event = &paused["event"];
    assert_eq!((&event["type"], &event["actor"]), (&json!("state_changed"), &json!("bob")));
    assert_eq!((&event["from_state"], &event["to_state"]), (&json!("active"), &json!("paused")));
    let refused = world.transition(&id, &world.admin, json!({"to_state": "archived"})).await;
    refused.expect_problem(422, "invalid_transition");
    let back = world.transition(&id, &world.user, json!({"to_state": "active"})).await.expect(200);
    assert_eq!(back["deployment"]["state"], "active");
    assert_eq!(world.check(&id).await.deployment.version, 3);
}

#[tokio::test]
async fn a_subscription_copies_its_prices_and_runs_with_the_calendar_month() {
    let world = catalog().await;
    let id = id_of(&world.create("shop").await);
    let reply = world.subscribe(&id, studio_with_storage()).await;
    assert_eq!(reply.header("etag"), "\"3\"");
    assert_eq!(reply.header("location"), format!("/api/v1/deployments/{id}"));
    let body = reply.expect(201);
    let subscription = &body["subscription"];
    let addon = json!({
        "id": subscription["addons"][0]["id"], "code": "storage_50gb", "name": "Storage", "price_cents": 750,
        "interval_prices": {}, "currency": "USD", "quantity": 50, "unit": "GB", "attached_at": START,
    });
    let expected = json!({
        "id": subscription["id"], "plan_code": "studio", "plan_version": 1, "price_cents": 2_900, "currency": "USD",
        "interval": "month", "recurring_cents": 3_650, "status": "active", "anchor": "calendar", "anchor_at": MONTH.0,
        "anchor_day": 1, "cycle_index": 0, "current_period_start": MONTH.0, "current_period_end": MONTH.1,
        "billed_from": START, "trial_ends_at": null, "cancel_at": null, "cancel_scheduled_by": null,
        "cancelled_at": null, "ended_at": null, "pending_change": null, "discount": null,
        "unbilled_lines": [], "created_at": START, "addons": [addon],
    });
    // From 15 January, 10:00, 398 of the month's 744 hours are billed: 1551.34 of 2900, 401.21 of 750.
    let line = |charge: &str, kind: &str, code: &str, amount_cents: i64| {
        json!({
            "charge": charge, "kind": kind, "code": code, "amount_cents": amount_cents, "currency": "USD", "from": START, "to": MONTH.1,
        })
    };
    let subscription_id = id_of(subscription);
    let number = format!("20270115100000-{}-USD", &subscription_id[subscription_id.len() - 12..]);
    let invoice = json!({
        "number": number, "deployment_id": id, "subscription_id": subscription_id, "status": "open", "currency": "USD",
        "billed_from": START, "billed_to": MONTH.1,
        "lines": [line("2-0", "plan_charge", "studio", 1_551), line("2-1", "addon_charge", "storage_50gb", 401)],
        "subtotal_cents": 1_952, "tax_cents": 0, "tax_rate_basis_points": 0, "total_cents": 1_952, "credited_cents": 0, "returned_cents": 0, "balance_cents": 0, "paid_cents": 0,
        "due_cents": 1_952, "forgiven_cents": 0, "credits": [], "payments": [], "issued_at": START, "due_at": DUE, "closed_at": null,
        "version": 2,
    });
    assert_eq!(body, json!({"subscription": expected, "invoice": invoice}));
    let own = world.get(&format!("/deployments/{id}/invoices/{number}"), &world.user).await.expect(200);
    assert_eq!(own, json!({"invoice": invoice}));

    let shown = world.show(&id).await;
    assert_eq!(shown["subscription"], expected);
    let deployment = &shown["deployment"];
    assert_eq!((&deployment["state"], &deployment["version"]), (&json!("active"), &json!(3)));
    let open = json!({"number": number, "due_at": DUE, "due_cents": 1_952, "currency": "USD"});
    assert_eq!((&deployment["open_invoices"], &deployment["uncollectible_invoices"]), (&json!([open]), &json!(0)));
    assert_eq!((&deployment["next_action"], &deployment["next_action_at"]), (&json!("mark_past_due"), &json!(DUE)));
    let history: Vec<&Value> = shown["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(history, ["invoice_opened", "subscribed", "created"]);
    assert_eq!((&shown["events"][0]["actor"], &shown["events"][1]["actor"]), (&json!("bob"), &json!("bob")));
    assert_eq!(shown["events"][1]["data"]["addons"], json!([addon]));
    let default_policy = json!({
        "payment_terms_days": 7, "past_due_after_days": 0, "suspended_after_days": 14, "cancelled_after_days": 30,
        "archived_after_days": 90,
    });
    assert_eq!(shown["events"][1]["data"]["dunning_policy"], default_policy);

    for (path, token) in [("/deployments", &world.user), ("/deployments", &world.admin)] {
        let listed = world.collect(path, token, "deployments").await;
        let [row] = &listed[..] else { panic!("{listed:?}") };
        let summary = json!({
            "plan_code": "studio", "plan_version": 1, "status": "active", "interval": "month", "recurring_cents": 3_650,
            "currency": "USD", "current_period_end": MONTH.1, "cancel_at": null, "pending": null,
        });
        assert_eq!((&row["subscription"], &row["tenant_id"]), (&summary, &json!(ACME)));
        assert_eq!((&row["next_action"], &row["next_action_at"]), (&json!("mark_past_due"), &json!(DUE)));
        assert_eq!(row["open_invoices"], json!([open]));
    }
    // Once the invoice is paid, the next step is the next period.
    world.settle_open_invoices(&id).await;
    let deployment = &world.show(&id).await["deployment"];
    assert_eq!((&deployment["open_invoices"], &deployment["version"]), (&json!([]), &json!(4)));
    assert_eq!((&deployment["next_action"], &deployment["next_action_at"]), (&json!("renew"), &json!(MONTH.1)));
    world.check(&id).await;
}

#[tokio::test]
async fn addons_stand_in_one_order_in_every_answer_and_in_the_replay() {
    let world = catalog().await;
    let id = id_of(&world.create("shop").await);
    // All in one millisecond, so that their ids alone do not give their order.
    let subscribed =
        world.subscribe(&id, json!({"plan_code": "studio", "addons": vec!["storage_50gb"; 8]})).await.expect(201);
    assert_eq!(world.subscription(&id).await["addons"], subscribed["subscription"]["addons"]);
    // A clock that is behind.
    world.clock.shift(-TimeDelta::seconds(1));
    let path = format!("/deployments/{id}/subscription/addons");
    let attached = world.post(&path, &world.user, json!({"addon_code": "storage_50gb"})).await.expect(201);
    assert_eq!(world.subscription(&id).await["addons"], attached["subscription"]["addons"]);
    assert_eq!(world.check(&id).await.addons.len(), 9);
}

#[tokio::test]
async fn a_new_price_of_an_addon_is_for_new_subscribers_only() {
    let world = catalog().await;
    let old = world.create_subscribed("old", studio_with_storage()).await;
    let before = (world.subscription(&old).await, world.load(&old).await);
    let addon = json!({"name": "More storage", "price_cents": 990, "currency": "USD", "quantity": 60, "unit": "GiB"});
    let repriced = world.put("/addons/storage_50gb", &world.admin, addon).await;
    assert_eq!(repriced.header("etag"), "\"2\"");
    repriced.expect(200);
    assert_eq!((world.subscription(&old).await, world.load(&old).await), before);
    assert_eq!(before.0["addons"][0]["price_cents"], 750);

    let new = world.create_subscribed("new", studio_with_storage()).await;
    let addon = &world.subscription(&new).await["addons"][0];
    assert_eq!((&addon["price_cents"], &addon["quantity"], &addon["unit"]), (&json!(990), &json!(60), &json!("GiB")));
    // The old subscriber gets the new price with a new subscription; the old one keeps its price.
    world.clock.shift(TimeDelta::milliseconds(1));
    world.attach(&old, "storage_50gb").await;
    let subscription = world.subscription(&old).await;
    assert_eq!(crate::harness::shop::column(&subscription["addons"], "price_cents"), [750, 990]);
    assert_eq!(subscription["recurring_cents"], 2_900 + 750 + 990);
    world.check(&old).await;
}

#[tokio::test]
async fn a_published_version_moves_nobody_and_a_change_to_it_is_one_call() {
    let world = catalog().await;
    let id = world.create_subscribed("shop", studio_with_storage()).await;
    let before = (world.subscription(&id).await, world.load(&id).await);
    let version = json!({"price_cents": 3_900, "currency": "USD", "interval": "month"});
    let version = world.post("/plans/studio/versions", &world.admin, version).await.expect(201);
    assert_eq!(version["plan_version"]["version"], 2);
    assert_eq!((world.subscription(&id).await, world.load(&id).await), before);
    let newcomer = world.create_subscribed("newcomer", json!({"plan_code": "studio"})).await;
    assert_eq!(world.subscription(&newcomer).await["plan_version"], 2);

    let reply = world.change(&id, json!({"plan_code": "studio"})).await;
    // The invoice is unpaid, so the credit lowers it and the charge has an invoice of its own.
    assert_eq!(reply.header("etag"), "\"5\"");
    let body = reply.expect(200);
    let event = &body["event"];
    assert_eq!(
        (&event["type"], &event["sequence"], &event["actor"]),
        (&json!("plan_changed"), &json!(4), &json!("bob"))
    );
    let terms = |version: u32, price_cents: i64| {
        json!({
            "plan_code": "studio", "plan_version": version, "price_cents": price_cents, "currency": "USD",
            "interval": "month",
        })
    };
    assert_eq!((&event["data"]["from"], &event["data"]["to"]), (&terms(1, 2_900), &terms(2, 3_900)));
    assert_eq!(body["subscription"]["plan_version"], 2);
    assert_eq!(body["subscription"]["recurring_cents"], 3_900 + 750);
    assert_eq!(world.subscription(&id).await, body["subscription"]);
    world.check(&id).await;
}

#[tokio::test]
async fn a_dry_run_of_a_change_tells_its_lines_to_the_cent_and_writes_nothing() {
    let world = catalog().await;
    let id = world.create_subscribed("shop", studio_with_storage()).await;
    world.publish("studio", json!({"price_cents": 3_900})).await.expect(201);
    let before = world.contents().await;
    let dry = world.change(&id, json!({"plan_code": "studio", "dry_run": true})).await;
    assert_eq!(dry.header("etag"), "\"3\"", "the stored version");
    let dry = dry.expect(200);
    assert_eq!(world.contents().await, before);
    // From 15 January, 10:00, 398 of the month's 744 hours remain: 1551.34 of 2900, 2086.29 of 3900.
    let line = |charge: &str, kind: &str, amount_cents: i64| {
        json!({
            "charge": charge, "kind": kind, "code": "studio", "amount_cents": amount_cents, "currency": "USD", "from": START,
            "to": MONTH.1,
        })
    };
    assert_eq!(dry["lines"], json!([line("2-0", "plan_credit", -1_551), line("4-0", "plan_charge", 2_086)]));
    assert_eq!(dry["dry_run"], true);
    let real = world.change(&id, json!({"plan_code": "studio", "dry_run": false})).await.expect(200);
    for name in ["subscription", "lines", "invoice", "event"] {
        assert_eq!(real[name], dry[name], "{name}");
    }
    // The invoice is unpaid, so the charge that replaces a part of it does not wait.
    assert_eq!(real["subscription"]["unbilled_lines"], json!([]));
    assert_eq!(real["invoice"]["lines"], json!([dry["lines"][1]]));
    world.check(&id).await;
}
