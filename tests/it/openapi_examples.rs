//! The promise: every example of a request in the OpenAPI document is accepted as it stands, in the order of a walk
//! through the product; what it was answered with is the document's example of an answer.

use std::collections::BTreeMap;

use arcadia_domain::Power;
use arcadia_functions::operations::run::Worker;
use arcadia_functions::{Audience, Route, find_route};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::client::send;
use crate::harness::contract::operation;
use crate::harness::{Reply, World};

/// What each step calls: an operation, the name of its example, and what is put into its path.
type Step = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// An id that nothing has; the document has it as an example too.
const NOBODY: &str = "019bc104-f980-7c2f-93d1-5b0c4e8a9d27";
const SHOP: &[(&str, &str)] = &[("id", "shop")];
const TRIAL: &[(&str, &str)] = &[("id", "trial")];
const STUDIO: &[(&str, &str)] = &[("code", "studio")];
const STORAGE: &[(&str, &str)] = &[("code", "storage_50gb")];
const PARTNER: &[(&str, &str)] = &[("code", "partner")];
const START: &[(&str, &str)] = &[("code", "start")];
const OPERATION: &[(&str, &str)] = &[("operation_id", "operation")];
const ACME: &[(&str, &str)] = &[("tenant_id", "acme")];

/// The walk. What stands in a path is the name of something made before, or else the thing itself. An operation without
/// a body has one example, which is called `example`.
const STEPS: &[Step] = &[
    ("put_plan", "studio", STUDIO),
    ("publish_plan_version", "monthly", STUDIO),
    ("publish_plan_version", "price_change", STUDIO),
    ("put_plan", "studio", STUDIO),
    ("put_addon", "storage", STORAGE),
    ("put_addon", "storage", STORAGE),
    ("list_plans", "example", &[]),
    ("show_plan", "example", STUDIO),
    ("list_addons", "example", &[]),
    ("show_addon", "example", STORAGE),
    ("put_coupon", "percentage", PARTNER),
    ("put_coupon", "percentage", PARTNER),
    ("put_coupon", "amount", START),
    ("list_coupons", "example", &[]),
    ("show_coupon", "example", PARTNER),
    ("list_catalog_events", "example", &[]),
    ("show_lifecycle", "example", &[]),
    ("put_dunning_policy", "patient", ACME),
    ("show_dunning_policy", "example", ACME),
    ("put_tenant", "address", ACME),
    ("put_tenant", "customer", ACME),
    ("show_tenant", "example", ACME),
    ("list_tenant_events", "example", ACME),
    ("create_deployment", "shop", &[]),
    ("create_deployment", "trial", &[]),
    ("extend_trial", "later", TRIAL),
    ("update_deployment", "rename", SHOP),
    ("create_resource", "database", SHOP),
    ("list_resources", "example", SHOP),
    ("delete_resource", "example", &[("id", "shop"), ("resource_id", "resource")]),
    ("subscribe_deployment", "studio", SHOP),
    ("subscribe_deployment", "anchored", TRIAL),
    ("attach_addon", "storage", SHOP),
    ("list_deployments", "example", &[]),
    ("show_deployment", "example", SHOP),
    ("detach_addon", "with_a_reason", &[("id", "shop"), ("addon_id", "addon")]),
    ("change_plan", "upgrade", SHOP),
    ("change_plan", "later", SHOP),
    ("withdraw_plan_change", "with_a_reason", SHOP),
    ("grant_discount", "partner", SHOP),
    ("remove_discount", "reason", SHOP),
    ("cancel_subscription", "at_the_end", SHOP),
    ("withdraw_cancellation", "with_a_reason", SHOP),
    ("list_invoices", "example", SHOP),
    ("find_invoices", "example", &[]),
    ("list_schedule", "example", &[]),
    ("list_attention", "example", &[]),
    ("show_summary", "example", &[]),
    ("list_tenants", "example", &[]),
    ("show_account", "example", ACME),
    ("show_invoice", "example", &[("id", "shop"), ("number", "invoice")]),
    ("record_payment", "in_part", &[("id", "shop"), ("number", "invoice")]),
    ("grant_credit", "for_an_outage", TRIAL),
    ("refund_balance", "out_of_the_balance", TRIAL),
    ("issue_credit_note", "one_charge_in_part", &[("id", "mistake"), ("number", "mistaken_invoice")]),
    ("update_invoice", "a_month_more", &[("id", "mistake"), ("number", "mistaken_invoice")]),
    ("write_off_invoice", "with_a_reason", &[("id", "mistake"), ("number", "mistaken_invoice")]),
    ("withdraw_write_off", "with_a_reason", &[("id", "mistake"), ("number", "mistaken_invoice")]),
    ("void_invoice", "with_a_reason", &[("id", "mistake"), ("number", "mistaken_invoice")]),
    ("reverse_payment", "a_chargeback", &[("id", "shop"), ("number", "invoice"), ("reference", "wire-2027-000017")]),
    ("add_charge", "now", SHOP),
    ("transition_deployment", "dry_run", SHOP),
    ("transition_deployment", "pause", SHOP),
    ("list_events", "example", SHOP),
    ("start_operation", "move_to_a_new_version", &[]),
    ("start_operation", "hold_for_an_outage", &[]),
    ("list_operations", "example", &[]),
    ("show_operation", "example", OPERATION),
    ("list_operation_results", "example", OPERATION),
    ("stop_operation", "without_a_reason", OPERATION),
    ("hold_tenant", "abuse", ACME),
    ("hold_tenant", "abuse", ACME),
    ("release_tenant", "with_a_reason", ACME),
    ("release_tenant", "with_a_reason", ACME),
    ("put_tenant", "pause_without_a_subscription", ACME),
];

/// The document with the answers of the walk as examples.
pub async fn document() -> Value {
    let world = World::start().await;
    world.sell_plan("team", &[json!({"price_cents": 9_900})]).await;
    let mut made = BTreeMap::new();
    let mut document = arcadia_openapi::document().expect("routes and descriptions match");
    for (handler, example, open) in STEPS {
        // Everything at a time of its own, so that lists have an order.
        world.clock.shift(TimeDelta::seconds(1));
        if *handler == "issue_credit_note" {
            make_mistake(&world, &mut made).await;
        }
        if *handler == "list_operation_results" {
            work(&world).await;
        }
        let route = find_route(handler).unwrap_or_else(|| panic!("no route is called {handler}"));
        let reply = call(&world, route, example, open, &made).await;
        assert!((200..300).contains(&reply.status), "{handler}, {example}: {}", reply.text);
        for (name, pointer) in [
            (*example, "/deployment/id"),
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

/// Carries out an example as those do whom its operation is for.
async fn call(
    world: &World,
    route: &Route,
    example: &str,
    open: &[(&str, &str)],
    made: &BTreeMap<&str, String>,
) -> Reply {
    let mut path = route.path.trim_start_matches("/api/v1").to_owned();
    for (name, value) in open {
        path = path.replace(&format!("{{{name}}}"), made.get(value).map_or(*value, String::as_str));
    }
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
    let request = world.request(route.method.clone(), &path, token);
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
