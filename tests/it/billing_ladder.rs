//! The promise: a scheduled step happens at its moment and not before, once, with an event by `system:billing`, and the
//! next step is always shown.

use arcadia_domain::State;
use arcadia_functions::billing::sweep::Report;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::shop::column;
use crate::harness::world::{ACME, id_of, user};

const BOUGHT: &str = "2027-11-16T00:00:00Z";

/// A world in which acme's `shop` subscribed on 16 November and owes the invoice for the rest of the month.
async fn owing() -> (Billing, String) {
    let billing = Billing::at(BOUGHT).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    (billing, id)
}

async fn set_policy(billing: &Billing, days: [i64; 5]) {
    let [terms, past_due, suspended, cancelled, archived] = days;
    let policy = json!({
        "payment_terms_days": terms, "past_due_after_days": past_due, "suspended_after_days": suspended,
        "cancelled_after_days": cancelled, "archived_after_days": archived,
    });
    billing.put(&format!("/tenants/{ACME}/dunning-policy"), &billing.admin, policy).await.expect(200);
}

async fn set_held(billing: &Billing, id: &str, held: bool) {
    let body = json!({"billing_action_suspended": held});
    billing.patch(&format!("/deployments/{id}"), &billing.admin, body).await.expect(200);
}

/// Insists that the next step is `action` at `at`, and that it happens then and not before.
async fn expect_step(billing: &Billing, id: &str, action: &str, at: &str) {
    expect_steps(billing, id, action, at, 1).await;
}

/// The same if other steps are due at the same moment.
async fn expect_steps(billing: &Billing, id: &str, action: &str, at: &str, steps: usize) {
    assert_eq!(billing.next(id).await, (action.to_owned(), at.to_owned()));
    billing.steps_at(at, steps).await;
    billing.books(id).await;
}

#[tokio::test]
async fn an_unpaid_deployment_climbs_the_ladder_step_by_step() {
    let (billing, id) = owing().await;
    // The cancellation gives up November's invoice. December's is due on the 8th and is given up on its own day.
    for (action, at, steps, state, since) in [
        ("mark_past_due", "2027-11-23T00:00:00Z", 1, "past_due", "2027-11-23T00:00:00Z"),
        ("renew", "2027-12-01T00:00:00Z", 1, "past_due", "2027-11-23T00:00:00Z"),
        ("suspend", "2027-12-07T00:00:00Z", 1, "suspended", "2027-12-07T00:00:00Z"),
        ("cancel_unpaid", "2027-12-23T00:00:00Z", 2, "cancelled", "2027-12-23T00:00:00Z"),
        ("give_up", "2028-01-07T00:00:00Z", 1, "cancelled", "2027-12-23T00:00:00Z"),
        ("archive", "2028-03-22T00:00:00Z", 1, "archived", "2028-03-22T00:00:00Z"),
    ] {
        expect_steps(&billing, &id, action, at, steps).await;
        assert_eq!(billing.state(&id).await, state);
        assert_eq!(billing.show(&id).await["deployment"]["state_since"], since);
        if action == "cancel_unpaid" {
            assert_eq!(column(&json!(billing.invoices(&id).await), "status"), ["uncollectible", "open"]);
            let archived = billing.transition(&id, &billing.admin, json!({"to_state": "archived"})).await;
            assert_eq!(archived.expect_problem(409, "open_invoices")["open_invoices"], 1);
        }
        billing.check(&id).await;
    }
    assert_eq!(
        billing.kinds(&id).await[3..],
        [
            "past_due by system:billing as invoice_overdue",
            "renewed",
            "invoice_opened",
            "suspended by system:billing as invoice_unpaid",
            "cancelled by system:billing as invoice_unpaid",
            "invoices_uncollectible",
            "invoices_uncollectible",
            "archived by system:billing as retention_ended",
        ]
    );
    assert_eq!(billing.next(&id).await, ("none".to_owned(), "none".to_owned()));
    billing.clock.shift(TimeDelta::days(3_650));
    assert_eq!(billing.sweep().await, Report::default());
    assert_eq!(column(&json!(billing.invoices(&id).await), "status"), ["uncollectible", "uncollectible"]);
}

