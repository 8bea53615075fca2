//! The promise: no operation costs more of DynamoDB than it must. Every one is carried out on a typical deployment; what was
//! asked is billed by AWS's rules ([`crate::harness::capacity`]) and held against the least that the operation can do with
//! ([`floor`]). What comes out is published in `docs/costs.md` and, by `docs/costs.json`, in the OpenAPI document.
//!
//! `UPDATE_DOCS=1 cargo test -p arcadia-tests --test it costs` writes both anew; then `docs` the OpenAPI document.

mod document;
mod floor;
mod on_many;

use std::time::Duration;

use arcadia_functions::billing::{dispatch, sweep};
use arcadia_functions::runtime::{App, Clock as _};
use arcadia_functions::{ROUTES, find_route};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use chrono::TimeDelta;
use floor::Floor;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::billing::Billing;
use crate::harness::capacity::{Cost, Index, Items, cost};
use crate::harness::client::send;
use crate::harness::proxy::Exchange;
use crate::harness::table;
use crate::harness::world::{id_of, user};
use crate::many;

/// Whose the deployments are: ids and slugs are as long as they typically get.
pub const TENANT: &str = "0192f0c1-2345-7abc-8def-00000000acme";

/// What a keyed request writes beside what it is for.
const RECORD: &[floor::Write] = &[("idempotency", &[])];
/// How many deployments the tenant has whose list is asked for.
const LISTED: usize = 10;
/// As long as Lambda lets a function run.
const LONG: Duration = Duration::from_secs(900);

/// What an operation is carried out on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    /// Nothing but the catalog and another tenant's list.
    Nothing,
    /// A deployment that is active.
    Bare,
    /// The same in trial and subscribed with two add-ons.
    InTrial,
    /// Active, subscribed with two add-ons, its first invoice open.
    Subscribed,
    /// The same with its first invoice paid.
    Paid,
    /// The same with balance.
    InCredit,
    /// Active, subscribed with two add-ons, its first invoice written off.
    Forgiven,
    /// Paid, with a change of plan scheduled.
    Changing,
    /// The same with a cancellation scheduled.
    Cancelling,
    /// Paid, with a discount from the next period on.
    Discounted,
    /// The same with two resources.
    Equipped,
    /// An operation that names the deployments of the list, with a result for each.
    Operated,
}

/// An operation as it is typically asked for.
struct Operation {
    /// The handler's name, and after a comma what is special about it.
    name: &'static str,
    ready: Ready,
    query: &'static str,
    /// With `{n}` where a number makes it another one.
    body: Value,
}

/// What an operation is carried out on, by its parts, and when.
#[derive(Debug, Clone, Default)]
pub struct Target {
    id: String,
    number: String,
    addon_id: String,
    resource_id: String,
    operation_id: String,
    /// The keys of the deployments that are listed, and of their invoices.
    listed: Vec<(String, String)>,
    billed: Vec<(String, String)>,
    /// The partitions of the due index that are looked into, and the last sort key of what is due.
    due: Vec<String>,
    until: String,
}

/// What an operation was seen to cost.
struct Row {
    name: String,
    cost: Cost,
    /// How much more it costs in write units under an idempotency key.
    keyed: Option<usize>,
    reads: String,
    writes: String,
    /// What is wrong with that.
    complaints: Vec<String>,
}

fn op(name: &'static str, ready: Ready, query: &'static str, body: Value) -> Operation {
    Operation { name, ready, query, body }
}

