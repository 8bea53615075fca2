//! The promise: the number of DynamoDB requests of each call; and the functions have exactly the permissions that these
//! need. The walk of `costs` has the ordinary calls; the table here has the rest: refusals, calls that change nothing,
//! pages and filters.

use arcadia_domain::{MAX_RUNNING_OPERATIONS, State};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::client::send;
use crate::harness::exchange::Seen;
use crate::harness::permissions::{ByHandler, check_requests, needed};
use crate::harness::routes::{MISSING, rows};
use crate::harness::world::id_of;
use crate::{costs, late_clock, subscription_requests, template};

/// One line of the table.
pub struct Line {
    /// The handler that is called.
    pub handler: &'static str,
    pub method: Method,
    pub path: String,
    pub body: Value,
    pub status: u16,
    /// The operations of its requests, sorted.
    pub costs: Vec<&'static str>,
    /// The number of items that the transaction writes.
    pub written: usize,
}

impl Line {
    /// The same call under an idempotency key. It costs one more item in the transaction if there is one, a write if the
    /// call changes nothing, and a read if a repetition could be refused like this.
    fn keyed(mut self) -> Self {
        match self.status {
            200..=299 if self.body["dry_run"] == true => {}
            // A single write becomes a transaction with the record.
            200..=299 if self.costs.contains(&"PutItem") => {
                self.costs.retain(|cost| *cost != "PutItem");
                self.costs.push("TransactWriteItems");
                self.written = 2;
            }
            200..=299 if self.written == 0 => self.costs.push("PutItem"),
            200..=299 => self.written += 1,
            404 => {}
            _ if self.costs.is_empty() => {}
            _ => {
                self.costs.push("GetItem");
                self.written += usize::from(self.written > 0);
            }
        }
        self.costs.sort_unstable();
        self
    }
}

/// The newest records, which later lines name: `{addon_id}`, `{number}` and `{operation_id}` in a path.
#[derive(Debug, Default)]
pub struct Parts {
    addon_id: String,
    number: String,
    operation_id: String,
}

impl Parts {
    pub fn path(&self, line: &Line) -> String {
        let path = line.path.replace("{addon_id}", &self.addon_id).replace("{number}", &self.number);
        path.replace("{operation_id}", &self.operation_id)
    }

    pub fn learn(&mut self, answer: &Value) {
        if let Some(attached) = answer["addon"]["id"].as_str() {
            attached.clone_into(&mut self.addon_id);
        }
        if let Some(operation) = answer["operation"]["id"].as_str() {
            operation.clone_into(&mut self.operation_id);
        }
        if let Some(number) = answer["invoice"]["number"].as_str() {
            number.clone_into(&mut self.number);
        }
    }
}

pub const READ: &[&str] = &["Query"];
/// The tenant of a deployment, and a page of a list of it.
pub const READ_PAGE: &[&str] = &["GetItem", "Query"];
pub const READ_TWO: &[&str] = &["Query", "Query"];
pub const CHANGE: &[&str] = &["Query", "TransactWriteItems"];
/// Partitions of the state index in one state.
const SHARDS: usize = 4;

pub fn get(handler: &'static str, path: impl Into<String>, costs: &[&'static str]) -> Line {
    let (path, costs) = (path.into(), costs.to_vec());
    Line { handler, method: Method::GET, path, body: Value::Null, status: 200, costs, written: 0 }
}

