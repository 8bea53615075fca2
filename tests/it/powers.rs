//! The promise: nobody decides about money who may not. Every row of the table of powers is tried by every role, within
//! the limits that it tells and beyond them; and what a hostile tenant would try, by name.

use arcadia_domain::{Authority, Grant, POWERS, Power, PowerRow, State};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::contract;
use crate::harness::shop::merged;
use crate::harness::world::{ACME, id_of, token};

const BEGINNING: &str = "2027-01-01T00:00:00Z";
/// The roles that a token can name.
const ROLES: [Authority; 4] =
    [Authority::TenantUser, Authority::PaymentProvider, Authority::DataPlane, Authority::PlatformAdmin];

/// What a call is made on.
#[derive(Debug, Clone, Copy)]
enum On {
    Nothing,
    /// A deployment that was brought into a state by moves of the map, without a subscription.
    In(State),
    /// The same with a hold on it.
    Held(State),
    /// A deployment that is subscribed to `studio` and has paid for it.
    Subscribed,
    /// The same with an open invoice.
    Owing,
    /// The same, in this state.
    OwingIn(State),
    /// The same, paused, and its invoice is overdue.
    Overdue,
    /// Subscribed, with a change to `team` at the period's end that this role has scheduled.
    Changing(Authority),
    /// The same with a cancellation.
    Cancelling(Authority),
    /// A deployment with a cloud resource.
    Equipped,
}

/// A call that uses a power.
struct Deed {
    on: On,
    method: Method,
    /// The path, with `{id}`, and `{part}` for the invoice or resource.
    path: &'static str,
    body: Value,
    /// Whether it goes beyond the limits of those whose power has any.
    is_beyond: bool,
}

fn deed(on: On, method: Method, path: &'static str, body: Value) -> Deed {
    Deed { on, method, path, body, is_beyond: false }
}

fn beyond(on: On, method: Method, path: &'static str, body: Value) -> Deed {
    Deed { is_beyond: true, ..deed(on, method, path, body) }
}