/// Every operation of the API; those that change the catalog last.
fn operations() -> Vec<Operation> {
    use Ready::{
        Bare, Cancelling, Changing, Discounted, Equipped, Forgiven, InCredit, InTrial, Nothing, Operated, Paid,
        Subscribed,
    };
    let none = || Value::Null;
    let policy = json!({
        "payment_terms_days": 7, "past_due_after_days": 1, "suspended_after_days": 14, "cancelled_after_days": 30,
        "archived_after_days": 90,
    });
    let addon = json!({"name": "More storage", "price_cents": 990, "currency": "USD", "quantity": 50, "unit": "GB"});
    vec![
        op("list_deployments", Nothing, "?tenant_id=lister", none()),
        op("list_deployments, by slug", Nothing, "?tenant_id=lister&slug=listed-0", none()),
        op("list_deployments, everyone's", Nothing, "", none()),
        op("list_deployments, everyone's active", Nothing, "?state=active", none()),
        op("list_deployments, everyone's of a plan", Nothing, "?plan_code=studio", none()),
        // Before there are others.
        op("find_invoices", Nothing, "?tenant_id=lister", none()),
        op("find_invoices, a tenant's overdue", Nothing, "?tenant_id=lister&status=overdue", none()),
        op("find_invoices, everyone's", Nothing, "", none()),
        op("find_invoices, everyone's overdue", Nothing, "?status=overdue", none()),
        op("list_schedule", Nothing, "?tenant_id=lister", none()),
        op("list_schedule, everyone's", Nothing, "", none()),
        op("list_tenants", Nothing, "", none()),
        op("list_attention", Nothing, "", none()),
        op("show_summary", Nothing, "", none()),
        op(
            "create_deployment",
            Bare,
            "",
            json!({"tenant_id": TENANT, "slug": "made-with-a-name-that-has-a-length-00{n}"}),
        ),
        op(
            "create_deployment, a tenant's first",
            Nothing,
            "",
            json!({"tenant_id": "0192f0c1-2345-7abc-8def-00000first{n}", "slug": "made-with-a-name-that-has-a-length-00{n}"}),
        ),
        op("show_deployment", Paid, "", none()),
        op("update_deployment", Paid, "", json!({"display_name": "The shop"})),
        op("transition_deployment", Paid, "", json!({"to_state": "paused", "reason": "holidays"})),
        op("list_events", Paid, "", none()),
        op("list_resources", Equipped, "", none()),
        op("create_resource", Equipped, "", json!({"kind": "database", "provider_reference": "db-3"})),
        op("delete_resource", Equipped, "", none()),
        op("extend_trial", InTrial, "", json!({"trial_ends_at": "2027-03-01T00:00:00Z"})),
        op("subscribe_deployment", Bare, "", bought()),
        op("attach_addon", Paid, "", json!({"addon_code": "storage_50gb"})),
        op("detach_addon", Paid, "", none()),
        op("change_plan", Paid, "", json!({"plan_code": "team"})),
        op("withdraw_plan_change", Changing, "", none()),
        op("cancel_subscription", Paid, "", json!({})),
        op("withdraw_cancellation", Cancelling, "", none()),
        op("grant_discount", Paid, "", json!({"coupon": "partner", "reason": "a partner"})),
        op("remove_discount", Discounted, "", json!({"reason": "not a partner any more"})),
        op("list_invoices", Paid, "", none()),
        op("show_invoice", Paid, "", none()),
        op(
            "record_payment",
            Subscribed,
            "",
            json!({"reference": "transfer-{n}", "amount_cents": "{due_cents}", "currency": "USD"}),
        ),
        op("void_invoice", Subscribed, "", none()),
        op("add_charge", Paid, "", json!({"description": "Migration", "amount_cents": 5_000, "currency": "USD"})),
        op("grant_credit", Paid, "", json!({"amount_cents": 500, "currency": "USD", "reason": "outage"})),
        op("refund_balance", InCredit, "", json!({"reference": "refund-{n}", "amount_cents": 500, "currency": "USD"})),
        op("update_invoice", Subscribed, "", json!({"due_at": "2027-12-31T00:00:00Z"})),
        op("reverse_payment", Paid, "", json!({"kind": "chargeback"})),
        op("issue_credit_note", Subscribed, "", json!({"reason": "wrong price"})),
        op("write_off_invoice", Subscribed, "", json!({"reason": "goodwill"})),
        op("withdraw_write_off", Forgiven, "", json!({"reason": "wrong invoice"})),
        op("show_account", Nothing, "", none()),
        op("show_dunning_policy", Nothing, "", none()),
        op("put_dunning_policy", Bare, "", policy),
        op("show_tenant", Bare, "", none()),
        op(
            "put_tenant",
            Bare,
            "",
            json!({"billing_address": "Hafenstrasse 1, 20457 Hamburg", "email": "{n}@acme.example"}),
        ),
        op("hold_tenant", Nothing, "", json!({"reason": "abuse"})),
        op("release_tenant", Nothing, "", none()),
        op("list_tenant_events", Bare, "", none()),
        op("list_plans", Nothing, "", none()),
        op("show_plan", Nothing, "", none()),
        op("put_plan", Nothing, "", json!({"name": "Studio for teams"})),
        op("publish_plan_version", Nothing, "", json!({"price_cents": 3_900, "currency": "USD", "interval": "month"})),
        op("list_addons", Nothing, "", none()),
        op("show_addon", Nothing, "", none()),
        op("put_addon", Nothing, "", addon),
        op("list_coupons", Nothing, "", none()),
        op("show_coupon", Nothing, "", none()),
        op(
            "put_coupon",
            Nothing,
            "",
            json!({"name": "All partners", "percent_basis_points": 2_000, "duration": "forever"}),
        ),
        op("list_catalog_events", Nothing, "", none()),
        op("list_operations", Operated, "", none()),
        op("start_operation", Nothing, "", json!({"filter": {"tenant_id": "lister"}, "command": held(true)})),
        op("start_operation, of a state", Nothing, "", json!({"filter": {"state": "active"}, "command": held(true)})),
        op("show_operation", Operated, "", none()),
        op("list_operation_results", Operated, "", none()),
        op("stop_operation", Operated, "", none()),
        op("show_lifecycle", Nothing, "", none()),
    ]
}