#[tokio::test]
async fn the_days_are_the_tenants_and_deadlines_that_run_do_not_move() {
    let billing = Billing::at(BOUGHT).await;
    set_policy(&billing, [3, 2, 5, 10, 1]).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    // Due on the 19th. A later change of the tenant's policy moves none of its deadlines.
    set_policy(&billing, [30, 3, 6, 11, 2]).await;
    expect_step(&billing, &id, "mark_past_due", "2027-11-21T00:00:00Z").await;
    set_policy(&billing, [0, 0, 1, 2, 1]).await;
    assert_eq!(billing.sweep().await, Report::default(), "no deadline has moved");
    expect_step(&billing, &id, "suspend", "2027-11-24T00:00:00Z").await;
    set_policy(&billing, [365, 363, 364, 365, 365]).await;
    expect_steps(&billing, &id, "cancel_unpaid", "2027-11-29T00:00:00Z", 2).await;
    assert_eq!(column(&json!(billing.invoices(&id).await), "status"), ["uncollectible"]);
    expect_step(&billing, &id, "archive", "2027-11-30T00:00:00Z").await;
}

#[tokio::test]
async fn a_renewal_on_the_ladder_takes_the_payment_terms_of_its_moment_and_leaves_the_days_of_the_ladder() {
    let (billing, id) = owing().await;
    billing.step_at("2027-11-23T00:00:00Z").await;
    set_policy(&billing, [1, 0, 1, 2, 1]).await;
    billing.step_at("2027-12-01T00:00:00Z").await;
    assert_eq!(billing.invoices(&id).await[1]["due_at"], "2027-12-02T00:00:00Z");
    // The deadlines follow November's invoice, by the days that were copied with it.
    assert_eq!(billing.next(&id).await, ("suspend".to_owned(), "2027-12-07T00:00:00Z".to_owned()));
    billing.settle(&id).await;
    assert_eq!(billing.state(&id).await, "active");
    // An invoice issued while none is open copies the policy's days, too.
    billing.step_at("2028-01-01T00:00:00Z").await;
    assert_eq!(billing.invoices(&id).await[2]["due_at"], "2028-01-02T00:00:00Z");
    expect_step(&billing, &id, "mark_past_due", "2028-01-02T00:00:00Z").await;
    expect_step(&billing, &id, "suspend", "2028-01-03T00:00:00Z").await;
    expect_steps(&billing, &id, "cancel_unpaid", "2028-01-04T00:00:00Z", 2).await;
    expect_step(&billing, &id, "archive", "2028-01-05T00:00:00Z").await;
}

