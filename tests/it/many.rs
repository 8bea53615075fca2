//! The promise: a command given to many deployments at once is executed on each of them like a single one, once, with a
//! result for each.

use std::collections::{BTreeMap, HashMap};

use arcadia_functions::operations::run::{Turned, Worker};
use arcadia_functions::runtime::{App, Clock as _};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::routes::MISSING;
use crate::harness::world::{ACME, START, id_of, token, user};

/// Starts an operation. Returns its id.
pub async fn start(billing: &Billing, body: Value) -> String {
    id_of(&billing.post("/operations", &billing.admin, body).await.expect(202)["operation"])
}

/// An operation, as callers see it.
pub async fn show(billing: &Billing, id: &str) -> Value {
    billing.get(&format!("/operations/{id}"), &billing.admin).await.expect(200)["operation"].take()
}

/// The outcome of every deployment, and the code of its problem.
pub async fn results(billing: &Billing, id: &str) -> BTreeMap<String, (String, String)> {
    let path = format!("/operations/{id}/results?limit=7");
    let results = billing.collect(&path, &billing.admin, "results").await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = results.iter().map(|r| (text(&r["deployment_id"]), (text(&r["outcome"]), text(&r["problem"]["code"]))));
    let found: BTreeMap<_, _> = found.collect();
    assert_eq!(found.len(), results.len(), "a deployment has two results");
    found
}

/// Runs an operation to its end, and advances the clock to each time that it waits for.
pub async fn finish(billing: &Billing, app: &App, id: &str) {
    while let Some(mut worker) = Worker::start(app, id.parse().expect("an id")).await.expect("an operation") {
        while let Turned::NextAt(at) = worker.turn().await.expect("a page") {
            billing.clock.shift((at - billing.clock.now()).max(TimeDelta::zero()));
        }
    }
}

/// Runs one page. Returns when the next may begin, unless the operation has ended.
pub async fn turn(billing: &Billing, id: &str) -> Turned {
    let worker = Worker::start(&billing.app, id.parse().expect("an id")).await.expect("an operation");
    worker.expect("an operation that runs").turn().await.expect("a page")
}

fn counts(operation: &Value) -> [u64; 3] {
    ["done", "unchanged", "refused"].map(|name| operation["counts"][name].as_u64().expect("a count"))
}

fn hold() -> Value {
    json!({"type": "update", "billing_action_suspended": true})
}

#[tokio::test]
async fn every_deployment_gets_one_result_as_a_single_command_would_give_it() {
    let billing = Billing::at(START).await;
    let ids = billing.fill(23, "free").await;
    for id in &ids[..3] {
        let body = json!({"billing_action_suspended": true});
        billing.patch(&format!("/deployments/{id}"), &billing.admin, body).await.expect(200);
    }
    for id in &ids[3..5] {
        for to_state in ["cancelled", "archived"] {
            billing.transition(id, &billing.admin, json!({"to_state": to_state})).await.expect(200);
        }
    }
    let other = id_of(
        &billing.post("/deployments", &user("globex"), json!({"slug": "theirs"})).await.expect(201)["deployment"],
    );
    let body = json!({
        "filter": {"tenant_id": ACME}, "command": hold(), "reason": "outage", "notes": "of the night", "rate_per_second": 10,
    });
    let id = start(&billing, body).await;
    let operation = show(&billing, &id).await;
    assert_eq!((&operation["status"], &operation["started_by"]), (&json!("running"), &json!("ada")));
    assert_eq!(operation["matching"], json!({"count": 23, "is": "exact"}));
    finish(&billing, &billing.app, &id).await;
    let operation = show(&billing, &id).await;
    assert_eq!((operation["status"].as_str(), counts(&operation)), (Some("completed"), [18, 3, 2]));
    assert_eq!(operation["remaining"], 0);
    let results = results(&billing, &id).await;
    let of = |outcome: &str, code: &str| (outcome.to_owned(), code.to_owned());
    for (n, id) in ids.iter().enumerate() {
        let expected = match n {
            0..3 => of("unchanged", ""),
            3..5 => of("refused", "deployment_archived"),
            _ => of("done", ""),
        };
        assert_eq!(results[id], expected, "{n}");
        let books = billing.books(id).await;
        let updates = books.events.iter().filter(|event| json!(event)["type"] == "updated").collect::<Vec<_>>();
        assert_eq!(updates.len(), usize::from(!(3..5).contains(&n)), "{n}");
        if n >= 5 {
            let event = json!(updates[0]);
            assert_eq!((&event["actor"], &event["reason"]), (&json!("ada"), &json!("outage")));
            assert_eq!(event["notes"], "of the night");
        }
    }
    let theirs = billing.get(&format!("/deployments/{other}"), &billing.admin).await.expect(200);
    assert!(!results.contains_key(&other) && theirs["deployment"]["billing_action_suspended"] == false);
}