/// The ways to use a power. A power without any does not compile.
fn deeds(power: Power) -> Vec<Deed> {
    use Authority::{PlatformAdmin, TenantUser};
    const DELETE: Method = Method::DELETE;
    const PATCH: Method = Method::PATCH;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    let to = |state: State| json!({"to_state": state});
    let (transition, change) = ("/deployments/{id}/transition", "/deployments/{id}/subscription/change");
    let (addons, trial) = ("/deployments/{id}/subscription/addons", "/deployments/{id}/trial");
    let cancellation = "/deployments/{id}/subscription/cancellation";
    match power {
        Power::Buy => vec![
            deed(On::In(State::Active), POST, "/deployments/{id}/subscribe", json!({"plan_code": "studio"})),
            deed(On::Subscribed, POST, addons, json!({"addon_code": "storage_50gb"})),
            deed(On::Subscribed, POST, change, json!({"plan_code": "team", "dry_run": true})),
            deed(On::Subscribed, POST, cancellation, json!({})),
        ],
        Power::ChooseVersion => vec![
            deed(On::In(State::Active), POST, "/deployments/{id}/subscribe", version("risen", 2)),
            deed(On::Subscribed, POST, change, version("risen", 2)),
            deed(On::Subscribed, POST, change, version("studio", 1)),
            beyond(On::In(State::Active), POST, "/deployments/{id}/subscribe", version("risen", 1)),
            beyond(On::Subscribed, POST, change, version("risen", 1)),
        ],
        Power::SkipProration => {
            let none = |body: Value| merged(json!({"proration": "none"}), body);
            vec![
                deed(On::Subscribed, POST, change, none(json!({"plan_code": "team"}))),
                deed(On::Subscribed, POST, change, none(json!({"plan_code": "team", "dry_run": true}))),
                deed(On::Subscribed, POST, change, none(json!({"plan_code": "team", "effective": "period_end"}))),
            ]
        }
        Power::SetTrial => {
            let end = "2027-01-20T00:00:00Z";
            let create = json!({"tenant_id": ACME, "slug": "{slug}", "state": "trial", "trial_ends_at": end});
            let subscribe = json!({"plan_code": "tried_{slug}", "trial_ends_at": end});
            vec![
                deed(On::Nothing, POST, "/deployments", create),
                deed(On::In(State::Active), POST, "/deployments/{id}/subscribe", subscribe),
                deed(On::In(State::Trial), POST, trial, json!({"trial_ends_at": "2027-06-01T00:00:00Z"})),
                deed(On::In(State::Trial), POST, trial, json!({"trial_ends_at": "2027-01-05T00:00:00Z"})),
            ]
        }
        Power::TakeBack => [TenantUser, PlatformAdmin]
            .into_iter()
            .flat_map(|by| {
                let is_beyond = by == PlatformAdmin;
                let immediate = json!({"plan_code": "yearly"});
                let other = json!({"plan_code": "yearly", "effective": "period_end"});
                let same = json!({"plan_code": "studio"});
                [
                    Deed { is_beyond, ..deed(On::Changing(by), DELETE, change, Value::Null) },
                    Deed { is_beyond, ..deed(On::Changing(by), POST, change, same) },
                    Deed { is_beyond, ..deed(On::Changing(by), POST, change, other) },
                    Deed { is_beyond, ..deed(On::Changing(by), POST, change, immediate) },
                    Deed { is_beyond, ..deed(On::Cancelling(by), DELETE, cancellation, Value::Null) },
                ]
            })
            .collect(),
        Power::Resume => vec![
            deed(On::In(State::Paused), POST, transition, to(State::Active)),
            beyond(On::Overdue, POST, transition, to(State::Active)),
            beyond(On::Held(State::Paused), POST, transition, to(State::Active)),
        ],
        Power::Correct => {
            let amount = json!({"amount_cents": 1, "currency": "USD"});
            let charge = merged(json!({"description": "Migration"}), amount.clone());
            vec![
                deed(On::Subscribed, POST, "/deployments/{id}/charges", charge),
                deed(On::Subscribed, POST, "/deployments/{id}/credits", merged(json!({"reason": "outage"}), amount)),
            ]
        }
        Power::Discount => {
            vec![deed(On::Subscribed, POST, "/deployments/{id}/subscription/discount", json!({"coupon": "partner"}))]
        }
        Power::Leave => vec![
            deed(On::OwingIn(State::PastDue), POST, transition, to(State::Cancelled)),
            deed(On::OwingIn(State::Suspended), POST, transition, to(State::Cancelled)),
        ],
        Power::Reactivate => vec![
            deed(On::In(State::Cancelled), POST, transition, to(State::Active)),
            beyond(On::OwingIn(State::Cancelled), POST, transition, to(State::Active)),
            beyond(On::Held(State::Cancelled), POST, transition, to(State::Active)),
        ],
        Power::Hold => vec![
            deed(On::In(State::Active), PATCH, "/deployments/{id}", json!({"billing_action_suspended": true})),
            deed(On::Held(State::Paused), PATCH, "/deployments/{id}", json!({"billing_action_suspended": false})),
        ],
        Power::HoldTenant => vec![
            deed(On::Nothing, PUT, "/tenants/other/hold", json!({"reason": "abuse {slug}"})),
            deed(On::Nothing, DELETE, "/tenants/other/hold", Value::Null),
        ],
        Power::RecordResources => vec![
            deed(On::In(State::Active), POST, "/deployments/{id}/resources", database()),
            deed(On::Equipped, DELETE, "/deployments/{id}/resources/{part}", Value::Null),
        ],
        Power::RecordPayments => {
            let payment = json!({"reference": "r", "amount_cents": 1, "currency": "USD"});
            vec![deed(On::Owing, POST, "/deployments/{id}/invoices/{part}/payments", payment)]
        }
        Power::Void => vec![deed(On::Owing, POST, "/deployments/{id}/invoices/{part}/void", Value::Null)],
        Power::SetTenant => vec![
            deed(On::Nothing, PUT, "/tenants/acme", json!({"billing_address": "Street 1", "email": "a@acme.example"})),
            beyond(On::Nothing, PUT, "/tenants/acme", json!({"name": "Acme"})),
            beyond(On::Nothing, PUT, "/tenants/acme", json!({"email": "b@acme.example", "tax_id": null})),
            beyond(On::Nothing, PUT, "/tenants/acme", json!({"tax_rate_basis_points": 0})),
            beyond(On::Nothing, PUT, "/tenants/acme", json!({"deployment_quota": 1000})),
            beyond(On::Nothing, PUT, "/tenants/acme", json!({"unsubscribed_after_days": 3650})),
        ],
    }
}

