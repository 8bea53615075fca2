//! The promise: a purchase, an add-on, a change or a cancellation that is not allowed is refused with a stable code,
//! and nothing is written.

use arcadia_domain::{MAX_ADDONS, State};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::client::send;
use crate::harness::shop::merged;
use crate::harness::table::Contents;
use crate::harness::world::id_of;
use crate::harness::{Reply, World};

/// An id that does not exist.
const MISSING: &str = "01920000-0000-7000-8000-000000000000";

/// A shop with one subscribed and one unsubscribed deployment, and the table's contents to compare with.
struct Case {
    world: World,
    subscribed: String,
    bare: String,
    before: Contents,
}

impl Case {
    async fn start() -> Self {
        let world = World::start().await;
        world.open_shop().await;
        world.sell_plan("unpublished", &[]).await;
        world.sell_plan("retired", &[json!({"price_cents": 1})]).await;
        world.put("/plans/retired", &world.admin, json!({"name": "Retired", "status": "retired"})).await.expect(200);
        let body = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
        let subscribed = world.create_subscribed("subscribed", body).await;
        let bare = id_of(&world.create("bare").await);
        let before = world.contents().await;
        Self { world, subscribed, bare, before }
    }

    /// A call on one of the deployments, as acme's user, or as `platform_admin` where only that role may call.
    async fn call(&self, method: Method, id: &str, path: &str, body: &Value) -> Reply {
        let token = if path == "/trial" { &self.world.admin } else { &self.world.user };
        let request = self.world.request(method, &format!("/deployments/{id}{path}"), token);
        send(if body.is_null() { request } else { request.json(body) }).await
    }

    async fn unchanged(&self) {
        assert_eq!(self.world.contents().await, self.before);
    }
}

#[tokio::test]
async fn records_that_the_catalog_does_not_sell_are_refused_by_name() {
    let case = Case::start().await;
    let plans = [
        (json!({"plan_code": "nothing"}), "unknown_plan"),
        (json!({"plan_code": "nothing", "plan_version": 1}), "unknown_plan"),
        (json!({"plan_code": "studio", "plan_version": 2}), "unknown_plan_version"),
        (json!({"plan_code": "studio", "plan_version": u32::MAX}), "unknown_plan_version"),
        (json!({"plan_code": "unpublished"}), "unknown_plan_version"),
        (json!({"plan_code": "unpublished", "plan_version": 1}), "unknown_plan_version"),
        (json!({"plan_code": "retired"}), "plan_retired"),
        (json!({"plan_code": "retired", "plan_version": 1}), "plan_retired"),
    ];
    for (body, code) in &plans {
        case.world.subscribe(&case.bare, body.clone()).await.expect_problem(422, code);
        for effective in ["immediate", "period_end"] {
            let body = merged(body.clone(), json!({"effective": effective}));
            case.world.change(&case.subscribed, body).await.expect_problem(422, code);
        }
    }
    let addons = |codes: &[&str]| json!({"plan_code": "studio", "addons": codes});
    for codes in [&["nothing"][..], &["storage_50gb", "nothing"], &["studio"]] {
        case.world.subscribe(&case.bare, addons(codes)).await.expect_problem(422, "unknown_addon");
    }
    let attach = |code: &str| json!({"addon_code": code});
    let attached = case.call(Method::POST, &case.subscribed, "/subscription/addons", &attach("nothing")).await;
    attached.expect_problem(422, "unknown_addon");
    case.unchanged().await;
}

#[tokio::test]
async fn an_addon_of_another_currency_is_refused_unless_a_change_may_drop_it() {
    let case = Case::start().await;
    let (world, id) = (&case.world, &case.subscribed);
    let body = json!({"plan_code": "studio", "addons": ["storage_50gb", "euro_seats"]});
    let problem = world.subscribe(&case.bare, body).await.expect_problem(409, "currency_mismatch");
    assert_eq!(problem["addon_code"], "euro_seats");
    let attach = case.call(Method::POST, id, "/subscription/addons", &json!({"addon_code": "euro_seats"})).await;
    assert_eq!(attach.expect_problem(409, "currency_mismatch")["addon_code"], "euro_seats");
    for effective in ["immediate", "period_end"] {
        for dry_run in [true, false] {
            let body = json!({"plan_code": "euro", "effective": effective, "proration": "none", "dry_run": dry_run});
            let problem = world.change_as(&world.admin, id, body).await.expect_problem(409, "currency_mismatch");
            assert_eq!(problem["addon_code"], "storage_50gb");
        }
    }
    // An amount billed in one currency is not credited in another.
    let body = json!({"plan_code": "euro", "drop_incompatible": true});
    world.change(id, body.clone()).await.expect_problem(422, "currency_change");
    case.unchanged().await;

    let dropped = world.subscription(id).await["addons"][0]["id"].clone();
    let changed = world.change_as(&world.admin, id, merged(body, json!({"proration": "none"}))).await.expect(200);
    assert_eq!(changed["event"]["data"]["dropped_addons"], json!([dropped]));
    // The dropped add-on is credited like a detached one, in its own currency.
    assert_eq!((&changed["lines"][0]["amount_cents"], changed["lines"].as_array().unwrap().len()), (&json!(-401), 1));
    assert_eq!(changed["subscription"]["addons"], json!([]));
    assert_eq!(
        (&changed["subscription"]["currency"], &changed["subscription"]["recurring_cents"]),
        (&json!("EUR"), &json!(2_700))
    );
    assert!(world.check(id).await.addons.is_empty());
    world.attach(id, "euro_seats").await;
}

