//! The walk over the table of routes: each call once, and each POST once more under an idempotency key.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use tokio::sync::OnceCell;

use super::{Measured, TENANT, document, measure};
use crate::harness::billing::Billing;
use crate::harness::capacity::Index;
use crate::harness::client::send;
use crate::harness::floor::Write;
use crate::harness::permissions::{ByHandler, check_requests, needed};
use crate::harness::routes::{Ready, Row, Target, bought, calls, stock};
use crate::harness::table;
use crate::harness::world::{id_of, user};

/// The tenant whose deployments are listed, and how many it has.
const LISTER: &str = "lister";
const LISTED: usize = 10;
/// A keyed request writes this record too.
const RECORD: &[Write] = &[("idempotency", &[])];

/// The results of the walk.
pub struct Walk {
    /// In the order of the table.
    pub(super) measured: Vec<Measured>,
    /// The sizes of the records of a typical deployment, as a table.
    pub(super) sizes: String,
    /// The permissions that the calls need.
    pub needed: ByHandler,
}

/// Walks, once for all tests.
pub async fn walk() -> &'static Walk {
    static WALK: OnceCell<Walk> = OnceCell::const_new();
    WALK.get_or_init(async || {
        let (billing, lists) = begin().await;
        let indexes = Index::all(&billing.describe_table().await);
        let mut walk = Walk { measured: Vec::new(), sizes: String::new(), needed: ByHandler::new() };
        for (n, row) in calls().enumerate() {
            let measured = take(&billing, &indexes, (row, n), &lists, &mut walk.needed).await;
            walk.measured.push(measured);
        }
        let typical = Ready::Equipped.make(&billing, TENANT, 999).await;
        walk.sizes = document::sizes(&table::typed_items(billing.app.store.table()).await, &typical.id);
        walk
    })
    .await
}

/// A world in which the tenant to list has paid deployments. None of them is due during the walk.
async fn begin() -> (Billing, Target) {
    let billing = Billing::at("2027-01-15T10:00:00Z").await;
    stock(&billing).await;
    let (owner, mut lists) = (user(LISTER), Target::default());
    for n in 0..LISTED {
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

/// Makes a call as `platform_admin`, without an idempotency key and, if it is a POST, with one.
async fn take(
    billing: &Billing,
    indexes: &[Index],
    (row, n): (&Row, usize),
    lists: &Target,
    permissions: &mut ByHandler,
) -> Measured {
    let mut found: Vec<Measured> = Vec::new();
    for keyed in 0..=usize::from(row.route().method == Method::POST) {
        let n = 2 * n + keyed;
        let tenant = match row.on {
            Ready::Listed | Ready::Operated => LISTER.to_owned(),
            // A tenant has one trial of a plan.
            Ready::InTrial => format!("0192f0c1-2345-7abc-8def-{n:012}"),
            _ => TENANT.to_owned(),
        };
        let mut target = row.ready(billing, &tenant, n).await;
        (target.listed, target.billed) = (lists.listed.clone(), lists.billed.clone());
        billing.clock.shift(TimeDelta::seconds(1));
        let floor = row.floor(&target);
        let floor = if keyed == 1 { floor.writing(RECORD) } else { floor };
        let request = row.request(billing, &target).bearer_auth(&billing.admin);
        let request = if keyed == 1 { request.header("idempotency-key", format!("key-{n:03}")) } else { request };
        billing.dynamodb.clear();
        let measured = measure(billing, indexes, &floor, async || {
            let reply = send(request).await;
            assert!((200..300).contains(&reply.status), "{}: {}", floor.name, reply.text);
        });
        found.push(measured.await);
        let seen = billing.dynamodb.seen();
        check_requests(&seen, floor.writes.len(), &floor.name);
        permissions.entry(row.handler.to_owned()).or_default().extend(needed(&seen));
    }
    let keyed = found.get(1).map(|keyed| keyed.cost.all_write_units() - found[0].cost.all_write_units());
    let complaints = found.iter_mut().flat_map(|one| one.complaints.split_off(0)).collect();
    Measured { keyed, complaints, ..found.swap_remove(0) }
}