fn version(plan_code: &str, plan_version: u32) -> Value {
    json!({"plan_code": plan_code, "plan_version": plan_version})
}

fn database() -> Value {
    json!({"kind": "database", "provider_reference": "db-1"})
}

async fn shop() -> Billing {
    let billing = Billing::at(BEGINNING).await;
    billing.sell_plan("risen", &[json!({"price_cents": 2_900}), json!({"price_cents": 4_900})]).await;
    billing.sell_coupon("partner", json!({})).await;
    billing
}

fn token_of(billing: &Billing, role: Authority) -> String {
    match role {
        Authority::PlatformAdmin => billing.admin.clone(),
        Authority::TenantUser => billing.user.clone(),
        Authority::PaymentProvider => billing.provider.clone(),
        Authority::DataPlane => billing.data_plane.clone(),
        Authority::Billing => token("clock", "billing", None),
    }
}

/// Has something made to make a call on; its id, and that of its part.
async fn prepare(billing: &Billing, on: On, slug: &str) -> (String, String) {
    let none = String::new;
    match on {
        On::Nothing => (none(), none()),
        On::In(state) => (billing.create_in(slug, state).await, none()),
        On::Held(state) => {
            let id = billing.create_in(slug, state).await;
            hold(billing, &id).await;
            (id, none())
        }
        On::Subscribed => (subscribed(billing, slug).await, none()),
        On::Owing => owing(billing, slug).await,
        On::OwingIn(state) => {
            let (id, number) = owing(billing, slug).await;
            let moves: &[State] = match state {
                State::PastDue => &[State::PastDue],
                State::Suspended => &[State::PastDue, State::Suspended],
                State::Cancelled => &[State::Cancelled],
                State::Trial | State::Active | State::Paused | State::Archived => panic!("nothing needs {state}"),
            };
            for to_state in moves {
                billing.transition(&id, &billing.admin, json!({"to_state": to_state})).await.expect(200);
            }
            (id, number)
        }
        On::Overdue => {
            let (id, number) = owing(billing, slug).await;
            billing.transition(&id, &billing.user, json!({"to_state": "paused"})).await.expect(200);
            billing.clock.shift(TimeDelta::days(7));
            (id, number)
        }
        On::Changing(by) => {
            let id = subscribed(billing, slug).await;
            let change = json!({"plan_code": "team", "effective": "period_end"});
            billing.change_as(&token_of(billing, by), &id, change).await.expect(200);
            (id, none())
        }
        On::Cancelling(by) => {
            let id = subscribed(billing, slug).await;
            cancel_as(billing, &token_of(billing, by), &id).await;
            (id, none())
        }
        On::Equipped => {
            let id = billing.create_in(slug, State::Active).await;
            let added = billing.post(&format!("/deployments/{id}/resources"), &billing.data_plane, database()).await;
            (id, id_of(&added.expect(201)["resource"]))
        }
    }
}

async fn hold(billing: &Billing, id: &str) {
    let body = json!({"billing_action_suspended": true});
    billing.patch(&format!("/deployments/{id}"), &billing.admin, body).await.expect(200);
}