#[tokio::test]
async fn a_subscription_has_at_most_50_addons_however_they_come() {
    let case = Case::start().await;
    let (world, id) = (&case.world, &case.bare);
    let storage = |count: usize| json!({"plan_code": "studio", "addons": vec!["storage_50gb"; count]});
    for count in [MAX_ADDONS + 1, 1_000] {
        world.subscribe(id, storage(count)).await.expect_problem(422, "too_many_addons");
    }
    case.unchanged().await;
    let body = world.subscribe(id, storage(MAX_ADDONS)).await.expect(201);
    assert_eq!(body["subscription"]["addons"].as_array().map(Vec::len), Some(MAX_ADDONS));
    assert_eq!(body["subscription"]["recurring_cents"], 2_900 + 50 * 750);
    let before = world.contents().await;
    let attach = case.call(Method::POST, id, "/subscription/addons", &json!({"addon_code": "storage_50gb"})).await;
    attach.expect_problem(422, "too_many_addons");
    assert_eq!(world.contents().await, before);
    let stored = world.check(id).await;
    // A new add-on can take the place of a detached one.
    let path = format!("/deployments/{id}/subscription/addons/{}", stored.addons[7].id);
    world.delete(&path, &world.user).await.expect(200);
    world.attach(id, "storage_50gb").await;
    assert_eq!(world.check(id).await.addons.len(), MAX_ADDONS);
}

#[tokio::test]
async fn a_deployment_that_does_not_run_cannot_be_subscribed() {
    let case = Case::start().await;
    let world = &case.world;
    for state in [State::Paused, State::Suspended, State::Cancelled, State::Archived] {
        let id = world.create_in(&state.to_string().replace('_', "-"), state).await;
        let before = world.contents().await;
        world.subscribe(&id, json!({"plan_code": "studio"})).await.expect_problem(422, "not_subscribable");
        assert_eq!(world.contents().await, before);
    }
    for state in [State::Trial, State::Active, State::PastDue] {
        let id = world.create_in(&state.to_string().replace('_', "-"), state).await;
        world.subscribe(&id, json!({"plan_code": "studio"})).await.expect(201);
        world.check(&id).await;
    }
}

