//! The promise: every example of a request in the OpenAPI document is accepted as it stands, in the order of a walk
//! through the product; its answer is the document's example of an answer.
//!
//! The walk is written down, because its order is a story that neither the routes nor their descriptions tell: a plan is
//! sold before a deployment is subscribed to it, and shown after it was changed. An operation that is not in the walk is
//! called after it, with each of its examples, on the records of the walk.

use std::collections::BTreeMap;

use arcadia_domain::Power;
use arcadia_functions::operations::run::Worker;
use arcadia_functions::{Audience, ROUTES, Route, find_route};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::client::{PREFIX, send};
use crate::harness::contract::operation;
use crate::harness::{Reply, World};

/// A step: an operation, the name of its example, and the deployment or the code in its path, if it is not the usual one.
type Step = (&'static str, &'static str, &'static str);

/// An id that no record has; the document has it as an example too.
const NOBODY: &str = "019bc104-f980-7c2f-93d1-5b0c4e8a9d27";

/// The steps whose order matters. An operation without a body has one example, which is called `example`.
const STEPS: &[Step] = &[
    ("put_plan", "studio", ""),
    ("publish_plan_version", "monthly", ""),
    ("publish_plan_version", "price_change", ""),
    ("put_plan", "studio", ""),
    ("put_addon", "storage", ""),
    ("put_addon", "storage", ""),
    ("list_plans", "example", ""),
    ("show_plan", "example", ""),
    ("list_addons", "example", ""),
    ("show_addon", "example", ""),
    ("put_coupon", "percentage", ""),
    ("put_coupon", "percentage", ""),
    ("put_coupon", "amount", "start"),
    ("list_coupons", "example", ""),
    ("show_coupon", "example", ""),
    ("list_catalog_events", "example", ""),
    ("show_lifecycle", "example", ""),
    ("put_dunning_policy", "patient", ""),
    ("show_dunning_policy", "example", ""),
    ("put_tenant", "address", ""),
    ("put_tenant", "customer", ""),
    ("show_tenant", "example", ""),
    ("list_tenant_events", "example", ""),
    ("create_deployment", "shop", ""),
    ("create_deployment", "trial", ""),
    ("extend_trial", "later", "trial"),
    ("update_deployment", "rename", ""),
    ("create_resource", "database", ""),
    ("list_resources", "example", ""),
    ("delete_resource", "example", ""),
    ("subscribe_deployment", "studio", ""),
    ("subscribe_deployment", "anchored", "trial"),
    ("attach_addon", "storage", ""),
    ("list_deployments", "example", ""),
    ("show_deployment", "example", ""),
    ("detach_addon", "with_a_reason", ""),
    ("change_plan", "upgrade", ""),
    ("change_plan", "later", ""),
    ("withdraw_plan_change", "with_a_reason", ""),
    ("grant_discount", "partner", ""),
    ("remove_discount", "reason", ""),
    ("cancel_subscription", "at_the_end", ""),
    ("withdraw_cancellation", "with_a_reason", ""),
    ("list_invoices", "example", ""),
    ("find_invoices", "example", ""),
    ("list_schedule", "example", ""),
    ("list_attention", "example", ""),
    ("show_summary", "example", ""),
    ("list_tenants", "example", ""),
    ("show_account", "example", ""),
    ("show_invoice", "example", ""),
    ("record_payment", "in_part", ""),
    ("grant_credit", "for_an_outage", "trial"),
    ("refund_balance", "out_of_the_balance", "trial"),
    ("issue_credit_note", "one_charge_in_part", "mistake"),
    ("update_invoice", "a_month_more", "mistake"),
    ("write_off_invoice", "with_a_reason", "mistake"),
    ("withdraw_write_off", "with_a_reason", "mistake"),
    ("void_invoice", "with_a_reason", "mistake"),
    ("reverse_payment", "a_chargeback", ""),
    ("add_charge", "now", ""),
    ("transition_deployment", "dry_run", ""),
    ("transition_deployment", "pause", ""),
    ("list_events", "example", ""),
    ("start_operation", "move_to_a_new_version", ""),
    ("start_operation", "hold_for_an_outage", ""),
    ("list_operations", "example", ""),
    ("show_operation", "example", ""),
    ("list_operation_results", "example", ""),
    ("stop_operation", "without_a_reason", ""),
    ("hold_tenant", "abuse", ""),
    ("hold_tenant", "abuse", ""),
    ("release_tenant", "with_a_reason", ""),
    ("release_tenant", "with_a_reason", ""),
    ("put_tenant", "pause_without_a_subscription", ""),
];

/// The document with the answers of the walk as examples.
pub async fn document() -> Value {
    let world = World::start().await;
    world.sell_plan("team", &[json!({"price_cents": 9_900})]).await;
    let mut made = BTreeMap::new();
    let mut document = arcadia_openapi::document().expect("routes and descriptions match");
    let remaining = ROUTES.iter().filter(|route| !STEPS.iter().any(|(handler, ..)| *handler == route.handler));
    let remaining = remaining.flat_map(|route| examples(route).into_iter().map(|example| (route.handler, example, "")));
    for (handler, example, on) in STEPS.iter().copied().chain(remaining) {
        // Everything at a time of its own, so that lists have an order.
        world.clock.shift(TimeDelta::seconds(1));
        if handler == "issue_credit_note" {
            make_mistake(&world, &mut made).await;
        }
        if handler == "list_operation_results" {
            work(&world).await;
        }
        let route = find_route(handler).unwrap_or_else(|| panic!("no route is called {handler}"));
        let reply = call(&world, route, example, &path(route, on, &made)).await;
        assert!((200..300).contains(&reply.status), "{handler}, {example}: {}", reply.text);
        for (name, pointer) in [
            (example, "/deployment/id"),
            ("resource", "/resource/id"),
            ("addon", "/addon/id"),
            ("operation", "/operation/id"),
            ("invoice", "/invoices/0/number"),
        ] {
            if let Some(id) = reply.body.pointer(pointer) {
                made.entry(name).or_insert_with(|| id.as_str().expect("an id").to_owned());
            }
        }
        let responses = &mut document["paths"][route.path][route.method.as_str().to_lowercase()]["responses"];
        let media = &mut responses[reply.status.to_string()]["content"]["application/json"];
        media["examples"][example] = json!({"value": reply.body});
    }
    for (code, problem) in problems(&world, &made["shop"]).await {
        document["components"]["schemas"][format!("Problem.{code}")]["examples"] = json!([problem]);
    }
    without_chance(&document)
}

/// Works on the operations that run: reads their first pages, and gives the deployments on them their results.
async fn work(world: &World) {
    for id in world.app.store.running_operations().await.expect("a list") {
        let mut worker = Worker::start(&world.app, id).await.expect("an operation").expect("it runs");
        for _ in 0..2 {
            worker.turn().await.expect("a page");
        }
    }
}

/// The names of an operation's examples.
fn examples(route: &Route) -> Vec<&'static str> {
    let examples = &operation(route)["requestBody"]["content"]["application/json"]["examples"];
    examples.as_object().map_or(vec!["example"], |examples| examples.keys().map(String::as_str).collect())
}