async fn owing(billing: &Billing, slug: &str) -> (String, String) {
    let id = billing.create_subscribed(slug, json!({"plan_code": "studio"})).await;
    let number = billing.newest(&id).await;
    (id, number)
}

async fn subscribed(billing: &Billing, slug: &str) -> String {
    let (id, _) = owing(billing, slug).await;
    billing.settle(&id).await;
    // An invoice is numbered by the second that it begins to bill, and another may follow.
    billing.clock.shift(TimeDelta::seconds(1));
    id
}

async fn cancel_as(billing: &Billing, token: &str, id: &str) -> Value {
    let path = format!("/deployments/{id}/subscription/cancellation");
    billing.post(&path, token, json!({"effective": "period_end"})).await.expect(200)["subscription"].take()
}

/// Makes a call as a role, and holds what comes of it against the table.
async fn try_deed(billing: &Billing, row: &PowerRow, deed: &Deed, role: Authority, slug: &str) {
    // What one call has made of the time does not concern the next.
    billing.set_time(BEGINNING);
    if matches!(deed.on, On::In(_)) && row.power == Power::SetTrial {
        billing.sell_plan(&format!("tried_{slug}"), &[json!({"price_cents": 1})]).await;
    }
    let (id, part) = prepare(billing, deed.on, slug).await;
    let before = billing.fingerprint().await;
    let path = deed.path.replace("{id}", &id).replace("{part}", &part);
    let request = billing.request(deed.method.clone(), &path, &token_of(billing, role));
    let body: Value = serde_json::from_str(&deed.body.to_string().replace("{slug}", slug)).expect("JSON");
    let reply = send(if body.is_null() { request } else { request.json(&body) }).await;
    let is_granted = match row.grant(role) {
        Grant::Always => true,
        Grant::Limited(_) => !deed.is_beyond,
        Grant::Never => false,
    };
    let what = format!("{:?} by {role:?}: {} {path} {body}, on {:?}", row.power, deed.method, deed.on);
    if is_granted {
        assert!((200..300).contains(&reply.status), "{what}: {}", reply.text);
    } else {
        assert_eq!(reply.status, 403, "{what}: {}", reply.text);
        assert!(billing.fingerprint().await == before, "{what} was refused and left a trace");
    }
}

#[tokio::test]
async fn every_power_is_used_by_those_who_have_it_and_by_nobody_else() {
    let billing = shop().await;
    let mut calls = 0;
    for row in POWERS {
        let deeds = deeds(row.power);
        let is_limited = ROLES.iter().any(|role| matches!(row.grant(*role), Grant::Limited(_)));
        assert_eq!(deeds.iter().any(|deed| deed.is_beyond), is_limited, "{:?}: its limits are not tried", row.power);
        assert!(deeds.iter().any(|deed| !deed.is_beyond), "{:?} is not used", row.power);
        for deed in &deeds {
            for role in ROLES {
                calls += 1;
                try_deed(&billing, row, deed, role, &format!("shop{calls}")).await;
            }
        }
    }
    println!("{calls} calls");
}

#[test]
fn the_document_tells_every_power_where_it_is_used() {
    let operations = contract::document()["paths"].as_object().expect("paths").values();
    let operations: Vec<&Value> = operations.flat_map(|path| path.as_object().expect("operations").values()).collect();
    for row in POWERS {
        for role in ROLES {
            let expected = match row.grant(role) {
                Grant::Always => json!("always"),
                Grant::Limited(limit) => json!(limit),
                Grant::Never => Value::Null,
            };
            let mut told = 0;
            for operation in &operations {
                let powers = operation["x-powers"].as_array().into_iter().flatten();
                for power in powers.filter(|power| power["power"] == row.description) {
                    assert_eq!(power["granted"][role.as_str()], expected, "{}", operation["operationId"]);
                    told += 1;
                }
            }
            assert!(told > 0, "no operation tells {:?}", row.power);
        }
    }
}