/// The command of an operation that puts a hold on its deployments, or takes it away.
fn held(held: bool) -> Value {
    json!({"type": "update", "billing_action_suspended": held})
}

/// What a typical deployment has bought.
fn bought() -> Value {
    json!({"plan_code": "studio", "addons": ["storage_50gb", "seats_10"]})
}

/// A world in which another tenant has deployments to list. No deployment is due in it by chance.
async fn begin(at: &str) -> (Billing, Target) {
    let billing = Billing::at(at).await;
    billing.sell_addon("seats_10", json!({"price_cents": 500, "quantity": 10, "unit": "seats"})).await;
    billing.sell_coupon("partner", json!({})).await;
    let mut lists = Target::default();
    for n in 0..LISTED {
        let owner = user("lister");
        let created = billing.post("/deployments", &owner, json!({"slug": format!("listed-{n}")})).await.expect(201);
        let id = id_of(&created["deployment"]);
        let subscribed = billing.post(&format!("/deployments/{id}/subscribe"), &owner, bought()).await.expect(201);
        let number = subscribed["invoice"]["number"].as_str().expect("a number");
        billing.settle(&id).await;
        let part = |sk: &str| (format!("DEPLOYMENT#{id}"), sk.to_owned());
        lists.listed.push(part("#DEPLOYMENT"));
        lists.billed.push(part(&format!("INVOICE#{number}")));
    }
    (billing, lists)
}

/// Starts an operation on some deployments and works on their page.
async fn operate(billing: &Billing, command: Value, ids: &[String]) -> String {
    let id = many::start(billing, json!({"filter": {"ids": ids}, "command": command})).await;
    for _ in 0..2 {
        many::turn(billing, &id).await;
    }
    id
}

/// Has ready what an operation is carried out on.
async fn prepare(billing: &Billing, lists: &Target, ready: Ready, n: usize) -> Target {
    use Ready::{
        Bare, Cancelling, Changing, Discounted, Equipped, Forgiven, InCredit, InTrial, Nothing, Operated, Subscribed,
    };
    let mut target = Target::default();
    if ready == Operated {
        let listed = lists.listed.iter().map(|(pk, _)| pk.trim_start_matches("DEPLOYMENT#").to_owned());
        target.operation_id = operate(billing, held(false), &listed.collect::<Vec<_>>()).await;
        return target;
    }
    if ready == Nothing {
        return target;
    }
    // A tenant has one trial of a plan.
    let tenant = if ready == InTrial { format!("0192f0c1-2345-7abc-8def-{n:012}") } else { TENANT.to_owned() };
    let mut body = json!({"tenant_id": tenant, "slug": format!("shop-{n:035}")});
    if ready == InTrial {
        body["state"] = "trial".into();
        body["trial_ends_at"] = billing.clock.ahead(TimeDelta::days(14)).into();
    }
    target.id = id_of(&billing.post("/deployments", &billing.admin, body).await.expect(201)["deployment"]);
    let at = |rest: &str| format!("/deployments/{}{rest}", target.id);
    if ready == Bare {
        return target;
    }
    let subscribed = billing.post(&at("/subscribe"), &user(&tenant), bought()).await.expect(201);
    target.addon_id = id_of(&subscribed["subscription"]["addons"][0]);
    if let Some(number) = subscribed["invoice"]["number"].as_str() {
        number.clone_into(&mut target.number);
    }
    if matches!(ready, InTrial | Subscribed) {
        return target;
    }
    if ready == Forgiven {
        let path = at(&format!("/invoices/{}/write-off", target.number));
        billing.post(&path, &billing.admin, json!({})).await.expect(200);
        return target;
    }
    billing.settle(&target.id).await;
    if ready == InCredit {
        let grant = json!({"amount_cents": 500, "currency": "USD", "reason": "outage"});
        billing.post(&at("/credits"), &billing.admin, grant).await.expect(200);
    }
    if ready == Discounted {
        billing.grant_discount(&target.id, "partner").await.expect(200);
    }
    if ready == Changing {
        let later = json!({"plan_code": "team", "effective": "period_end"});
        billing.change_as(&user(&tenant), &target.id, later).await.expect(200);
    }
    if ready == Cancelling {
        let later = json!({"effective": "period_end"});
        billing.post(&at("/subscription/cancellation"), &user(&tenant), later).await.expect(200);
    }
    if ready == Equipped {
        for name in ["db-1", "db-2"] {
            let body = json!({"kind": "database", "provider_reference": name});
            let created = billing.post(&at("/resources"), &billing.data_plane, body).await.expect(201);
            target.resource_id = id_of(&created["resource"]);
        }
    }
    target
}