#[tokio::test]
async fn each_deployment_is_credited_and_charged_once() {
    let billing = Billing::at(START).await;
    let mut ids = Vec::new();
    for n in 0..4 {
        let id = billing.create_subscribed(&format!("credited-{n}"), json!({"plan_code": "studio"})).await;
        billing.settle(&id).await;
        ids.push(id);
    }
    let bare = id_of(&billing.create("bare").await);
    ids.push(bare.clone());
    let credit = json!({"type": "credit", "amount_cents": 500, "currency": "USD"});
    let charge = json!({"type": "charge", "description": "Migration", "amount_cents": 900, "currency": "USD"});
    let without = json!({"filter": {"ids": ids}, "command": credit});
    let refused = billing.post("/operations", &billing.admin, without).await.expect_problem(422, "validation_failed");
    assert_eq!(refused["errors"][0]["pointer"], "/reason");
    for command in [credit, charge] {
        let body = json!({"filter": {"ids": ids}, "command": command, "reason": "outage"});
        let id = start(&billing, body).await;
        finish(&billing, &billing.app, &id).await;
        let refused = u64::from(command["type"] == "charge");
        assert_eq!(counts(&show(&billing, &id).await), [5 - refused, 0, refused]);
    }
    for id in &ids {
        let shown = billing.show(id).await;
        let balances = json!([{"currency": "USD", "amount_cents": 500}]);
        assert_eq!(shown["deployment"]["balances"], balances);
        let waiting = shown["subscription"]["unbilled_lines"].as_array().map_or(0, Vec::len);
        assert_eq!(waiting, usize::from(*id != bare), "{shown}");
    }
}

#[tokio::test]
async fn results_are_listed_by_outcome_and_as_csv() {
    let billing = Billing::at(START).await;
    let ids = billing.fill(3, "free").await;
    let gone = json!({"ids": [ids[0], ids[1], ids[1], MISSING]});
    let command = json!({"type": "transition", "to_state": "past_due"});
    let id = start(&billing, json!({"filter": gone, "command": command})).await;
    assert_eq!(show(&billing, &id).await["matching"], json!({"count": 3, "is": "exact"}));
    let before = billing.clock.now();
    finish(&billing, &billing.app, &id).await;
    assert!(billing.clock.now() - before < TimeDelta::seconds(1), "named deployments need no index to catch up");
    let path = format!("/operations/{id}/results");
    let refused = billing.get(&format!("{path}?outcome=refused"), &billing.admin).await.expect(200);
    let [refused] = &refused["results"].as_array().expect("a list")[..] else { panic!("{refused}") };
    assert_eq!((&refused["deployment_id"], &refused["tenant_id"]), (&json!(MISSING), &Value::Null));
    assert_eq!(refused["problem"]["code"], "not_found");
    let request = billing.request(Method::GET, &format!("{path}?limit=2"), &billing.admin);
    let reply = send(request.header("accept", "text/csv")).await;
    let lines: Vec<&str> = reply.text.lines().collect();
    assert_eq!(lines[0], "deployment_id,tenant_id,slug,outcome,version,status,code,detail,at");
    assert!(lines.len() == 3 && reply.header("link").contains("rel=\"next\""), "{}", reply.text);
    let nothing = format!("/operations/{MISSING}");
    for path in [nothing.clone(), format!("{nothing}/results")] {
        billing.get(&path, &billing.admin).await.expect_problem(404, "not_found");
    }
    billing.post(&format!("{nothing}/stop"), &billing.admin, json!({})).await.expect_problem(404, "not_found");
    billing.get(&format!("{path}?outcome=lost"), &billing.admin).await.expect_problem(400, "invalid_outcome");
}

