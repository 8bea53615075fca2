//! The promise: everyone reads the catalog, and only `platform_admin` writes it. Published versions stay as they are,
//! and retired records can no longer be bought while existing subscriptions continue.

use std::sync::Arc;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::client::send;
use crate::harness::shop::{column, merged};
use crate::harness::world::{START, user};
use crate::harness::{Fault, World};

fn addon(price_cents: i64) -> Value {
    json!({"name": "Storage", "price_cents": price_cents, "currency": "USD", "quantity": 50, "unit": "GB"})
}

fn version(price_cents: i64) -> Value {
    json!({"price_cents": price_cents, "currency": "USD", "interval": "month"})
}

#[tokio::test]
async fn only_platform_admin_writes_and_everyone_reads() {
    let world = World::start().await;
    world.open_shop().await;
    let before = world.contents().await;
    for token in [&world.user, &user("globex")] {
        for (method, path, body) in [
            (Method::PUT, "/plans/studio", json!({"name": "Mine"})),
            (Method::PUT, "/plans/mine", json!({"name": "Mine"})),
            (Method::POST, "/plans/studio/versions", version(1)),
            (Method::POST, "/plans/nothing/versions", version(1)),
            (Method::PUT, "/addons/storage_50gb", addon(1)),
            (Method::PUT, "/addons/mine", addon(1)),
            // A caller who may not write does not learn what is wrong with the body.
            (Method::PUT, "/addons/mine", json!({"nonsense": 1})),
        ] {
            world.dynamodb.clear();
            let reply = send(world.request(method, path, token).json(&body)).await;
            reply.expect_problem(403, "admin_required");
            assert_eq!(world.dynamodb.seen(), []);
        }
        let mut plan = world.get("/plans/studio", token).await.expect(200);
        assert_eq!(plan["plan"].take()["newest_version"]["price_cents"], 2_900);
        assert_eq!(column(&plan["versions"], "version"), [1]);
        assert_eq!(world.get("/addons/storage_50gb", token).await.expect(200)["addon"]["price_cents"], 750);
        let plans = world.collect("/plans", token, "plans").await;
        assert_eq!(column(&plans.into(), "code"), ["euro", "studio", "team", "yearly"]);
        let addons = world.collect("/addons", token, "addons").await;
        assert_eq!(column(&addons.into(), "code"), ["euro_seats", "storage_50gb"]);
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn published_versions_are_numbered_and_never_change() {
    let world = World::start().await;
    world.sell_plan("studio", &[]).await;
    assert_eq!(world.get("/plans/studio", &world.user).await.expect(200)["versions"], json!([]));
    let mut published = Vec::new();
    for number in 1..=5 {
        world.clock.shift(chrono::TimeDelta::hours(1));
        let body = json!({"price_cents": 1_000 * number, "interval": "quarter", "trial_days": number});
        let reply = world.publish("studio", body).await;
        assert_eq!(reply.header("location"), "/api/v1/plans/studio");
        assert_eq!(reply.header("etag"), format!("\"{}\"", number + 1));
        let version = reply.expect(201)["plan_version"].clone();
        assert_eq!((&version["version"], &version["price_cents"]), (&json!(number), &json!(1_000 * number)));
        published.insert(0, version);
    }
    // After being renamed, retired and brought back, the plan has the same versions.
    for body in
        [json!({"name": "Other"}), json!({"name": "A", "status": "retired"}), json!({"name": "A", "status": "active"})]
    {
        let plan = world.put("/plans/studio", &world.admin, body).await.expect(200);
        assert_eq!(plan["plan"]["newest_version"], published[0]);
        assert_eq!(world.collect("/plans/studio", &world.user, "versions").await, published);
    }
    let pages = world.pages("/plans/studio?limit=2", &world.user, "versions").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), published);
    // No route changes or removes a version.
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
        let reply = send(world.request(method, "/plans/studio/versions/1", &world.admin).json(&version(1))).await;
        assert!([404, 405].contains(&reply.status), "{}", reply.text);
    }
    assert_eq!(world.collect("/plans/studio", &world.user, "versions").await, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_publications_at_one_moment_exactly_one_succeeds_and_leaves_no_gap() {
    const CALLERS: usize = 8;
    let world = World::start().await;
    world.sell_plan("studio", &[json!({"price_cents": 1})]).await;
    for round in 0..2_u32 {
        world.dynamodb.plan("TransactWriteItems", CALLERS, Fault::Gather(Arc::new(Barrier::new(CALLERS))));
        let replies =
            join_all((0..CALLERS).map(|caller| world.publish("studio", json!({"price_cents": caller})))).await;
        let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 201);
        assert_eq!(won.len(), 1);
        for reply in lost {
            reply.expect_problem(409, "version_conflict");
        }
        let [won] = &won[..] else { unreachable!() };
        let versions = Value::from(world.collect("/plans/studio", &world.user, "versions").await);
        assert_eq!(column(&versions, "version"), (1..=round + 2).rev().collect::<Vec<_>>());
        assert_eq!(versions[0], won.body["plan_version"]);
        let plan = world.get("/plans/studio", &world.user).await.expect(200);
        assert_eq!(plan["plan"]["newest_version"], versions[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_writers_of_one_record_at_one_moment_exactly_one_succeeds() {
    let world = World::start().await;
    for (path, body) in [("/plans/studio", json!({"name": "0"})), ("/addons/storage", addon(0))] {
        // First all callers create it, then all change it.
        for status in [201, 200] {
            let with_name = |caller: u32| {
                let mut body = body.clone();
                body["name"] = format!("{status} {caller}").into();
                body
            };
            world.dynamodb.plan("TransactWriteItems", 4, Fault::Gather(Arc::new(Barrier::new(4))));
            let replies = join_all((0..4).map(|caller| world.put(path, &world.admin, with_name(caller)))).await;
            let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == status);
            assert_eq!((won.len(), lost.len()), (1, 3), "{path} {status}");
            for reply in lost {
                reply.expect_problem(409, "version_conflict");
            }
            let record = path.split('/').nth(1).unwrap().trim_end_matches('s');
            assert_eq!(world.get(path, &world.user).await.expect(200)[record], won[0].body[record]);
        }
    }
}

#[tokio::test]
async fn retired_records_cannot_be_bought_and_their_subscriptions_continue() {
    let world = World::start().await;
    world.open_shop().await;
    let storage = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
    let old = world.create_subscribed("old", storage.clone()).await;
    let on_team = world.create_subscribed("team", json!({"plan_code": "team"})).await;
    let new = world.create("new").await["id"].as_str().unwrap().to_owned();
    world.put("/plans/studio", &world.admin, json!({"name": "Studio", "status": "retired"})).await.expect(200);
    let before = world.contents().await;
    for body in [storage.clone(), json!({"plan_code": "studio"}), json!({"plan_code": "studio", "plan_version": 1})] {
        world.subscribe(&new, body).await.expect_problem(422, "plan_retired");
    }
    for effective in ["immediate", "period_end"] {
        let change = json!({"plan_code": "studio", "effective": effective});
        world.change(&on_team, change).await.expect_problem(422, "plan_retired");
    }
    world.publish("studio", json!({"price_cents": 1})).await.expect_problem(422, "plan_retired");
    assert_eq!(world.contents().await, before);

    world.sell_addon("storage_50gb", json!({"status": "retired"})).await;
    let before = world.contents().await;
    let body = json!({"plan_code": "team", "addons": ["storage_50gb"]});
    world.subscribe(&new, body.clone()).await.expect_problem(422, "addon_retired");
    let path = format!("/deployments/{on_team}/subscription/addons");
    let attach = world.post(&path, &world.user, json!({"addon_code": "storage_50gb"})).await;
    attach.expect_problem(422, "addon_retired");
    assert_eq!(world.contents().await, before);

    // Subscriptions to retired records are unchanged and accept every other command.
    let running = world.subscription(&old).await;
    assert_eq!((&running["status"], &running["recurring_cents"]), (&json!("active"), &json!(3_650)));
    let addon_id = running["addons"][0]["id"].as_str().unwrap();
    world.delete(&format!("/deployments/{old}/subscription/addons/{addon_id}"), &world.user).await.expect(200);
    world.transition(&old, &world.user, json!({"to_state": "paused"})).await.expect(200);
    world.transition(&old, &world.user, json!({"to_state": "active"})).await.expect(200);
    assert_eq!(world.subscription(&old).await["status"], "active");
    world.check(&old).await;
}

#[tokio::test]
async fn a_list_is_read_page_by_page_in_the_order_of_codes() {
    let world = World::start().await;
    let codes = ["0-first", "a", "a-b", "a0", "a_b", "aa", "b", "plan", "z_9"];
    for code in codes.iter().rev() {
        world.sell_plan(code, &[]).await;
        world.sell_addon(code, json!({})).await;
    }
    for name in ["plans", "addons"] {
        for (limit, lengths) in [(1, vec![1; 9]), (4, vec![4, 4, 1]), (9, vec![9]), (100, vec![9])] {
            let pages = world.pages(&format!("/{name}?limit={limit}"), &world.user, name).await;
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), lengths, "{name} {limit}");
            assert_eq!(column(&pages.concat().into(), "code"), codes, "{name} {limit}");
        }
        for (query, code) in [
            ("limit=0", "invalid_limit"),
            ("limit=101", "invalid_limit"),
            ("cursor=!", "invalid_cursor"),
            ("cursor=UExBTiM", "invalid_cursor"),
            ("status=active", "unknown_parameter"),
        ] {
            world.get(&format!("/{name}?{query}"), &world.user).await.expect_problem(400, code);
        }
    }
}

#[tokio::test]
async fn a_record_that_is_not_in_the_catalog_is_not_found() {
    let world = World::start().await;
    for path in ["/plans/nothing", "/addons/nothing"] {
        world.get(path, &world.user).await.expect_problem(404, "not_found");
    }
    world.post("/plans/nothing/versions", &world.admin, version(1)).await.expect_problem(404, "not_found");
    for path in ["/plans/No", "/addons/a%23b", "/plans/-a", "/addons/a%20b"] {
        world.get(path, &world.user).await.expect_problem(400, "invalid_code");
    }
    assert!(world.contents().await.is_empty());
}

#[tokio::test]
async fn writing_the_present_values_changes_nothing() {
    let world = World::start().await;
    world.sell_plan("studio", &[json!({"price_cents": 2_900})]).await;
    world.put("/addons/storage", &world.admin, addon(750)).await.expect(201);
    let before = world.contents().await;
    world.clock.shift(chrono::TimeDelta::hours(1));
    for (path, body, etag) in
        [("/plans/studio", json!({"name": "studio"}), "\"2\""), ("/addons/storage", addon(750), "\"1\"")]
    {
        let reply = world.put(path, &world.admin, body).await;
        assert_eq!((reply.status, reply.header("etag")), (200, etag), "{path}");
    }
    assert_eq!(world.contents().await, before);
    let shown = world.get("/addons/storage", &world.user).await.expect(200);
    assert_eq!((&shown["addon"]["created_at"], &shown["addon"]["updated_at"]), (&json!(START), &json!(START)));
}

#[tokio::test]
async fn a_write_insists_on_the_revision_that_if_match_names() {
    let world = World::start().await;
    world.sell_plan("studio", &[json!({"price_cents": 2_900})]).await;
    world.put("/addons/storage", &world.admin, addon(750)).await.expect(201);
    for (method, path, body, revision) in [
        (Method::PUT, "/plans/studio", json!({"name": "Other"}), 2),
        (Method::POST, "/plans/studio/versions", version(1), 3),
        (Method::PUT, "/addons/storage", addon(990), 1),
    ] {
        let before = world.contents().await;
        let request =
            |tag: String| world.request(method.clone(), path, &world.admin).header("if-match", tag).json(&body);
        let stale = send(request(format!("\"{}\"", revision + 1))).await;
        assert_eq!(stale.expect_problem(412, "precondition_failed")["current_version"], revision);
        assert_eq!(world.contents().await, before);
        let done = send(request(format!("\"{revision}\""))).await;
        assert_eq!(done.header("etag"), format!("\"{}\"", revision + 1), "{}", done.text);
    }
}

/// The refused values of every catalog field: the field, a value, and the code.
fn bad_fields() -> Vec<(&'static str, Value, &'static str)> {
    let mut bad = vec![
        ("currency", json!("usd"), "invalid_currency"),
        ("currency", json!("XXX"), "invalid_currency"),
        ("currency", json!(840), "not_a_string"),
        ("interval", json!("week"), "invalid_interval"),
        ("interval", json!("Month"), "invalid_interval"),
        ("trial_days", json!(-1), "out_of_range"),
        ("trial_days", json!(731), "out_of_range"),
        ("trial_days", json!(1.5), "not_an_integer"),
        ("quantity", json!(0), "out_of_range"),
        ("quantity", json!(-1), "out_of_range"),
        ("quantity", json!(1_000_000_001), "out_of_range"),
        ("quantity", json!("50"), "not_an_integer"),
        ("name", json!(" "), "invalid_display_name"),
        ("unit", json!(""), "invalid_display_name"),
        ("status", json!("gone"), "invalid_status"),
    ];
    for (price_cents, code) in [
        (json!(-1), "out_of_range"),
        (json!(1_000_000_000_000_001_i64), "out_of_range"),
        (json!(i64::MAX), "out_of_range"),
        (json!(i64::MIN), "out_of_range"),
        (json!(u64::MAX), "out_of_range"),
        (json!(1e30), "not_an_integer"),
        (json!(7.5), "not_an_integer"),
        (json!(750.0), "not_an_integer"),
        (json!("750"), "not_an_integer"),
        (json!(true), "not_an_integer"),
        (json!([750]), "not_an_integer"),
        (Value::Null, "not_null"),
    ] {
        bad.push(("price_cents", price_cents, code));
    }
    bad
}

#[tokio::test]
async fn every_field_refuses_what_it_cannot_be_and_nothing_is_written() {
    let world = World::start().await;
    world.sell_plan("studio", &[json!({"price_cents": 2_900})]).await;
    let before = world.contents().await;
    world.dynamodb.clear();
    for (field, value, code) in bad_fields() {
        let targets = [
            (Method::PUT, "/plans/studio", json!({"name": "Studio", "status": "active"})),
            (Method::POST, "/plans/studio/versions", merged(version(1), json!({"trial_days": 1}))),
            (Method::PUT, "/addons/storage", merged(addon(750), json!({"status": "active"}))),
        ];
        for (method, path, mut body) in targets.into_iter().filter(|(_, _, body)| body.get(field).is_some()) {
            body[field] = value.clone();
            println!("{method} {path} {body}");
            let reply = send(world.request(method, path, &world.admin).json(&body)).await;
            reply.expect_fields(&[(format!("/{field}").as_str(), code)]);
        }
    }
    for (method, path, required) in [
        (Method::PUT, "/plans/studio", &["/name"][..]),
        (Method::POST, "/plans/studio/versions", &["/price_cents", "/currency", "/interval"]),
        (Method::PUT, "/addons/storage", &["/name", "/price_cents", "/currency", "/quantity", "/unit"]),
    ] {
        let reply = send(world.request(method, path, &world.admin).json(&json!({}))).await;
        reply.expect_fields(&required.iter().map(|pointer| (*pointer, "required")).collect::<Vec<_>>());
    }
    assert_eq!(world.dynamodb.seen(), []);
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn a_catalog_write_whose_answer_was_lost_is_no_conflict() {
    let world = World::start().await;
    world.dynamodb.plan("TransactWriteItems", 1, Fault::ServerError);
    let reply = world.put("/plans/studio", &world.admin, json!({"name": "Studio"})).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
}

#[tokio::test]
async fn a_catalog_write_that_meets_a_transaction_is_sent_again() {
    let world = World::start().await;
    world.dynamodb.plan("TransactWriteItems", 1, Fault::cancelled(&["None", "TransactionConflict"]));
    let reply = world.put("/plans/studio", &world.admin, json!({"name": "Studio"})).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
}

#[tokio::test]
async fn a_publication_that_dynamodb_is_short_for_is_sent_again() {
    for code in ["TransactionConflict", "ThrottlingError"] {
        let world = World::start().await;
        world.sell_plan("studio", &[]).await;
        world.dynamodb.plan("TransactWriteItems", 1, Fault::cancelled(&[code, "None"]));
        let reply = world.publish("studio", json!({"price_cents": 1})).await;
        assert_eq!(reply.status, 201, "{code}: {}", reply.text);
    }
}

#[tokio::test]
async fn if_match_star_needs_something_to_match() {
    let world = World::start().await;
    let put = |tag: &str| {
        let request = world.request(Method::PUT, "/plans/studio", &world.admin).header("if-match", tag);
        send(request.json(&json!({"name": "Studio"})))
    };
    for tag in ["*", "\"1\""] {
        put(tag).await.expect_problem(412, "precondition_failed");
    }
    // A record that does not exist has version 0, so this creates and never changes.
    put("\"0\"").await.expect(201);
    put("\"0\"").await.expect_problem(412, "precondition_failed");
}