impl Operation {
    fn handler(&self) -> &'static str {
        self.name.split(',').next().expect("a name")
    }

    /// Carries it out, as `platform_admin`.
    async fn carry_out(&self, billing: &Billing, target: &Target, n: usize, keyed: bool) {
        let route = find_route(self.handler()).expect("a route");
        let mut path = route.path.trim_start_matches("/api/v1").to_owned() + self.query;
        let reference = format!("settle-{}", target.number);
        let tenant = if ["hold_tenant", "release_tenant"].contains(&self.handler()) { "lister" } else { TENANT };
        let code = match self.handler() {
            handler if handler.contains("addon") => "storage_50gb",
            handler if handler.contains("coupon") => "partner",
            _ => "studio",
        };
        for (part, value) in [
            ("{id}", target.id.as_str()),
            ("{number}", target.number.as_str()),
            ("{addon_id}", target.addon_id.as_str()),
            ("{resource_id}", target.resource_id.as_str()),
            ("{operation_id}", target.operation_id.as_str()),
            ("{tenant_id}", tenant),
            ("{code}", code),
            ("{reference}", reference.as_str()),
        ] {
            path = path.replace(part, value);
        }
        let due_cents = match self.handler() {
            "record_payment" => billing.invoices(&target.id).await[0]["due_cents"].to_string(),
            _ => String::new(),
        };
        let body = self.body.to_string().replace("{n}", &format!("{n:03}")).replace("\"{due_cents}\"", &due_cents);
        let mut request = billing.request(route.method.clone(), &path, &billing.admin);
        if !self.body.is_null() {
            request = request.header("content-type", "application/json").body(body);
        }
        if keyed {
            request = request.header("idempotency-key", format!("key-{n:03}"));
        }
        billing.dynamodb.record();
        let reply = send(request).await;
        assert!((200..300).contains(&reply.status), "{}: {}", self.name, reply.text);
    }
}

/// What was seen to cost, and a complaint if that is not the least possible.
fn judge(
    floor: &Floor,
    exchanges: &[Exchange],
    (before, after): (&Items, &Items),
    indexes: &[Index],
) -> (Cost, Option<String>) {
    let seen: Cost = exchanges.iter().map(|exchange| cost(exchange, before, after, indexes)).sum();
    let least = floor.cost(before, after, indexes);
    let operations: Vec<&str> = exchanges.iter().map(|exchange| exchange.operation.as_str()).collect();
    let complaint = (seen != least).then(|| format!("{operations:?} cost {seen:?}, and the least is {least:?}"));
    (seen, complaint)
}