#[tokio::test]
async fn a_dry_run_tells_how_many_match_and_what_the_first_would_get() {
    let billing = Billing::at(START).await;
    let mut ids = Vec::new();
    for n in 0..12 {
        let id = id_of(&billing.create(&format!("shop-{n}")).await);
        let plan = json!({"plan_code": "studio"});
        billing.post(&format!("/deployments/{id}/subscribe"), &user(ACME), plan).await.expect(201);
        ids.push(id);
    }
    let before = billing.fingerprint().await;
    let command = json!({"type": "change_plan", "plan_code": "team", "plan_version": 1});
    let filter = json!({"plan_code": "studio", "plan_version": 1, "state": "active"});
    let body = json!({"filter": filter, "command": command, "dry_run": true});
    let answer = billing.post("/operations", &billing.admin, body).await.expect(200);
    assert_eq!(answer["matching"], json!({"count": 12, "is": "at_most"}), "{answer}");
    let preview = answer["preview"].as_array().expect("a list");
    assert_eq!(preview.len(), 10);
    for one in preview {
        let single = json!({"plan_code": "team", "plan_version": 1, "dry_run": true});
        let path = format!("/deployments/{}/subscription/change", one["deployment_id"].as_str().expect("an id"));
        let single = billing.post(&path, &billing.admin, single).await.expect(200);
        assert_eq!((&one["lines"], &one["events"]), (&single["lines"], &single["events"]));
        assert_eq!(one["outcome"], "done");
    }
    assert_eq!(billing.fingerprint().await, before, "nothing is stored");
}

#[tokio::test]
async fn a_change_of_plan_is_the_same_as_alone_now_and_at_the_end_of_the_period() {
    let billing = Billing::at(START).await;
    for (n, effective) in ["immediate", "period_end"].into_iter().enumerate() {
        let mut ids = Vec::new();
        for which in ["alone", "many"] {
            let id = id_of(&billing.create(&format!("{which}-{n}")).await);
            let plan = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
            billing.post(&format!("/deployments/{id}/subscribe"), &user(ACME), plan).await.expect(201);
            ids.push(id);
        }
        let change = json!({"plan_code": "team", "plan_version": 1, "effective": effective});
        billing.change_as(&billing.admin, &ids[0], change.clone()).await.expect(200);
        let mut command = change;
        command["type"] = json!("change_plan");
        let id = start(&billing, json!({"filter": {"ids": [ids[1]]}, "command": command})).await;
        finish(&billing, &billing.app, &id).await;
        let subscription = async |id: &str| {
            let mut one = billing.show(id).await["subscription"].take();
            for field in ["id", "addons", "charges", "unbilled_lines"] {
                one[field].take();
            }
            one
        };
        assert_eq!(subscription(&ids[0]).await, subscription(&ids[1]).await, "{effective}");
        let (alone, many) = (billing.books(&ids[0]).await, billing.books(&ids[1]).await);
        assert_eq!(alone.events.len(), many.events.len());
    }
}