/// The path of an operation on the records of the walk. `on` names the deployment or the code, if it is not the usual
/// one.
fn path(route: &Route, on: &str, made: &BTreeMap<&str, String>) -> String {
    let path = route.path.trim_start_matches(PREFIX);
    let usual = match path.split('/').nth(1) {
        Some("plans") => "studio",
        Some("addons") => "storage_50gb",
        Some("coupons") => "partner",
        _ => "shop",
    };
    let on = if on.is_empty() { usual } else { on };
    let parameters = [
        ("{id}", on),
        ("{tenant_id}", "acme"),
        ("{resource_id}", "resource"),
        ("{addon_id}", "addon"),
        ("{operation_id}", "operation"),
        ("{number}", if on == "mistake" { "mistaken_invoice" } else { "invoice" }),
        ("{reference}", "wire-2027-000017"),
    ];
    let found = |value: &str| made.get(value).map_or_else(|| value.to_owned(), String::clone);
    let path = path.replace("{code}", on);
    parameters.into_iter().fold(path, |path, (name, value)| path.replace(name, &found(value)))
}

/// Executes an example, as a caller that its operation is for.
async fn call(world: &World, route: &Route, example: &str, path: &str) -> Reply {
    let token = match route.audience {
        // Trials are the platform's to grant, and most fields of a customer are the platform's to set.
        Audience::Everyone | Audience::Watchers
            if !["trial", "customer", "pause_without_a_subscription"].contains(&example) =>
        {
            &world.user
        }
        Audience::Holders(Power::RecordResources) => &world.data_plane,
        Audience::Everyone | Audience::Watchers | Audience::Admins | Audience::Holders(_) => &world.admin,
    };
    let request = world.request(route.method.clone(), path, token);
    let body = &operation(route)["requestBody"]["content"]["application/json"]["examples"];
    let request = match body {
        Value::Null => request,
        examples => {
            request.json(examples[example]["value"].as_object().unwrap_or_else(|| panic!("no such example: {example}")))
        }
    };
    send(request).await
}