#[tokio::test]
async fn a_live_subscription_is_neither_made_twice_nor_touched_while_it_is_paused() {
    let case = Case::start().await;
    let (world, id) = (&case.world, &case.subscribed);
    for body in [json!({"plan_code": "studio"}), json!({"plan_code": "team", "addons": ["storage_50gb"]})] {
        world.subscribe(id, body).await.expect_problem(409, "already_subscribed");
    }
    case.unchanged().await;
    world.transition(id, &world.user, json!({"to_state": "paused"})).await.expect(200);
    let before = world.contents().await;
    world.subscribe(id, json!({"plan_code": "studio"})).await.expect_problem(409, "already_subscribed");
    world.change(id, json!({"plan_code": "team"})).await.expect_problem(409, "subscription_paused");
    let attach = case.call(Method::POST, id, "/subscription/addons", &json!({"addon_code": "storage_50gb"})).await;
    attach.expect_problem(409, "subscription_paused");
    let addon_id = id_of(&world.subscription(id).await["addons"][0]);
    let detach = case.call(Method::DELETE, id, &format!("/subscription/addons/{addon_id}"), &Value::Null).await;
    detach.expect_problem(409, "subscription_paused");
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn without_a_live_subscription_there_is_nothing_to_change_attach_detach_or_cancel() {
    let case = Case::start().await;
    let world = &case.world;
    let ended = world.create_subscribed("ended", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    world.cancel(&ended, "immediate").await.expect(200);
    let addon_id = id_of(&world.subscription(&ended).await["addons"][0]);
    let before = world.contents().await;
    for id in [&case.bare, &ended] {
        for (method, path, body) in [
            (Method::POST, "/subscription/change".to_owned(), json!({"plan_code": "team"})),
            (Method::POST, "/subscription/change".to_owned(), json!({"plan_code": "team", "dry_run": true})),
            (Method::POST, "/subscription/change".to_owned(), json!({"plan_code": "team", "effective": "period_end"})),
            (Method::DELETE, "/subscription/change".to_owned(), Value::Null),
            (Method::POST, "/subscription/addons".to_owned(), json!({"addon_code": "storage_50gb"})),
            (Method::DELETE, format!("/subscription/addons/{addon_id}"), Value::Null),
            (Method::POST, "/subscription/cancellation".to_owned(), json!({})),
            (Method::POST, "/subscription/cancellation".to_owned(), json!({"effective": "immediate"})),
            (Method::DELETE, "/subscription/cancellation".to_owned(), Value::Null),
        ] {
            let reply = case.call(method, id, &path, &body).await;
            reply.expect_problem(409, "not_subscribed");
        }
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn an_addon_that_the_subscription_does_not_have_cannot_be_detached() {
    let case = Case::start().await;
    let (world, id) = (&case.world, &case.subscribed);
    let other = world.create_subscribed("other", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    let before = world.contents().await;
    let theirs = id_of(&world.subscription(&other).await["addons"][0]);
    let subscription_id = id_of(&world.subscription(id).await);
    for addon_id in [MISSING, &theirs, &subscription_id, id] {
        let reply = world.delete(&format!("/deployments/{id}/subscription/addons/{addon_id}"), &world.user).await;
        reply.expect_problem(404, "not_found");
    }
    for addon_id in ["storage_50gb", "0", "%23", "null"] {
        let reply = world.delete(&format!("/deployments/{id}/subscription/addons/{addon_id}"), &world.user).await;
        reply.expect_problem(400, "invalid_id");
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn every_field_refuses_what_it_cannot_be() {
    let case = Case::start().await;
    case.world.dynamodb.clear();
    let plan = json!({"plan_code": "studio"});
    let addon = json!({"addon_code": "storage_50gb"});
    for (path, body, pointer, code) in [
        ("/subscribe", json!({}), "/plan_code", "required"),
        ("/subscribe", json!({"plan_code": null}), "/plan_code", "not_null"),
        ("/subscribe", json!({"plan_code": "No"}), "/plan_code", "invalid_code"),
        ("/subscribe", json!({"plan_code": 1}), "/plan_code", "not_a_string"),
        ("/subscribe", merged(plan.clone(), json!({"plan_version": 0})), "/plan_version", "out_of_range"),
        ("/subscribe", merged(plan.clone(), json!({"plan_version": -1})), "/plan_version", "out_of_range"),
        (
            "/subscribe",
            merged(plan.clone(), json!({"plan_version": 4_294_967_296_i64})),
            "/plan_version",
            "out_of_range",
        ),
        ("/subscribe", merged(plan.clone(), json!({"plan_version": 1.0})), "/plan_version", "not_an_integer"),
        ("/subscribe", merged(plan.clone(), json!({"plan_version": "1"})), "/plan_version", "not_an_integer"),
        ("/subscribe", merged(plan.clone(), json!({"addons": "storage_50gb"})), "/addons", "not_a_list"),
        ("/subscribe", merged(plan.clone(), json!({"addons": [{"code": "a"}]})), "/addons/0", "not_a_string"),
        ("/subscribe", merged(plan.clone(), json!({"addons": ["a", "B"]})), "/addons/1", "invalid_code"),
        ("/subscribe", merged(plan.clone(), json!({"anchor": "today"})), "/anchor", "invalid_anchor"),
        ("/subscribe", merged(plan.clone(), json!({"anchor": true})), "/anchor", "not_a_string"),
        ("/subscribe", merged(plan.clone(), json!({"trial_ends_at": "soon"})), "/trial_ends_at", "invalid_timestamp"),
        ("/subscription/addons", json!({}), "/addon_code", "required"),
        ("/subscription/addons", json!({"addon_code": "a#b"}), "/addon_code", "invalid_code"),
        ("/subscription/change", json!({}), "/plan_code", "required"),
        (
            "/subscription/change",
            merged(plan.clone(), json!({"effective": "later"})),
            "/effective",
            "invalid_effective",
        ),
        ("/subscription/change", merged(plan.clone(), json!({"proration": "half"})), "/proration", "invalid_proration"),
        ("/subscription/change", merged(plan.clone(), json!({"dry_run": 1})), "/dry_run", "not_a_boolean"),
        (
            "/subscription/change",
            merged(plan.clone(), json!({"drop_incompatible": "yes"})),
            "/drop_incompatible",
            "not_a_boolean",
        ),
        ("/subscription/cancellation", json!({"effective": "tomorrow"}), "/effective", "invalid_effective"),
        ("/trial", json!({}), "/trial_ends_at", "required"),
        ("/trial", json!({"trial_ends_at": 1}), "/trial_ends_at", "invalid_timestamp"),
    ] {
        println!("{path} {body}");
        case.call(Method::POST, &case.subscribed, path, &body).await.expect_fields(&[(pointer, code)]);
    }
    // A body with a price is refused, since nobody may set one.
    for (path, body) in [
        ("/subscribe", merged(plan.clone(), json!({"price_cents": 1}))),
        ("/subscription/addons", merged(addon.clone(), json!({"price_cents": 1}))),
        ("/subscription/addons", merged(addon, json!({"quantity": 1}))),
        ("/subscription/change", merged(plan, json!({"addons": []}))),
        ("/subscription/cancellation", json!({"at": "now"})),
        ("/trial", json!({"days": 7})),
    ] {
        case.call(Method::POST, &case.bare, path, &body).await.expect_problem(400, "unknown_field");
    }
    assert_eq!(case.world.dynamodb.seen(), []);
    case.unchanged().await;
}