#[tokio::test]
async fn a_dear_plan_is_not_used_at_the_price_of_a_cheap_one() {
    let billing = shop().await;
    billing.sell_plan("solo", &[json!({"price_cents": 900})]).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "solo"})).await;
    billing.settle(&id).await;
    let before = billing.contents().await;
    for dry_run in [true, false] {
        let free = json!({"plan_code": "team", "proration": "none", "dry_run": dry_run});
        billing.change(&id, free).await.expect_problem(403, "field_not_permitted");
    }
    assert_eq!(billing.contents().await, before);
    // With proration, the month on the dear plan is paid for before the cheap one comes back.
    billing.change(&id, json!({"plan_code": "team"})).await.expect(200);
    billing.change(&id, json!({"plan_code": "solo", "effective": "period_end"})).await.expect(200);
    let waiting = billing.subscription(&id).await["unbilled_lines"].clone();
    let waiting: i64 = waiting.as_array().unwrap().iter().map(|line| line["amount_cents"].as_i64().unwrap()).sum();
    assert_eq!(waiting, 9_900);
    let balances = &billing.show(&id).await["deployment"]["balances"];
    assert_eq!(*balances, json!([{"currency": "USD", "amount_cents": 900}]), "what was paid for the cheap one");
}

#[tokio::test]
async fn nobody_grants_themselves_a_trial_and_an_operator_can_shorten_one() {
    let billing = shop().await;
    let end = "2126-01-01T00:00:00Z";
    let trial = |fields: Value| merged(json!({"tenant_id": ACME, "slug": "shop"}), fields);
    for fields in [
        json!({"state": "trial", "trial_ends_at": end}),
        json!({"state": "trial"}),
        json!({"state": "trial", "trial_ends_at": "2020-01-01T00:00:00Z"}),
        json!({"trial_ends_at": end}),
        json!({"state": "active", "trial_ends_at": end}),
    ] {
        billing.post("/deployments", &billing.user, trial(fields)).await.expect_problem(403, "field_not_permitted");
    }
    let granted = trial(json!({"state": "trial", "trial_ends_at": end}));
    let id = id_of(&billing.post("/deployments", &billing.admin, granted).await.expect(201)["deployment"]);
    billing.subscribe(&id, json!({"plan_code": "team"})).await.expect(201);
    let shorten = |at: &str| {
        let (path, body) = (format!("/deployments/{id}/trial"), json!({"trial_ends_at": at}));
        billing.request(Method::POST, &path, &billing.admin).json(&body)
    };
    send(shorten(BEGINNING)).await.expect_fields(&[("/trial_ends_at", "not_in_future")]);
    let soon = "2027-01-11T00:00:00Z";
    let shortened = send(shorten(soon)).await.expect(200);
    assert_eq!(shortened["event"]["data"]["ends_at"], json!({"from": end, "to": soon}));
    billing.check(&id).await;
    assert_eq!(billing.sweep_at(soon).await, 1);
    let shown = billing.show(&id).await;
    assert_eq!(
        (&shown["deployment"]["state"], &shown["subscription"]["billed_from"]),
        (&json!("active"), &json!(soon))
    );
    // 21 of the month's 31 days.
    assert_eq!(shown["deployment"]["open_invoices"][0]["due_cents"], 6_706);
}

