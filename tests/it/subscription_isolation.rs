//! What the isolation of tenants needs to know of the routes that sell: which body each accepts, and when; and the
//! promise that what a tenant buys and tries out is its own affair.

use arcadia_shared::domain::State;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::world::{id_of, user};

/// A body that the route would accept; a new route must be given one here.
pub fn body_for(handler: &str) -> Option<Value> {
    match handler {
        "list_plans"
        | "show_plan"
        | "list_addons"
        | "show_addon"
        | "detach_addon"
        | "withdraw_plan_change"
        | "withdraw_cancellation"
        | "list_invoices"
        | "show_invoice"
        | "void_invoice"
        | "show_dunning_policy" => None,
        "put_plan" => Some(json!({"name": "Studio"})),
        "publish_plan_version" => Some(json!({"price_cents": 1, "currency": "USD", "interval": "month"})),
        "put_addon" => Some(json!({"name": "A", "price_cents": 1, "currency": "USD", "quantity": 1, "unit": "GB"})),
        "subscribe_deployment" => Some(json!({"plan_code": "studio"})),
        "attach_addon" => Some(json!({"addon_code": "storage_50gb"})),
        "change_plan" => Some(json!({"plan_code": "team"})),
        "cancel_subscription" => Some(json!({})),
        "extend_trial" => Some(json!({"trial_ends_at": "2027-06-01T00:00:00Z"})),
        "record_payment" => Some(json!({"reference": "stolen", "amount_cents": 1, "currency": "USD"})),
        "put_dunning_policy" => Some(json!({
            "payment_terms_days": 365, "past_due_after_days": 365, "suspended_after_days": 365,
            "cancelled_after_days": 365, "archived_after_days": 365,
        })),
        new => panic!("{new} is a new route: say here which body it accepts, so that its isolation is tested"),
    }
}

/// Has a deployment of acme's made on which the call is accepted; its id and that of its add-on, resource or invoice. The
/// shop is open.
pub async fn ready_for(world: &World, handler: &str) -> (String, String) {
    let slug = handler.replace('_', "-");
    if handler == "extend_trial" {
        return (world.create_in(&slug, State::Trial).await, String::new());
    }
    let id = id_of(&world.create(&slug).await);
    if handler == "subscribe_deployment" {
        return (id, String::new());
    }
    if handler == "delete_resource" {
        let body = json!({"kind": "database", "provider_reference": "db-1"});
        let created = world.post(&format!("/deployments/{id}/resources"), &world.user, body).await.expect(201);
        return (id, id_of(&created["resource"]));
    }
    let subscribed = world.subscribe(&id, json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await.expect(201);
    if ["show_invoice", "record_payment", "void_invoice"].contains(&handler) {
        return (id, subscribed["invoice"]["number"].as_str().expect("a number").to_owned());
    }
    world.change(&id, json!({"plan_code": "team", "effective": "period_end"})).await.expect(200);
    if handler == "withdraw_cancellation" {
        world.cancel(&id, "period_end").await.expect(200);
    }
    let addon_id = id_of(&world.subscription(&id).await["addons"][0]);
    (id, addon_id)
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_a_subscription_and_changes_nothing_of_it() {
    let world = World::start().await;
    world.open_shop().await;
    world.sell_plan("tryout", &[json!({"price_cents": 2_900, "trial_days": 14})]).await;
    let body = json!({"plan_code": "tryout", "addons": ["storage_50gb"]});
    let id = world.create_subscribed("shop", body.clone()).await;
    let addon_id = id_of(&world.subscription(&id).await["addons"][0]);
    let (globex, before) = (user("globex"), world.contents().await);
    let base = format!("/deployments/{id}");
    // What is wrong with a call is no news of whether there is such a deployment.
    for (path, body) in [
        ("/subscribe", json!({"plan_code": "nothing"})),
        ("/subscribe", body.clone()),
        ("/subscription/addons", json!({"addon_code": "nothing"})),
        ("/subscription/change", json!({"plan_code": "nothing"})),
        ("/subscription/cancellation", json!({"effective": "immediate"})),
    ] {
        world.post(&format!("{base}{path}"), &globex, body).await.expect_problem(404, "not_found");
    }
    let trial = json!({"trial_ends_at": "2027-06-01T00:00:00Z"});
    world.post(&format!("{base}/trial"), &globex, trial).await.expect_problem(403, "admin_required");
    world.get(&format!("{base}/invoices"), &globex).await.expect_problem(404, "not_found");
    for path in ["change", "cancellation", &format!("addons/{addon_id}")] {
        let path = format!("{base}/subscription/{path}");
        world.delete(&path, &globex).await.expect_problem(404, "not_found");
    }
    assert_eq!(world.contents().await, before);
    assert_eq!(world.collect("/deployments", &globex, "deployments").await, [] as [Value; 0]);
    // A stranger's add-on is not found under one's own deployment, and another tenant's trial uses up nobody else's.
    let own = world.post("/deployments", &globex, json!({"slug": "shop"})).await.expect(201);
    let own = format!("/deployments/{}", id_of(&own["deployment"]));
    let subscribed = world.post(&format!("{own}/subscribe"), &globex, body).await.expect(201);
    assert_eq!(subscribed["subscription"]["trial_ends_at"], "2027-01-29T10:00:00Z");
    let path = format!("{own}/subscription/addons/{addon_id}");
    world.delete(&path, &globex).await.expect_problem(404, "not_found");
    assert_eq!(world.subscription(&id).await["addons"][0]["id"], addon_id);
}