/// Has an invoice made that nobody should pay.
async fn make_mistake(world: &World, made: &mut BTreeMap<&str, String>) {
    let id = world.create_subscribed("mistake", json!({"plan_code": "studio"})).await;
    let invoices = world.get(&format!("/deployments/{id}/invoices"), &world.user).await.expect(200);
    made.insert("mistaken_invoice", invoices["invoices"][0]["number"].as_str().expect("a number").to_owned());
    made.insert("mistake", id);
}

/// What often goes wrong, by its code.
async fn problems(world: &World, shop: &str) -> Vec<(String, Value)> {
    let path = format!("/deployments/{shop}");
    let unknown = format!("/deployments/{NOBODY}");
    let transition = format!("{path}/transition");
    let update = world.request(Method::PATCH, &path, &world.user).header("If-Match", "\"1\"");
    let replies = [
        send(world.anonymous(Method::GET, "/api/v1/plans")).await,
        world.put("/plans/studio", &world.user, json!({"name": "Mine"})).await,
        world.get(&unknown, &world.user).await,
        world.get("/plans?sort=name", &world.user).await,
        world.post("/deployments", &world.user, json!({"slug": "shop"})).await,
        world.post("/deployments", &world.user, json!({"slug": "My shop", "state": "running"})).await,
        world.post("/deployments", &world.user, json!({"name": "shop"})).await,
        world.post(&transition, &world.user, json!({"to_state": "archived"})).await,
        world.post(&transition, &world.user, json!({"to_state": "past_due"})).await,
        send(update.json(&json!({"region": "eu-west-1"}))).await,
    ];
    let problems = replies.into_iter().map(|reply| {
        assert!(reply.status >= 400, "{}", reply.text);
        (reply.body["code"].as_str().expect("a code").to_owned(), reply.body)
    });
    problems.collect()
}

/// The same document with ids that do not differ from run to run.
fn without_chance(document: &Value) -> Value {
    let mut text = serde_json::to_string(document).expect("JSON");
    let mut ids: Vec<String> = Vec::new();
    for part in text.split('"').filter(|part| part.len() == 36 && part.parse::<Uuid>().is_ok()) {
        if part != NOBODY && !ids.iter().any(|id| id == part) {
            ids.push(part.to_owned());
        }
    }
    for (index, id) in ids.iter().enumerate() {
        let (start, end) = ("01a318ca-5fc8-7000-8000", format!("{:012x}", index + 1));
        // Invoice numbers have the end of their subscription's id.
        text = text.replace(id.as_str(), &format!("{start}-{end}")).replace(&id[24..], &end);
    }
    serde_json::from_str(&text).expect("JSON")
}