pub fn call(
    handler: &'static str,
    method: Method,
    path: impl Into<String>,
    body: Value,
    (status, costs, written): (u16, &[&'static str], usize),
) -> Line {
    Line { handler, method, path: path.into(), body, status, costs: costs.to_vec(), written }
}

/// Queries of `count` partitions of an index, and the deployments that were found.
pub fn merged(count: usize) -> Vec<&'static str> {
    let mut costs = vec!["BatchGetItem"];
    costs.extend(vec!["Query"; count]);
    costs
}

/// The table: of calls on the deployment `id`, active, and its `resource_id`, in this order; `archived` is another.
fn lines(id: &str, resource_id: &str, archived: &str, cursor: &str) -> Vec<Line> {
    let at = |rest: &str| format!("/deployments/{id}{rest}");
    let transition =
        |body: Value, outcome| call("transition_deployment", Method::POST, at("/transition"), body, outcome);
    let update = |body: Value, outcome| call("update_deployment", Method::PATCH, at(""), body, outcome);
    let create = |body: Value, outcome| call("create_deployment", Method::POST, "/deployments", body, outcome);
    let resource = json!({"kind": "database", "provider_reference": "db-3"});
    let delete = |outcome| {
        call("delete_resource", Method::DELETE, at(&format!("/resources/{resource_id}")), Value::Null, outcome)
    };
    vec![
        get("list_attention", "/attention?kind=postponed", &["Query"]),
        create(json!({"tenant_id": "acme", "slug": "shop"}), (409, &["GetItem", "TransactWriteItems"], 4)),
        create(json!({"tenant_id": "acme", "slug": "Shop"}), (422, &[], 0)),
        get("list_events", at("/events?limit=1"), READ),
        // No event says whether the deployment exists.
        Line { status: 404, ..get("list_events", format!("/deployments/{MISSING}/events"), READ_PAGE) },
        get("list_deployments", "/deployments?tenant_id=acme&limit=1", READ),
        get("list_deployments", format!("/deployments?tenant_id=acme&limit=1&cursor={cursor}"), READ),
        get("list_deployments", "/deployments?tenant_id=acme&state=active", READ),
        // A further page of rows tells whether there is more of that state.
        get("list_deployments", "/deployments?tenant_id=acme&state=archived&limit=1", &["Query", "Query"]),
        get("list_deployments", "/deployments?tenant_id=acme&slug=nobody", &["GetItem"]),
        get("list_deployments", "/deployments?slug=shop", &merged(1)),
        get("list_deployments", "/deployments?slug=nobody", READ),
        get("list_deployments", "/deployments?state=suspended", &["Query"; SHARDS]),
        update(json!({"billing_action_suspended": false}), (200, READ, 0)),
        // A deployment that needs a person leaves a trace.
        update(json!({"billing_action_suspended": true}), (200, CHANGE, 3)),
        get("list_attention", "/attention", &merged(2 * SHARDS + 2)),
        update(json!({"billing_action_suspended": false}), (200, CHANGE, 3)),
        update(json!({"template_code": "store"}), (422, READ, 0)),
        update(json!({"display_name": ""}), (422, &[], 0)),
        transition(json!({"to_state": "paused", "dry_run": true}), (200, READ, 0)),
        transition(json!({"to_state": "archived", "dry_run": true}), (422, READ, 0)),
        transition(json!({"to_state": "active"}), (200, READ, 0)),
        transition(json!({"to_state": "archived"}), (422, READ, 0)),
        transition(json!({"to_state": "gone"}), (422, &[], 0)),
        call("create_resource", Method::POST, format!("/deployments/{archived}/resources"), resource, (422, READ, 0)),
        delete((200, &["GetItem", "Query", "TransactWriteItems"], 3)),
        delete((200, &["GetItem", "Query"], 0)),
    ]
}

/// The same of operations on many deployments.
fn operations(id: &str) -> Vec<Line> {
    let start = |filter: Value, command: Value, dry_run: bool, outcome| {
        let body = json!({"filter": filter, "command": command, "dry_run": dry_run});
        call("start_operation", Method::POST, "/operations", body, outcome)
    };
    let hold = || json!({"type": "update", "billing_action_suspended": true});
    let stop = |outcome| call("stop_operation", Method::POST, "/operations/{operation_id}/stop", json!({}), outcome);
    let named = |outcome| start(json!({"ids": [MISSING]}), hold(), false, outcome);
    let change = json!({"type": "change_plan", "plan_code": "team", "plan_version": 1});
    let hold_path = "/tenants/acme/hold";
    let hold_tenant = |outcome| call("hold_tenant", Method::PUT, hold_path, json!({"reason": "abuse"}), outcome);
    let release = |outcome| call("release_tenant", Method::DELETE, hold_path, Value::Null, outcome);
    // The account, its event, the limits, the operation and the list of those that run.
    let change_rules: &[&str] = &["BatchGetItem", "Query", "TransactWriteItems"];
    let foreseen: &[&str] = &["BatchGetItem", "BatchGetItem", "Query"];
    // A dry run looks how many operations run.
    let look = merged(2 * SHARDS);
    let mut lines = vec![
        call(
            "hold_tenant",
            Method::PUT,
            "/tenants/acme/hold?dry_run=true",
            json!({"reason": "abuse"}),
            (200, foreseen, 0),
        ),
        hold_tenant((202, change_rules, 5)),
        hold_tenant((200, &["BatchGetItem"], 0)),
        release((202, change_rules, 5)),
        release((200, &["BatchGetItem"], 0)),
        start(json!({"state": "trial"}), hold(), true, (200, &look, 0)),
        start(json!({"ids": [id]}), change, true, (200, &["BatchGetItem", "BatchGetItem", "Query"], 0)),
        start(json!({"tenant_id": "nobody"}), hold(), false, (202, &["Query", "TransactWriteItems"], 2)),
        get("list_operation_results", "/operations/{operation_id}/results", READ_PAGE),
        stop((200, &["GetItem", "PutItem"], 0)),
        stop((200, &["GetItem"], 0)),
    ];
    // A price change runs already.
    lines.extend((5..MAX_RUNNING_OPERATIONS).map(|_| named((202, &["TransactWriteItems"], 3))));
    lines.push(named((409, &["TransactWriteItems"], 3)));
    lines
}

#[tokio::test]
async fn every_call_costs_what_the_table_says_and_needs_what_its_function_may_do() {
    let mut needed = costs::walk().await.needed.clone();
    let plain = measure(false, &mut needed).await;
    let keyed = measure(true, &mut needed).await;
    assert_eq!((plain, keyed), (plain, plain));
    // Every command on a deployment takes the due steps first.
    let steps = late_clock::step_permissions().await;
    for row in rows().filter(|row| row.is_deployment_command()) {
        needed.entry(row.handler.to_owned()).or_default().extend(steps.clone());
    }
    assert_eq!(template::permissions(), needed, "the permissions of template.yaml, and those that the calls need");
}

/// Makes every call of the table, each POST under an idempotency key of its own if `keyed`; returns their number.
async fn measure(keyed: bool, permissions: &mut ByHandler) -> usize {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    world.clock.shift(TimeDelta::seconds(1));
    world.create("older").await;
    let mut resource = String::new();
    for reference in ["db-1", "db-2"] {
        let body = json!({"kind": "database", "provider_reference": reference});
        let created = world.post(&format!("/deployments/{id}/resources"), &world.data_plane, body).await.expect(201);
        resource = id_of(&created["resource"]);
    }
    let archived = world.create_in("archived", State::Archived).await;
    let page = world.get("/deployments?tenant_id=acme&limit=1", &world.admin).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let mut lines = lines(&id, &resource, &archived, cursor);
    lines.extend(subscription_requests::lines(&id));
    lines.extend(operations(&id));
    let calls = lines.len();
    let mut parts = Parts::default();
    for (index, line) in lines.into_iter().enumerate() {
        world.dynamodb.clear();
        let request = world.request(line.method.clone(), &parts.path(&line), &world.admin);
        let request = if line.body.is_null() { request } else { request.json(&line.body) };
        let (line, request) = match keyed && line.method == Method::POST {
            true => (line.keyed(), request.header("idempotency-key", format!("key-{index}"))),
            false => (line, request),
        };
        let reply = send(request).await;
        let what = format!("{} {} {}, keyed: {keyed}", line.method, line.path, line.body);
        assert_eq!(reply.status, line.status, "{what}: {}", reply.text);
        assert_eq!(world.dynamodb.operations(), line.costs, "{what}");
        parts.learn(&reply.body);
        let seen = world.dynamodb.seen();
        check_requests(&seen, line.written, &what);
        check_batches(&seen, &line, &what);
        permissions.entry(line.handler.to_owned()).or_default().extend(needed(&seen));
    }
    calls
}

/// Insists that a decision rests on consistent reads. A list, or the number of deployments that an operation will find,
/// may be a moment old.
fn check_batches(seen: &[Seen], line: &Line, what: &str) {
    if ["list_", "find_", "start_"].iter().any(|start| line.handler.starts_with(start)) {
        return;
    }
    for seen in seen.iter().filter(|seen| seen.operation == "BatchGetItem") {
        let tables = seen.body["RequestItems"].as_object().unwrap().values();
        assert!(tables.into_iter().all(|keys| keys["ConsistentRead"] == true), "{what}: {}", seen.body);
    }
}

#[tokio::test]
async fn a_tenants_list_costs_one_query_a_page() {
    let world = World::start().await;
    for slug in ["a", "b", "c", "d", "e"] {
        world.create(slug).await;
        world.clock.shift(TimeDelta::seconds(1));
    }
    for (path, pages) in [("/deployments?limit=2", 3), ("/deployments?limit=5", 1), ("/deployments?limit=1", 5)] {
        world.dynamodb.clear();
        assert_eq!(world.pages(path, &world.user, "deployments").await.len(), pages, "{path}");
        assert_eq!(world.dynamodb.operations(), vec!["Query"; pages], "{path}");
    }
    world.dynamodb.clear();
    world.collect("/deployments?slug=a", &world.user, "deployments").await;
    assert_eq!(world.dynamodb.operations(), ["GetItem", "Query"]);
}