#[tokio::test]
async fn an_older_price_is_for_those_alone_who_have_it() {
    let billing = Billing::at(BEGINNING).await;
    let holder = billing.create_subscribed("holder", json!({"plan_code": "studio"})).await;
    billing.publish("studio", json!({"price_cents": 4_900})).await.expect(201);
    let newcomer = id_of(&billing.create("newcomer").await);
    let refused = billing.subscribe(&newcomer, version("studio", 1)).await;
    refused.expect_problem(403, "plan_version_not_permitted");
    billing.subscribe(&newcomer, version("studio", 2)).await.expect(201);
    billing.change(&newcomer, version("studio", 1)).await.expect_problem(403, "plan_version_not_permitted");
    // Its own terms it keeps, also once the plan is retired: a scheduled change to another plan is taken back.
    for status in ["active", "retired"] {
        let put = json!({"name": "Studio", "status": status});
        billing.put("/plans/studio", &billing.admin, put).await.expect(200);
        billing.change(&holder, json!({"plan_code": "team", "effective": "period_end"})).await.expect(200);
        let kept = billing.change(&holder, version("studio", 1)).await.expect(200);
        assert_eq!(kept["event"]["type"], "plan_change_withdrawn", "{status}");
    }
    // What it has left is gone for it, and for the platform there is no such limit.
    billing.change(&holder, json!({"plan_code": "team"})).await.expect(200);
    billing.change(&holder, version("studio", 1)).await.expect_problem(422, "plan_retired");
    billing.put("/plans/studio", &billing.admin, json!({"name": "Studio", "status": "active"})).await.expect(200);
    billing.change(&holder, version("studio", 1)).await.expect_problem(403, "plan_version_not_permitted");
    billing.put("/plans/studio", &billing.admin, json!({"name": "Studio", "status": "retired"})).await.expect(200);
    let back = billing.change_as(&billing.admin, &holder, version("studio", 1)).await.expect(200);
    assert_eq!(back["subscription"]["price_cents"], 2_900);
    billing.check(&holder).await;
}

#[tokio::test]
async fn what_runs_for_a_deployment_is_recorded_by_the_data_plane_alone() {
    let billing = shop().await;
    let id = id_of(&billing.create("shop").await);
    let path = format!("/deployments/{id}/resources");
    let added = billing.post(&path, &billing.data_plane, database()).await.expect(201)["resource"].take();
    let before = billing.contents().await;
    billing.post(&path, &billing.user, database()).await.expect_problem(403, "role_not_permitted");
    let resource = format!("{path}/{}", id_of(&added));
    billing.delete(&resource, &billing.user).await.expect_problem(403, "role_not_permitted");
    assert_eq!(billing.contents().await, before);
    for token in [&billing.user, &billing.data_plane, &billing.admin] {
        assert_eq!(billing.collect(&path, token, "resources").await, std::slice::from_ref(&added));
        let shown = billing.get(&format!("/deployments/{id}"), token).await.expect(200);
        assert_eq!(shown["deployment"]["live_resources"], 1);
    }
    let shown = billing.get(&format!("/deployments/{id}"), &billing.data_plane).await.expect(200);
    assert_eq!(shown["allowed_transitions"], json!([]), "it moves nothing");
    billing.delete(&resource, &billing.data_plane).await.expect(200);
    let history = billing.check(&id).await.deployment.live_resources;
    assert_eq!(history, 0);
}

#[tokio::test]
async fn a_refused_move_names_what_its_caller_may_do_instead() {
    let billing = shop().await;
    let id = billing.create_in("shop", State::Active).await;
    for (token, allowed) in
        [(&billing.user, json!(["paused", "cancelled"])), (&billing.admin, json!(["paused", "past_due", "cancelled"]))]
    {
        let refused = billing.transition(&id, token, json!({"to_state": "archived"})).await;
        assert_eq!(refused.expect_problem(422, "invalid_transition")["allowed_transitions"], allowed);
        let shown = billing.get(&format!("/deployments/{id}"), token).await.expect(200);
        assert_eq!(shown["allowed_transitions"], allowed);
    }
}

#[tokio::test]
async fn whoever_owes_may_leave_and_goes_on_owing() {
    let billing = shop().await;
    for (slug, state) in [("late", State::PastDue), ("stopped", State::Suspended)] {
        let (id, number) = prepare(&billing, On::OwingIn(state), slug).await;
        assert_eq!(billing.show(&id).await["allowed_transitions"], json!(["cancelled"]));
        let left = billing.transition(&id, &billing.user, json!({"to_state": "cancelled"})).await.expect(200);
        assert_eq!(left["deployment"]["open_invoices"][0]["due_cents"], 2_900);
        let back = billing.transition(&id, &billing.user, json!({"to_state": "active"})).await;
        back.expect_problem(403, "transition_not_permitted");
        billing.pay(&id, &number, "late", 2_900).await.expect(200);
        billing.check(&id).await;
    }
}