#[tokio::test]
async fn an_unpaid_paused_deployment_is_cancelled_in_time_or_resumed_by_the_platform_onto_the_first_rung() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let [left, resumed] = [
        billing.create_subscribed("left", json!({"plan_code": "studio"})).await,
        billing.create_subscribed("resumed", json!({"plan_code": "studio"})).await,
    ];
    billing.set_time("2027-01-05T00:00:00Z");
    for id in [&left, &resumed] {
        let body = json!({"to_state": "paused", "resume_at": "2027-01-20T00:00:00Z"});
        billing.transition(id, &billing.user, body).await.expect(200);
        // The pause would end after the due date, the 8th.
        assert_eq!(billing.next(id).await, ("cancel_unpaid".to_owned(), "2027-02-07T00:00:00Z".to_owned()));
    }
    billing.set_time("2027-02-03T00:00:00Z");
    assert_eq!(billing.sweep().await, Report::default());
    let active = json!({"to_state": "active"});
    billing.transition(&left, &billing.user, active.clone()).await.expect_problem(403, "invoice_overdue");
    billing.transition(&resumed, &billing.admin, active).await.expect(200);
    // The invoice bills 26 of the 28 days of February.
    let invoice = billing.invoices(&resumed).await.pop().unwrap();
    assert_eq!((&invoice["total_cents"], &invoice["due_at"]), (&json!(2_693), &json!("2027-02-10T00:00:00Z")));
    assert_eq!(billing.sweep().await, Report { due: 1, steps: 1, ..Report::default() });
    assert_eq!(billing.state(&resumed).await, "past_due");
    assert_eq!(billing.sweep().await, Report::default(), "the next rung is days away");
    let upcoming = billing.show(&resumed).await["deployment"]["upcoming"].take();
    assert_eq!(column(&upcoming, "action"), ["suspend", "renew", "cancel_unpaid"]);
    assert_eq!(column(&upcoming, "at"), ["2027-02-17T00:00:00Z", "2027-03-01T00:00:00Z", "2027-03-05T00:00:00Z"]);

    expect_steps(&billing, &left, "cancel_unpaid", "2027-02-07T00:00:00Z", 2).await;
    assert_eq!(billing.state(&left).await, "cancelled");
    assert_eq!(column(&json!(billing.invoices(&left).await), "status"), ["uncollectible"]);
    assert_eq!(
        billing.kinds(&left).await[4..],
        ["cancelled by system:billing as invoice_unpaid", "invoices_uncollectible"]
    );
    expect_step(&billing, &resumed, "suspend", "2027-02-17T00:00:00Z").await;
    expect_steps(&billing, &resumed, "cancel_unpaid", "2027-03-05T00:00:00Z", 2).await;
    expect_step(&billing, &resumed, "give_up", "2027-03-12T00:00:00Z").await;
    for id in [&left, &resumed] {
        billing.check(id).await;
    }
}

#[tokio::test]
async fn a_held_deployment_is_billed_but_not_moved_and_then_climbs_each_rung_at_its_distance() {
    let (billing, id) = owing().await;
    set_held(&billing, &id, true).await;
    for month in ["2027-12", "2028-01", "2028-02"] {
        expect_step(&billing, &id, "renew", &format!("{month}-01T00:00:00Z")).await;
    }
    assert_eq!((billing.state(&id).await, billing.invoices(&id).await.len()), ("active".to_owned(), 4));
    billing.set_time("2028-02-20T00:00:00Z");
    assert_eq!(billing.sweep().await, Report::default());
    set_held(&billing, &id, false).await;
    assert_eq!(billing.sweep().await, Report { due: 1, steps: 1, ..Report::default() });
    assert_eq!(billing.state(&id).await, "past_due");
    assert_eq!(billing.sweep().await, Report::default(), "the next rung is fourteen days away");
    expect_step(&billing, &id, "renew", "2028-03-01T00:00:00Z").await;
    expect_step(&billing, &id, "suspend", "2028-03-05T00:00:00Z").await;
    // Sixteen days later, all but the last of five invoices are at least thirty days overdue. One step gives them up.
    expect_steps(&billing, &id, "cancel_unpaid", "2028-03-21T00:00:00Z", 2).await;
    assert_eq!(billing.state(&id).await, "cancelled");
    let statuses = ["uncollectible", "uncollectible", "uncollectible", "uncollectible", "open"];
    assert_eq!(column(&json!(billing.invoices(&id).await), "status"), statuses);
    expect_step(&billing, &id, "give_up", "2028-04-07T00:00:00Z").await;
    assert_eq!(billing.next(&id).await, ("archive".to_owned(), "2028-06-19T00:00:00Z".to_owned()));
    // A held deployment is not archived, and its trial or pause does not end.
    set_held(&billing, &id, true).await;
    let trial = billing.create_in("trial", State::Trial).await;
    let paused = id_of(&billing.create("paused").await);
    let body = json!({"to_state": "paused", "resume_at": "2028-04-08T00:00:00Z"});
    billing.transition(&paused, &billing.user, body).await.expect(200);
    for id in [&trial, &paused] {
        set_held(&billing, id, true).await;
    }
    billing.clock.shift(TimeDelta::days(400));
    assert_eq!(billing.sweep().await, Report::default());
    for id in [&id, &trial, &paused] {
        assert_eq!(billing.next(id).await.0, "none");
        set_held(&billing, id, false).await;
    }
    assert_eq!(billing.sweep().await, Report { due: 3, steps: 3, ..Report::default() });
    for (id, state) in [(&id, "archived"), (&trial, "cancelled"), (&paused, "active")] {
        assert_eq!(billing.state(id).await, state);
        billing.books(id).await;
    }
}