#[tokio::test]
async fn each_deployment_costs_what_a_single_command_costs_and_its_result() {
    let billing = Billing::at(START).await;
    billing.fill(7, "free").await;
    let id = start(&billing, json!({"filter": {"state": "active"}, "command": hold()})).await;
    billing.dynamodb.clear();
    // The first page is read and stored before it is worked on.
    turn(&billing, &id).await;
    assert_eq!(billing.dynamodb.operations(), ["GetItem", "PutItem", "Query", "Query", "Query", "Query"]);
    billing.dynamodb.clear();
    turn(&billing, &id).await;
    let seen = billing.dynamodb.operations();
    let count = |name: &str| seen.iter().filter(|seen| *seen == name).count();
    assert_eq!((count("GetItem"), count("BatchGetItem"), count("PutItem")), (1, 1, 1), "{seen:?}");
    assert_eq!((count("Query"), count("TransactWriteItems"), seen.len()), (7, 7, 17));
    // The second pass meets all of them again, and reads their results.
    billing.clock.shift(TimeDelta::seconds(60));
    turn(&billing, &id).await;
    billing.dynamodb.clear();
    assert_eq!(turn(&billing, &id).await, Turned::Ended);
    assert_eq!(billing.dynamodb.operations(), ["BatchGetItem", "GetItem", "TransactWriteItems"]);
}

#[tokio::test]
async fn a_rate_is_kept_by_the_clock() {
    let billing = Billing::at(START).await;
    billing.fill(6, "free").await;
    let body = json!({"filter": {"tenant_id": ACME}, "command": hold(), "rate_per_second": 2});
    let id = start(&billing, body).await;
    let begin = billing.clock.now();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let Turned::NextAt(at) = turn(&billing, &id).await else { panic!("the operation has ended") };
        waits.push((at - billing.clock.now()).num_milliseconds());
        billing.clock.shift(at - billing.clock.now());
    }
    assert_eq!(waits, [0, 1_000, 1_000, 57_000 + 1_000]);
    assert_eq!(billing.clock.now() - begin, TimeDelta::seconds(60));
    billing.clock.shift(TimeDelta::milliseconds(-1));
    let early = billing.fingerprint().await;
    turn(&billing, &id).await;
    assert_eq!(billing.fingerprint().await, early, "the page is not due yet");
}

#[tokio::test]
async fn an_operation_that_is_resumed_from_the_wrong_page_still_leaves_nobody_out_and_does_nothing_twice() {
    let billing = Billing::at(START).await;
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.push(id_of(&billing.create(&format!("shop-{n}")).await));
    }
    let body = json!({"filter": {"tenant_id": ACME}, "command": hold(), "reason": "a test", "rate_per_second": 5});
    let operation = start(&billing, body).await;
    while results(&billing, &operation).await.is_empty() {
        turn(&billing, &operation).await;
    }
    assert!(results(&billing, &operation).await.len() < ids.len(), "the operation has not ended yet");
    // The resumed operation assumes that all but the last deployment have been seen.
    ids.sort_unstable();
    let key = |name: &str, value: &str| (name.to_owned(), AttributeValue::S(value.to_owned()));
    let key = HashMap::from([key("PK", &format!("OPERATION#{operation}")), key("SK", "#OPERATION")]);
    let (client, table) = (&billing.direct, billing.app.store.table());
    let item = client.get_item().table_name(table).set_key(Some(key.clone())).send().await.expect("an item").item;
    let record = item.expect("the operation")["record"].as_m().expect("a map").clone();
    let position = record["progress"].as_m().expect("a map")["position"].as_s().expect("a position").clone();
    let seen = ids.iter().find(|id| position.contains(*id)).expect("the position names a deployment");
    let wrong = position.replace(seen, &ids[ids.len() - 2]);
    let update = client.update_item().table_name(table).set_key(Some(key));
    update
        .update_expression("SET #record.progress.#position = :wrong")
        .expression_attribute_names("#record", "record")
        .expression_attribute_names("#position", "position")
        .expression_attribute_values(":wrong", AttributeValue::S(wrong))
        .send()
        .await
        .expect("an operation");
    finish(&billing, &billing.app, &operation).await;
    let found = results(&billing, &operation).await;
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), ids);
    for id in &ids {
        assert_eq!(billing.books(id).await.count("updated"), 1);
    }
}