/// Measures an operation, without an idempotency key and, if it can have one, with one.
async fn measure(billing: &Billing, indexes: &[Index], lists: &Target, operation: &Operation, n: usize) -> Row {
    let keys: &[bool] = match find_route(operation.handler()).map(|route| &route.method) {
        Some(&Method::POST) => &[false, true],
        _ => &[false],
    };
    let (mut costs, mut complaints) = (Vec::new(), Vec::new());
    let mut words = (String::new(), String::new());
    for (attempt, keyed) in keys.iter().enumerate() {
        let n = 2 * n + attempt;
        let mut target = prepare(billing, lists, operation.ready, n).await;
        (target.listed, target.billed) = (lists.listed.clone(), lists.billed.clone());
        if operation.name == "list_deployments, by slug" {
            target.id = lists.listed[0].0.trim_start_matches("DEPLOYMENT#").to_owned();
        }
        billing.clock.shift(TimeDelta::seconds(1));
        let floor = Floor::of(operation.name, &target);
        words = (floor.reads(), floor.writes());
        let floor = if *keyed { floor.writing(RECORD) } else { floor };
        let before = table::typed_items(billing.app.store.table()).await;
        operation.carry_out(billing, &target, n, *keyed).await;
        let exchanges = billing.dynamodb.recorded();
        let after = table::typed_items(billing.app.store.table()).await;
        let (seen, complaint) = judge(&floor, &exchanges, (&before, &after), indexes);
        costs.push(seen);
        complaints.extend(complaint);
    }
    let keyed = costs.get(1).map(|keyed| keyed.all_write_units() - costs[0].all_write_units());
    let (reads, writes) = words;
    Row { name: operation.name.to_owned(), cost: costs.swap_remove(0), keyed, reads, writes, complaints }
}

/// Measures a step of the clock on the one deployment of a world, which is due at `at`.
async fn measure_step(billing: &Billing, target: &Target, name: &str, at: &str) -> Row {
    billing.set_time(at);
    let indexes = Index::all(&billing.describe_table().await);
    let before = table::typed_items(billing.app.store.table()).await;
    let deployment = &before[&(format!("DEPLOYMENT#{}", target.id), "#DEPLOYMENT".to_owned())];
    let partition = deployment["GSI3PK"]["S"].as_str().expect("it is due some time").to_owned();
    let shard = partition.trim_start_matches("DUE#").parse().expect("a shard");
    let target = Target { due: vec![partition], until: until(billing), ..target.clone() };
    billing.dynamodb.record();
    let report = sweep::sweep_shards(&billing.app, &[shard], Instant::now() + LONG).await.expect("a sweep");
    assert_eq!((report.due, report.steps), (1, 1), "{name}");
    let exchanges = billing.dynamodb.recorded();
    let after = table::typed_items(billing.app.store.table()).await;
    let floor = Floor::of(name, &target);
    let (cost, complaint) = judge(&floor, &exchanges, (&before, &after), &indexes);
    let (reads, writes, complaints) = (floor.reads(), floor.writes(), complaint.into_iter().collect());
    Row { name: format!("sweep: {name}"), cost, keyed: None, reads, writes, complaints }
}

/// Measures what a step adds to a command that finds it due at `at`, of the one deployment of a world. All else costs what
/// it does when nothing is due.
async fn measure_late(billing: &Billing, target: &Target, step: &str, at: &str, n: usize) -> Row {
    billing.set_time(at);
    let indexes = Index::all(&billing.describe_table().await);
    let operation =
        operations().into_iter().find(|operation| operation.name == "create_resource").expect("it is there");
    let before = table::typed_items(billing.app.store.table()).await;
    operation.carry_out(billing, target, n, false).await;
    let mut exchanges = billing.dynamodb.recorded();
    let after = table::typed_items(billing.app.store.table()).await;
    // The deployment is read, the step is taken, and then the command is carried out.
    let first = exchanges.iter().position(|exchange| exchange.operation == "TransactWriteItems").expect("a step");
    let mut of_command = exchanges.split_off(first + 1);
    let of_step = exchanges.split_off(1);
    of_command.splice(0..0, exchanges);
    let between = applied(&before, of_step.last().expect("a transaction"));
    let name = format!("before a command: {step}");
    let floor = Floor::of(&name, target);
    let (cost, wrong_step) = judge(&floor, &of_step, (&before, &between), &indexes);
    let (_, wrong_command) = judge(&Floor::of(operation.name, target), &of_command, (&between, &after), &indexes);
    let (reads, writes) = (floor.reads(), floor.writes());
    Row { name, cost, keyed: None, reads, writes, complaints: wrong_step.into_iter().chain(wrong_command).collect() }
}