#[tokio::test]
async fn live_resources_keep_a_cancelled_deployment_from_the_archive() {
    let billing = Billing::at(BOUGHT).await;
    let id = id_of(&billing.create("shop").await);
    let path = format!("/deployments/{id}/resources");
    let body = json!({"kind": "bucket", "provider_reference": "arn:1"});
    let resource = billing.post(&path, &billing.data_plane, body).await;
    assert_eq!(resource.status, 201, "{}", resource.text);
    let resource = id_of(&resource.body["resource"]);
    billing.transition(&id, &billing.user, json!({"to_state": "cancelled"})).await.expect(200);
    assert_eq!(billing.next(&id).await.0, "none");
    billing.set_time("2028-06-01T00:00:00Z");
    assert_eq!(billing.sweep().await, Report::default());
    billing.delete(&format!("{path}/{resource}"), &billing.data_plane).await.expect(200);
    assert_eq!(billing.next(&id).await, ("archive".to_owned(), "2028-02-14T00:00:00Z".to_owned()));
    assert_eq!(billing.sweep().await.steps, 1);
    assert_eq!(billing.state(&id).await, "archived");
    billing.books(&id).await;
}

#[tokio::test]
async fn a_trial_ends_in_billing_with_a_subscription_and_in_cancellation_without() {
    let billing = Billing::at("2027-11-02T00:00:00Z").await;
    let bought = billing.create_in("bought", State::Trial).await;
    billing.subscribe(&bought, json!({"plan_code": "studio"})).await.expect(201);
    assert_eq!(billing.invoices(&bought).await, Vec::<Value>::new());
    expect_step(&billing, &bought, "end_trial", BOUGHT).await;
    assert_eq!(billing.kinds(&bought).await[2..], ["active by system:billing as trial_ended", "invoice_opened"]);
    let invoices = billing.invoices(&bought).await;
    assert_eq!((invoices.len(), &invoices[0]["total_cents"]), (1, &json!(1_450)));
    billing.settle(&bought).await;

    let left = billing.create_in("left", State::Trial).await;
    expect_step(&billing, &left, "end_trial", "2027-11-30T00:00:00Z").await;
    assert_eq!(billing.kinds(&left).await[1..], ["cancelled by system:billing as trial_ended"]);
    assert_eq!(billing.next(&left).await, ("archive".to_owned(), "2028-02-28T00:00:00Z".to_owned()));

    // A trial of the subscription alone: the deployment is active.
    let billing = Billing::at("2027-11-02T00:00:00Z").await;
    billing.sell_plan("tryout", &[json!({"price_cents": 2_900, "trial_days": 14})]).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "tryout", "addons": ["storage_50gb"]})).await;
    assert_eq!(billing.invoices(&id).await, Vec::<Value>::new());
    expect_step(&billing, &id, "end_trial", BOUGHT).await;
    assert_eq!(billing.kinds(&id).await[2..], ["trial_ended", "invoice_opened"]);
    assert_eq!(billing.invoices(&id).await[0]["total_cents"], 1_825);
    assert_eq!(billing.next(&id).await, ("mark_past_due".to_owned(), "2027-11-23T00:00:00Z".to_owned()));
    billing.check(&id).await;
}