#[tokio::test]
async fn a_late_deployment_is_not_missed_and_one_that_left_is_not_changed() {
    let billing = Billing::at(START).await;
    let ids = billing.fill(2, "free").await;
    let id = start(&billing, json!({"filter": {"state": "active"}, "command": hold()})).await;
    turn(&billing, &id).await;
    // One deployment leaves the page before it is worked on, and one joins after.
    billing.transition(&ids[0], &billing.admin, json!({"to_state": "paused"})).await.expect(200);
    turn(&billing, &id).await;
    let late = id_of(&billing.create("late").await);
    finish(&billing, &billing.app, &id).await;
    let results = results(&billing, &id).await;
    assert_eq!(
        results.keys().cloned().collect::<Vec<_>>(),
        [ids[1].clone(), late].into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    assert_eq!(counts(&show(&billing, &id).await), [2, 0, 0]);
}

#[tokio::test]
async fn the_due_steps_come_first_as_before_any_command() {
    let billing = Billing::at(START).await;
    let id = id_of(&billing.create("shop").await);
    billing
        .post(&format!("/deployments/{id}/subscribe"), &user(ACME), json!({"plan_code": "studio"}))
        .await
        .expect(201);
    billing.settle(&id).await;
    billing.set_time("2027-02-01T00:00:01Z");
    let operation = start(&billing, json!({"filter": {"ids": [id]}, "command": hold()})).await;
    finish(&billing, &billing.app, &operation).await;
    let books = billing.books(&id).await;
    assert_eq!((books.count("renewed"), books.count("updated")), (1, 1));
    assert_eq!(json!(books.events.last().expect("an event"))["type"], "updated");
}

#[tokio::test]
async fn a_stopped_operation_finishes_its_page_and_no_more() {
    let billing = Billing::at(START).await;
    billing.fill(5, "free").await;
    let body = json!({"filter": {"tenant_id": ACME}, "command": hold(), "rate_per_second": 2});
    let id = start(&billing, body).await;
    turn(&billing, &id).await;
    let mut worker = Worker::start(&billing.app, id.parse().expect("an id")).await.expect("it").expect("it runs");
    let path = format!("/operations/{id}/stop");
    let stopping = billing.post(&path, &token("eve", "platform_admin", None), json!({})).await.expect(200);
    assert_eq!(
        (&stopping["operation"]["status"], &stopping["operation"]["stopped_by"]),
        (&json!("stopping"), &json!("eve"))
    );
    // The worker began before the stop; its page counts.
    worker.turn().await.expect("a page");
    assert_eq!(worker.turn().await.expect("the end"), Turned::Ended);
    let operation = show(&billing, &id).await;
    assert_eq!((operation["status"].as_str(), counts(&operation)), (Some("stopped"), [2, 0, 0]));
    assert_eq!(results(&billing, &id).await.len(), 2);
    let again = billing.post(&path, &billing.admin, json!({})).await.expect(200);
    assert_eq!(again["operation"], operation);
    assert_eq!(billing.app.store.running_operations().await.expect("a list"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_and_two_operations_do_nothing_twice() {
    let billing = Billing::at(START).await;
    let ids = billing.fill(20, "free").await;
    let pause = json!({"type": "transition", "to_state": "paused"});
    let one = start(&billing, json!({"filter": {"tenant_id": ACME}, "command": pause})).await;
    let two = start(&billing, json!({"filter": {"tenant_id": ACME}, "command": hold()})).await;
    let apps = [billing.app.clone(), billing.app.clone()];
    let twice = async |id: &str| join(finish(&billing, &apps[0], id), finish(&billing, &apps[1], id)).await;
    join(twice(&one), twice(&two)).await;
    for id in [&one, &two] {
        assert_eq!(counts(&show(&billing, id).await), [20, 0, 0]);
        assert!(results(&billing, id).await.values().all(|(outcome, _)| outcome == "done"));
    }
    for id in &ids {
        let books = billing.books(id).await;
        assert_eq!((books.count("state_changed"), books.count("updated")), (1, 1));
    }
}

#[tokio::test]
async fn starting_is_idempotent_and_limited() {
    let billing = Billing::at(START).await;
    let body = json!({"filter": {"state": "trial"}, "command": hold()});
    let keyed =
        || billing.request(Method::POST, "/operations", &billing.admin).header("idempotency-key", "k").json(&body);
    let (first, second) = (send(keyed()).await, send(keyed()).await);
    assert_eq!((first.status, &first.text, second.header("idempotent-replayed")), (202, &second.text, "true"));
    let mut ids = vec![id_of(&first.body["operation"])];
    for _ in 1..20 {
        billing.clock.shift(TimeDelta::milliseconds(1));
        ids.push(start(&billing, body.clone()).await);
    }
    billing.post("/operations", &billing.admin, body.clone()).await.expect_problem(409, "too_many_operations");
    assert_eq!(send(keyed()).await.text, first.text, "a repeated request starts no second operation");
    let listed = billing.collect("/operations?limit=3", &billing.admin, "operations").await;
    ids.reverse();
    assert_eq!(listed.iter().map(id_of).collect::<Vec<_>>(), ids);
    finish(&billing, &billing.app, &ids[0]).await;
    billing.post("/operations", &billing.admin, body).await.expect(202);
}

#[tokio::test]
async fn a_refused_request_lists_its_errors_field_by_field() {
    let billing = Billing::at(START).await;
    let post = async |body: Value| billing.post("/operations", &billing.admin, body).await;
    let fine = || json!({"filter": {"state": "active"}, "command": hold()});
    let with = |field: &str, value: Value| {
        let mut body = fine();
        body[field] = value;
        body
    };
    let many: Vec<String> = (0..1_001).map(|n| format!("00000000-0000-7000-8000-{n:012}")).collect();
    post(with("filter", json!({"ids": many}))).await.expect_problem(400, "too_many_ids");
    post(with("filter", json!({"ids": many[1..].to_vec()}))).await.expect(202);
    post(with("filter", json!({"color": "red"}))).await.expect_problem(400, "unknown_field");
    post(json!({})).await.expect_fields(&[("/filter", "required"), ("/command", "required")]);
    post(with("filter", json!({}))).await.expect_fields(&[("/filter", "empty")]);
    post(with("filter", json!({"ids": []}))).await.expect_fields(&[("/filter/ids", "empty")]);
    post(with("filter", json!([]))).await.expect_fields(&[("/filter", "not_an_object")]);
    let version = json!({"plan_version": 1, "state": "gone"});
    post(with("filter", version))
        .await
        .expect_fields(&[("/filter/state", "invalid_state"), ("/filter/plan_code", "required")]);
    post(with("command", json!({"type": "explode"}))).await.expect_fields(&[("/command/type", "invalid_command")]);
    post(with("command", json!({"type": "transition"}))).await.expect_fields(&[("/command/to_state", "required")]);
    post(with("rate_per_second", json!(401))).await.expect_fields(&[("/rate_per_second", "out_of_range")]);
    billing.post("/operations", &user(ACME), fine()).await.expect_problem(403, "admin_required");
}

#[tokio::test]
async fn a_deployment_that_its_command_moves_down_the_list_is_counted_once() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    billing.publish("studio", json!({"price_cents": 3_400})).await.expect(201);
    // More than a page. Versions are listed in descending order: the first change moves deployments up, the second down.
    let count = billing.fill(130, "studio").await.len();
    for version in [2, 1] {
        let command = json!({"type": "change_plan", "plan_code": "studio", "plan_version": version});
        let id = start(&billing, json!({"filter": {"plan_code": "studio"}, "command": command})).await;
        finish(&billing, &billing.app, &id).await;
        let shown = show(&billing, &id).await;
        let counts = json!({"done": count, "unchanged": 0, "refused": 0});
        assert_eq!((&shown["counts"], results(&billing, &id).await.len()), (&counts, count), "{version}");
    }
}