/// What a table holds after a transaction that only puts.
fn applied(items: &Items, transaction: &Exchange) -> Items {
    let mut items = items.clone();
    for write in transaction.request["TransactItems"].as_array().expect("writes") {
        let item = write["Put"]["Item"].clone();
        let key = ["PK", "SK"].map(|name| item[name]["S"].as_str().expect("a put of an item").to_owned());
        items.insert(key.into(), item);
    }
    items
}

/// Measures a look at everything when nothing is due: a tick's, and a sweep's of every shard.
async fn measure_idle(shards: u8) -> Row {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let app = App { store: billing.app.store.clone().with_due_shards(shards), ..billing.app.clone() };
    let due = (0..shards).map(|shard| format!("DUE#{shard:03}")).collect();
    let floor = Floor::of("look, nothing being due", &Target { due, until: until(&billing), ..Target::default() });
    let items = table::typed_items(app.store.table()).await;
    let indexes = Index::all(&billing.describe_table().await);
    billing.dynamodb.record();
    dispatch::dispatch(&app, &nowhere(), "http://localhost/queue").await.expect("a tick that sends nothing");
    let (tick, wrong_tick) = judge(&floor, &billing.dynamodb.recorded(), (&items, &items), &indexes);
    billing.dynamodb.record();
    sweep::sweep(&app, Instant::now() + LONG).await.expect("a sweep");
    let (_, wrong_sweep) = judge(&floor, &billing.dynamodb.recorded(), (&items, &items), &indexes);
    let name = format!("tick: nothing due, {shards} shards");
    let (reads, writes, complaints) =
        (floor.reads(), floor.writes(), wrong_tick.into_iter().chain(wrong_sweep).collect());
    Row { name, cost: tick, keyed: None, reads, writes, complaints }
}

/// The last sort key of what is due by now.
fn until(billing: &Billing) -> String {
    format!("{}~", billing.clock.now().format("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

/// A queue that nothing can be sent to.
fn nowhere() -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(HttpClientBuilder::new().build_http())
        .endpoint_url("http://127.0.0.1:1")
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"));
    aws_sdk_sqs::Client::from_conf(config.build())
}

#[tokio::test]
async fn what_the_docs_say_of_costs_is_seen_and_the_least_possible() {
    let (billing, lists) = begin("2027-01-15T10:00:00Z").await;
    let indexes = Index::all(&billing.describe_table().await);
    let mut rows = Vec::new();
    for (n, operation) in operations().iter().enumerate() {
        rows.push(measure(&billing, &indexes, &lists, operation, n).await);
    }
    let typical = prepare(&billing, &lists, Ready::Equipped, 999).await;
    let items = table::typed_items(billing.app.store.table()).await;
    let sizes = document::sizes(&items, &typical.id);
    for route in ROUTES {
        assert!(rows.iter().any(|row| row.name == route.handler), "{} has no row", route.handler);
    }
    let mut steps = Vec::new();
    for (ready, taken) in [
        (Ready::Paid, [("renew", "2027-02-01T00:00:00Z")].as_slice()),
        (Ready::Subscribed, &[("mark past due", "2027-01-09T00:00:00Z"), ("suspend", "2027-01-23T00:00:00Z")]),
    ] {
        let billing = Billing::at("2027-01-01T00:00:00Z").await;
        billing.sell_addon("seats_10", json!({"price_cents": 500, "quantity": 10, "unit": "seats"})).await;
        let target = prepare(&billing, &Target::default(), ready, 0).await;
        for (name, at) in taken {
            steps.push(measure_step(&billing, &target, name, at).await);
        }
        let billing = Billing::at("2027-01-01T00:00:00Z").await;
        billing.sell_addon("seats_10", json!({"price_cents": 500, "quantity": 10, "unit": "seats"})).await;
        let target = prepare(&billing, &Target::default(), ready, 0).await;
        for (n, (name, at)) in taken.iter().enumerate() {
            steps.push(measure_late(&billing, &target, name, at, n).await);
        }
    }
    for shards in [16, 64] {
        steps.push(measure_idle(shards).await);
    }
    let complaint = |row: &Row| row.complaints.iter().map(|text| format!("{}: {text}", row.name)).collect::<Vec<_>>();
    let complaints: Vec<String> = rows.iter().chain(&steps).flat_map(complaint).collect();
    assert!(complaints.is_empty(), "more than must be: {complaints:#?}");
    let on_many = on_many::measure().await;
    document::check(&rows, &steps, &on_many, &sizes);
}