#[tokio::test]
async fn a_pause_ends_at_its_moment_and_time_that_was_paid_for_goes_on() {
    let billing = Billing::at("2027-11-01T00:00:00Z").await;
    for (slug, resume_at, invoices) in
        [("within", "2027-11-20T00:00:00Z", vec![2_900]), ("beyond", "2027-12-16T12:00:00Z", vec![2_900, 1_450])]
    {
        billing.set_time("2027-11-01T00:00:00Z");
        let id = billing.create_subscribed(slug, json!({"plan_code": "studio"})).await;
        billing.settle(&id).await;
        let body = json!({"to_state": "paused", "resume_at": resume_at});
        billing.transition(&id, &billing.user, body).await.expect(200);
        expect_step(&billing, &id, "resume", resume_at).await;
        assert_eq!(billing.state(&id).await, "active");
        // From 16 December 12:00, half of the month's 31 days remain.
        assert_eq!(column(&json!(billing.invoices(&id).await), "total_cents"), invoices);
        billing.set_time("2027-11-21T00:00:00Z");
        billing.settle(&id).await;
        billing.cancel(&id, "immediate").await.expect(200);
    }
}

#[tokio::test]
async fn a_scheduled_cancellation_and_a_scheduled_change_of_plan_take_place_at_the_end_of_the_period() {
    let billing = Billing::at("2027-11-01T00:00:00Z").await;
    let december = "2027-12-01T00:00:00Z";
    let leaver = billing.create_subscribed("leaver", json!({"plan_code": "studio"})).await;
    billing.settle(&leaver).await;
    billing.cancel(&leaver, "period_end").await.expect(200);
    expect_step(&billing, &leaver, "cancel_subscription", december).await;
    assert_eq!(billing.subscription(&leaver).await["status"], "cancelled");
    assert_eq!((billing.state(&leaver).await, billing.next(&leaver).await.0), ("active".to_owned(), "none".to_owned()));
    assert_eq!(billing.invoices(&leaver).await.len(), 1);

    let mover = billing.create_subscribed("mover", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    billing.settle(&mover).await;
    let body = json!({"plan_code": "euro", "effective": "period_end", "drop_incompatible": true});
    billing.change(&mover, body).await.expect(200);
    expect_step(&billing, &mover, "change_plan", "2028-01-01T00:00:00Z").await;
    let subscription = billing.subscription(&mover).await;
    assert_eq!((&subscription["plan_code"], &subscription["addons"]), (&json!("euro"), &json!([])));
    assert_eq!(subscription["pending_change"], Value::Null);
    let invoice = billing.invoices(&mover).await.pop().unwrap();
    assert_eq!((&invoice["currency"], &invoice["total_cents"]), (&json!("EUR"), &json!(2_700)));
    assert_eq!(invoice["lines"].as_array().unwrap().len(), 1);
    billing.check(&mover).await;

    // A change to a yearly plan sets a new anchor.
    billing.void(&mover, invoice["number"].as_str().unwrap()).await.expect(200);
    billing.change(&mover, json!({"plan_code": "yearly", "effective": "period_end"})).await.expect(200);
    expect_step(&billing, &mover, "change_plan", "2028-02-01T00:00:00Z").await;
    let subscription = billing.subscription(&mover).await;
    assert_eq!(subscription["current_period_end"], "2029-02-01T00:00:00Z");
    assert_eq!(billing.invoices(&mover).await.pop().unwrap()["total_cents"], 29_000);
    billing.check(&mover).await;
}

#[tokio::test]
async fn a_deployment_far_behind_catches_up_three_steps_a_sweep_and_is_reported() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    billing.sell_plan("free", &[json!({"price_cents": 0})]).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "free"})).await;
    billing.set_time("2027-08-15T00:00:00Z");
    for (steps, behind) in [(3, 1), (3, 1), (1, 0)] {
        assert_eq!(billing.sweep().await, Report { due: 1, steps, behind, ..Report::default() });
        billing.books(&id).await;
    }
    assert_eq!(billing.sweep().await, Report::default());
    assert_eq!(billing.books(&id).await.invoices.len(), 8);
    assert_eq!(billing.next(&id).await, ("renew".to_owned(), "2027-09-01T00:00:00Z".to_owned()));
    // Exactly three periods behind is not reported.
    billing.set_time("2027-11-01T00:00:00Z");
    assert_eq!(billing.sweep().await, Report { due: 1, steps: 3, ..Report::default() });
    // Each period was billed in full when the sweep ran, and is due from then on.
    let invoices = billing.invoices(&id).await;
    assert_eq!(invoices[1]["issued_at"], "2027-08-15T00:00:00Z");
}