#[tokio::test]
async fn a_pause_is_no_way_past_a_due_date() {
    let billing = shop().await;
    let (id, number) = owing(&billing, "shop").await;
    billing.transition(&id, &billing.user, json!({"to_state": "paused"})).await.expect(200);
    let resume = json!({"to_state": "active"});
    // Until the last moment before the invoice is due it can be resumed, and from then on it cannot.
    let allowed = async || billing.show(&id).await["allowed_transitions"].take();
    billing.set_time("2027-01-07T23:59:59.999Z");
    assert_eq!(allowed().await, json!(["active", "cancelled"]));
    billing.transition(&id, &billing.user, json!({"to_state": "active", "dry_run": true})).await.expect(200);
    billing.set_time("2027-01-08T00:00:00Z");
    assert_eq!(allowed().await, json!(["cancelled"]));
    let refused = billing.transition(&id, &billing.user, resume.clone()).await;
    assert_eq!(refused.expect_problem(403, "invoice_overdue")["allowed_transitions"], json!(["cancelled"]));
    billing.pay(&id, &number, "late", 2_900).await.expect(200);
    billing.transition(&id, &billing.user, resume).await.expect(200);
    billing.check(&id).await;
}

#[tokio::test]
async fn a_held_deployment_is_resumed_by_the_platform() {
    let billing = shop().await;
    let id = billing.create_in("shop", State::Paused).await;
    hold(&billing, &id).await;
    let refused = billing.transition(&id, &billing.user, json!({"to_state": "active"})).await;
    assert_eq!(refused.expect_problem(403, "deployment_held")["allowed_transitions"], json!(["cancelled"]));
    // Nor is to leave and to come back a way around it.
    billing.transition(&id, &billing.user, json!({"to_state": "cancelled"})).await.expect(200);
    let refused = billing.transition(&id, &billing.user, json!({"to_state": "active"})).await;
    assert_eq!(refused.expect_problem(403, "deployment_held")["allowed_transitions"], json!([]));
    billing.transition(&id, &billing.admin, json!({"to_state": "active"})).await.expect(200);
}

#[tokio::test]
async fn what_the_platform_asks_for_too_is_the_platforms_from_then_on() {
    let billing = shop().await;
    let change = json!({"plan_code": "team", "effective": "period_end"});
    let path = |id: &str, what: &str| format!("/deployments/{id}/subscription/{what}");
    let id = subscribed(&billing, "shop").await;
    let scheduled_by = async |pointer: &str| billing.subscription(&id).await.pointer(pointer).cloned();
    for (token, by) in [(&billing.user, "tenant_user"), (&billing.admin, "platform_admin")] {
        billing.change_as(token, &id, change.clone()).await.expect(200);
        let subscription = cancel_as(&billing, token, &id).await;
        assert_eq!(subscription["cancel_at"], "2027-02-01T00:00:00Z");
        assert_eq!(scheduled_by("/pending_change/scheduled_by").await, Some(json!(by)));
        assert_eq!(scheduled_by("/cancel_scheduled_by").await, Some(json!(by)));
    }
    // To ask for the same once more takes nothing over, and back neither.
    let before = billing.contents().await;
    for token in [&billing.user, &billing.admin] {
        assert_eq!(billing.change_as(token, &id, change.clone()).await.expect(200)["event"], Value::Null);
        cancel_as(&billing, token, &id).await;
    }
    for what in ["change", "cancellation"] {
        billing.delete(&path(&id, what), &billing.user).await.expect_problem(403, "scheduled_by_platform");
    }
    assert_eq!(billing.contents().await, before);
    for what in ["change", "cancellation"] {
        billing.delete(&path(&id, what), &billing.admin).await.expect(200);
    }
    assert_eq!(scheduled_by("/cancel_scheduled_by").await, Some(Value::Null));
    billing.check(&id).await;
}
