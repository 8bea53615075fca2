//! The records that a call needs, made over the API. A typical deployment has a subscription with two add-ons.

use arcadia_functions::operations::run::Worker;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{MISSING, Row, Target};
use crate::billing::Billing;
use crate::world::{id_of, user};

/// The records that a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// The catalog alone.
    Nothing,
    /// A tenant with ten deployments, if something is to be counted.
    Listed,
    /// An active deployment.
    Bare,
    /// A deployment in trial, subscribed with two add-ons. A tenant has one trial of a plan.
    InTrial,
    /// An active deployment, subscribed with two add-ons, its first invoice open.
    Subscribed,
    /// The same with its first invoice written off.
    Forgiven,
    /// The same with its first invoice paid.
    Paid,
    /// Paid, subscribed a second time: it has two invoices.
    Renewed,
    /// Paid, with a balance.
    InCredit,
    /// Paid, with a discount from the next period on.
    Discounted,
    /// Paid, with a scheduled change of plan.
    Changing,
    /// Paid, with a scheduled cancellation.
    Cancelling,
    /// Paid, with two resources.
    Equipped,
    /// An operation that names ten deployments of the tenant and has a result for each.
    Operated,
}

/// The order of a typical deployment.
pub fn bought() -> Value {
    json!({"plan_code": "studio", "addons": ["storage_50gb", "seats_10"]})
}

/// Sells what the rows name beside the shop's own offers.
pub async fn stock(billing: &Billing) {
    billing.sell_addon("seats_10", json!({"price_cents": 500, "quantity": 10, "unit": "seats"})).await;
    billing.sell_coupon("partner", json!({})).await;
}

impl Row {
    /// Makes the records for a call. [`stock`] is sold; `n` is unique within the tenant.
    pub async fn ready(&self, billing: &Billing, tenant: &str, n: usize) -> Target {
        self.ready_on(self.on, billing, tenant, n).await
    }

    /// The same with other records than the row asks for.
    pub async fn ready_on(&self, on: Ready, billing: &Billing, tenant: &str, n: usize) -> Target {
        let mut target = on.make(billing, tenant, n).await;
        if let Some(part) = self.placeholder().and_then(|placeholder| target.made.get(placeholder)) {
            part.clone_into(&mut target.part);
        }
        target
    }
}

impl Ready {
    /// Makes the records. [`stock`] is sold; `n` is unique within the tenant.
    pub async fn make(self, billing: &Billing, tenant: &str, n: usize) -> Target {
        let mut target = Target { n, ..Target::of(tenant) };
        if matches!(self, Self::Nothing | Self::Listed) {
            return target;
        }
        if self == Self::Operated {
            target.made.insert("{operation_id}", operate(billing, tenant).await);
            return target;
        }
        let mut body = json!({"tenant_id": tenant, "slug": format!("shop-{n:035}")});
        if self == Self::InTrial {
            body["state"] = "trial".into();
            body["trial_ends_at"] = billing.clock.ahead(TimeDelta::days(14)).into();
        }
        target.id = id_of(&billing.post("/deployments", &billing.admin, body).await.expect(201)["deployment"]);
        if self != Self::Bare {
            subscribe(billing, &mut target).await;
            self.go_on(billing, &mut target).await;
        }
        target
    }

    /// Goes on from a subscription.
    async fn go_on(self, billing: &Billing, target: &mut Target) {
        let (admin, owner) = (&billing.admin, &user(&target.tenant));
        let path = format!("/deployments/{}", target.id);
        let post = async |token: &str, end: &str, body: Value, status: u16| {
            billing.post(&format!("{path}{end}"), token, body).await.expect(status)
        };
        match self {
            Self::InTrial | Self::Subscribed => return,
            Self::Forgiven => {
                let end = format!("/invoices/{}/write-off", target.made["{number}"]);
                post(admin, &end, json!({}), 200).await;
                return;
            }
            _ => billing.settle(&target.id).await,
        }
        match self {
            Self::Renewed => {
                post(owner, "/subscription/cancellation", json!({"effective": "immediate"}), 200).await;
                subscribe(billing, target).await;
            }
            Self::InCredit => {
                let grant = json!({"amount_cents": 500, "currency": "USD", "reason": "outage"});
                post(admin, "/credits", grant, 200).await;
            }
            Self::Discounted => _ = billing.grant_discount(&target.id, "partner").await.expect(200),
            Self::Changing => {
                let later = json!({"plan_code": "team", "effective": "period_end"});
                post(owner, "/subscription/change", later, 200).await;
            }
            Self::Cancelling => {
                post(owner, "/subscription/cancellation", json!({"effective": "period_end"}), 200).await;
            }
            Self::Equipped => {
                for reference in ["db-1", "db-2"] {
                    let body = json!({"kind": "database", "provider_reference": reference});
                    let created = post(&billing.data_plane, "/resources", body, 201).await;
                    target.made.insert("{resource_id}", id_of(&created["resource"]));
                }
            }
            Self::Nothing
            | Self::Listed
            | Self::Bare
            | Self::InTrial
            | Self::Subscribed
            | Self::Forgiven
            | Self::Paid
            | Self::Operated => {}
        }
    }
}

/// Subscribes the deployment to what is typical.
async fn subscribe(billing: &Billing, target: &mut Target) {
    let path = format!("/deployments/{}/subscribe", target.id);
    let subscribed = billing.post(&path, &user(&target.tenant), bought()).await.expect(201);
    target.made.insert("{addon_id}", id_of(&subscribed["subscription"]["addons"][0]));
    let invoice = &subscribed["invoice"];
    if let Some(number) = invoice["number"].as_str() {
        target.made.insert("{number}", number.to_owned());
        target.due_cents = invoice["due_cents"].as_i64().expect("an amount");
    }
}

/// Starts an operation on ten deployments of a tenant and works on their page; its id.
async fn operate(billing: &Billing, tenant: &str) -> String {
    let path = format!("/deployments?tenant_id={tenant}&limit=10");
    let listed = billing.get(&path, &billing.admin).await.expect(200);
    let mut ids: Vec<String> = listed["deployments"].as_array().expect("a list").iter().map(id_of).collect();
    if ids.is_empty() {
        ids.push(MISSING.to_owned());
    }
    let command = json!({"type": "update", "billing_action_suspended": false});
    let body = json!({"filter": {"ids": ids}, "command": command});
    let id = id_of(&billing.post("/operations", &billing.admin, body).await.expect(202)["operation"]);
    for _ in 0..2 {
        let worker = Worker::start(&billing.app, id.parse().expect("an id")).await.expect("an operation");
        worker.expect("an operation that runs").turn().await.expect("a page");
    }
    id
}