#[tokio::test]
async fn a_dunning_policy_that_makes_no_sense_is_refused() {
    let billing = Billing::at(BOUGHT).await;
    let path = format!("/tenants/{ACME}/dunning-policy");
    let good = json!({
        "payment_terms_days": 7, "past_due_after_days": 1, "suspended_after_days": 14, "cancelled_after_days": 30,
        "archived_after_days": 365,
    });
    billing.put(&path, &billing.admin, good.clone()).await.expect(200);
    let before = billing.contents().await;
    for (field, value, code) in [
        ("payment_terms_days", json!(366), "out_of_range"),
        ("payment_terms_days", json!(-1), "out_of_range"),
        ("archived_after_days", json!(1.5), "not_an_integer"),
        ("archived_after_days", json!("90"), "not_an_integer"),
        ("cancelled_after_days", json!(u64::MAX), "out_of_range"),
        ("past_due_after_days", json!(null), "not_null"),
    ] {
        let mut policy = good.clone();
        policy[field] = value;
        let pointer = format!("/{field}");
        billing.put(&path, &billing.admin, policy).await.expect_fields(&[(pointer.as_str(), code)]);
    }
    for name in good.as_object().unwrap().keys() {
        let mut policy = good.clone();
        policy.as_object_mut().unwrap().remove(name);
        let pointer = format!("/{name}");
        billing.put(&path, &billing.admin, policy).await.expect_fields(&[(pointer.as_str(), "required")]);
    }
    for (field, value) in [
        ("suspended_after_days", 31),
        ("suspended_after_days", 30),
        ("suspended_after_days", 1),
        ("suspended_after_days", 0),
        ("cancelled_after_days", 14),
        ("cancelled_after_days", 13),
    ] {
        let mut policy = good.clone();
        policy[field] = value.into();
        billing.put(&path, &billing.admin, policy).await.expect_fields(&[("/suspended_after_days", "out_of_order")]);
    }
    let mut unknown = good.clone();
    unknown["reminder_after_days"] = 3.into();
    billing.put(&path, &billing.admin, unknown).await.expect_problem(400, "unknown_field");
    billing.put(&path, &billing.user, good.clone()).await.expect_problem(403, "admin_required");
    billing.get(&path, &user("globex")).await.expect_problem(404, "not_found");
    assert_eq!(billing.contents().await, before);
    // The rungs must be at least a day apart.
    let mut close = good.clone();
    for (name, days) in [
        ("past_due_after_days", 5),
        ("suspended_after_days", 6),
        ("cancelled_after_days", 7),
        ("archived_after_days", 1),
    ] {
        close[name] = days.into();
    }
    billing.put(&path, &billing.admin, close).await.expect(200);
    let before = billing.contents().await;
    let mut never = good;
    never["archived_after_days"] = 0.into();
    billing.put(&path, &billing.admin, never).await.expect_fields(&[("/archived_after_days", "out_of_range")]);
    assert_eq!(billing.contents().await, before);
}
