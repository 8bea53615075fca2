//! Clients that act at random: each looks at a deployment that others change too, and sends a command that is mostly
//! allowed.

use arcadia_domain::State;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::ledger::{Ledger, Operation, Outcome, Role, What, lock};
use crate::harness::Random;
use crate::harness::world::ACME;

/// Time passes after this many operations of all clients.
const TIME_PASSES_EVERY: usize = 12;
/// A second tenant, whose deployments only `platform_admin` reaches here.
pub const GLOBEX: &str = "globex";
/// The plans for sale, of which the last two begin with a trial, and the add-ons.
pub const PLANS: [&str; 6] = ["studio", "team", "euro", "yearly", "tryout", "taster"];
const ADDONS: [&str; 3] = ["storage_50gb", "euro_seats", "no_such_addon"];

/// A client.
pub struct Customer<'a> {
    ledger: &'a Ledger,
    random: Random,
    /// The last deployment that the client looked at.
    view: Value,
    /// The number of the client's next operation.
    number: usize,
}

impl<'a> Customer<'a> {
    pub const fn new(ledger: &'a Ledger, random: Random) -> Self {
        Self { ledger, random, view: Value::Null, number: 0 }
    }

    /// Acts until all operations are drawn.
    pub async fn live(mut self) {
        while let Some(number) = self.ledger.draw() {
            self.number = number;
            if number % TIME_PASSES_EVERY == TIME_PASSES_EVERY - 1 {
                self.ledger.let_time_pass(&mut self.random).await;
            }
            let operation = if self.view.is_null() || self.one_in(5) { self.look() } else { self.act() };
            match self.ledger.perform(operation).await {
                Outcome::Done(reply) if reply.body["dry_run"] != true => {
                    if !reply.body["events"].is_null() && !reply.body["deployment"].is_null() {
                        self.view = reply.body;
                        continue;
                    }
                    for name in ["deployment", "subscription"] {
                        if reply.body[name]["id"] == self.view[name]["id"] && !reply.body[name].is_null() {
                            self.view[name] = reply.body[name].clone();
                        }
                    }
                }
                // After a conflict or an unknown outcome, the client reads again.
                Outcome::Unknown => self.view = Value::Null,
                Outcome::Refused(code) if code == "version_conflict" => self.view = Value::Null,
                Outcome::Done(_) | Outcome::Refused(_) => {}
            }
        }
    }

    /// An operation that creates a deployment.
    pub fn create(&mut self, number: usize) -> Operation {
        self.number = number;
        let mut body = json!({"slug": format!("op-{number}"), "tenant_id": ACME});
        if number > 0 && self.one_in(8) {
            body["slug"] = format!("op-{}", self.random.below(number)).into();
        }
        if self.one_in(5) {
            body["tenant_id"] = GLOBEX.into();
        }
        if self.one_in(4) {
            body["state"] = "trial".into();
            body["trial_ends_at"] = self.ahead();
        }
        self.operation(What::Create, Method::POST, "/deployments".to_owned(), Some(body), Role::Admin)
    }

    fn look(&mut self) -> Operation {
        let deployments = lock(&self.ledger.deployments).clone();
        let path = format!("/deployments/{}", self.random.pick(&deployments));
        self.operation(What::Read, Method::GET, path, None, Role::Admin)
    }

    fn act(&mut self) -> Operation {
        let operation = match self.random.below(100) {
            0..5 => self.create(self.number),
            5..20 => self.transition(),
            20..28 => self.update(),
            28..40 => self.resources(),
            40..68 => self.buy(),
            68..84 => self.settle(),
            84..87 => self.manage(),
            _ => self.read(),
        };
        self.spoil(operation)
    }

    /// Makes a mistake in some bodies.
    fn spoil(&mut self, mut operation: Operation) -> Operation {
        if let Some(body) = operation.body.as_mut().filter(|_| self.one_in(30)) {
            body["nonsense"] = 1.into();
        }
        operation
    }

    fn transition(&mut self) -> Operation {
        let allowed: Vec<State> =
            serde_json::from_value(self.view["allowed_transitions"].clone()).expect("a list of states");
        let mut to_state = *self.random.pick(&State::ALL);
        if !allowed.is_empty() && !self.one_in(5) {
            to_state = *self.random.pick(&allowed);
        }
        // A cancelled or archived deployment is of little more use to the run.
        if matches!(to_state, State::Cancelled | State::Archived) && !self.one_in(4) {
            to_state = State::Active;
        }
        let mut body = json!({"to_state": to_state, "notes": format!("op-{}", self.number)});
        if to_state == State::Paused && self.one_in(2) {
            body["resume_at"] = self.ahead();
        }
        if self.one_in(12) {
            body["dry_run"] = true.into();
        }
        let role = self.role();
        self.change(What::Transition, Method::POST, "/transition", Some(body), role)
    }

    fn update(&mut self) -> Operation {
        if self.one_in(6) {
            let body = json!({"billing_action_suspended": self.one_in(3)});
            return self.change(What::Update, Method::PATCH, "", Some(body), Role::Admin);
        }
        let body = json!({"display_name": format!("op-{}", self.number)});
        let role = self.role();
        self.change(What::Update, Method::PATCH, "", Some(body), role)
    }

    fn resources(&mut self) -> Operation {
        let id = self.id();
        let known = self.ledger.resources(&id);
        // Now and then a caller tries whose role does not allow it.
        let role = if self.one_in(10) { self.role() } else { Role::DataPlane };
        if !known.is_empty() && self.one_in(3) {
            let path = format!("/resources/{}", self.random.pick(&known));
            return self.change(What::DeleteResource, Method::DELETE, &path, None, role);
        }
        let body = json!({"kind": "bucket", "provider_reference": format!("op-{}", self.number)});
        self.change(What::AddResource, Method::POST, "/resources", Some(body), role)
    }

    fn buy(&mut self) -> Operation {
        let role = self.role();
        let is_live = self.view["subscription"]["status"].as_str().is_some_and(|status| status != "cancelled");
        let plan_code = *self.random.pick(&PLANS);
        if !is_live || self.one_in(12) {
            let addons: Vec<&str> = if self.one_in(2) { vec!["storage_50gb"] } else { Vec::new() };
            let anchor = if self.one_in(2) { "now" } else { "calendar" };
            let body = json!({"plan_code": plan_code, "addons": addons, "anchor": anchor});
            return self.change(What::Subscribe, Method::POST, "/subscribe", Some(body), role);
        }
        let effective = if self.one_in(2) { "immediate" } else { "period_end" };
        match self.random.below(16) {
            0..5 => {
                let body = json!({"addon_code": self.random.pick(&ADDONS)});
                self.change(What::Attach, Method::POST, "/subscription/addons", Some(body), role)
            }
            5..8 => {
                let addons = self.view["subscription"]["addons"].as_array().cloned().unwrap_or_default();
                let unknown = json!({"id": self.id()});
                let addon = if addons.is_empty() { &unknown } else { self.random.pick(&addons) };
                let path = format!("/subscription/addons/{}", addon["id"].as_str().expect("an id"));
                self.change(What::Detach, Method::DELETE, &path, None, role)
            }
            8..12 => {
                let mut body = json!({"plan_code": plan_code, "effective": effective});
                for name in ["drop_incompatible", "dry_run"] {
                    body[name] = self.one_in(4).into();
                }
                body["proration"] = if self.one_in(3) { "none" } else { "prorate" }.into();
                self.change(What::ChangePlan, Method::POST, "/subscription/change", Some(body), role)
            }
            12 => self.change(What::WithdrawChange, Method::DELETE, "/subscription/change", None, role),
            13 => {
                let body = json!({"effective": effective});
                self.change(What::Cancel, Method::POST, "/subscription/cancellation", Some(body), role)
            }
            14 => self.change(What::WithdrawCancellation, Method::DELETE, "/subscription/cancellation", None, role),
            _ => {
                let body = json!({"trial_ends_at": self.ahead()});
                self.change(What::ExtendTrial, Method::POST, "/trial", Some(body), Role::Admin)
            }
        }
    }

    /// Pays an open invoice in whole, in part or too much, or voids it.
    fn settle(&mut self) -> Operation {
        let open = self.view["deployment"]["open_invoices"].as_array().cloned().unwrap_or_default();
        let Some(invoice) = open.first() else { return self.read() };
        let path = format!("/invoices/{}", invoice["number"].as_str().expect("a number"));
        if self.one_in(8) {
            return self.change(What::Void, Method::POST, &format!("{path}/void"), None, Role::Admin);
        }
        let due_cents = invoice["due_cents"].as_i64().expect("an amount");
        let amount_cents =
            *self.random.pick(&[due_cents, due_cents, due_cents / 2 + 1, due_cents / 3 + 1, due_cents + 1]);
        let reference = format!("op-{}", self.number);
        let body = json!({"reference": reference, "amount_cents": amount_cents, "currency": invoice["currency"]});
        self.change(What::Pay, Method::POST, &format!("{path}/payments"), Some(body), Role::Provider)
    }

    /// Changes the catalog or a dunning policy.
    fn manage(&mut self) -> Operation {
        let cents = self.number;
        match self.random.below(4) {
            0 => {
                let body = json!({"price_cents": cents, "currency": "USD", "interval": "month"});
                self.operation(
                    What::Publish,
                    Method::POST,
                    "/plans/studio/versions".to_owned(),
                    Some(body),
                    Role::Admin,
                )
            }
            1 => {
                let body = json!({"name": format!("op-{cents}")});
                self.operation(What::PutCatalog, Method::PUT, "/plans/team".to_owned(), Some(body), Role::Admin)
            }
            2 => {
                let body =
                    json!({"name": "Storage", "price_cents": cents, "currency": "USD", "quantity": 50, "unit": "GB"});
                let path = "/addons/storage_50gb".to_owned();
                self.operation(What::PutCatalog, Method::PUT, path, Some(body), Role::Admin)
            }
            _ => {
                let body = json!({
                    "payment_terms_days": 7, "past_due_after_days": 0, "suspended_after_days": 14,
                    "cancelled_after_days": 30, "archived_after_days": 30 + self.random.below(60),
                });
                let path = format!("/tenants/{GLOBEX}/dunning-policy");
                self.operation(What::PutPolicy, Method::PUT, path, Some(body), Role::Admin)
            }
        }
    }

    fn read(&mut self) -> Operation {
        let id = self.id();
        let paths = [
            format!("/deployments/{id}/events?limit=20"),
            format!("/deployments/{id}/invoices"),
            format!("/deployments/{id}/resources"),
            "/deployments?limit=20".to_owned(),
            format!("/deployments?tenant_id={ACME}&limit=20"),
            format!("/deployments?slug=op-{}", self.random.below(self.number + 1)),
            format!("/deployments?state={}&limit=20", self.random.pick(&State::ALL)),
            "/plans".to_owned(),
            "/plans/studio".to_owned(),
            "/addons".to_owned(),
            "/addons/storage_50gb".to_owned(),
            format!("/tenants/{GLOBEX}/dunning-policy"),
            format!("/tenants/{GLOBEX}"),
            format!("/tenants/{GLOBEX}/events?limit=20"),
            "/lifecycle".to_owned(),
        ];
        let path = self.random.pick(&paths).clone();
        self.operation(What::Read, Method::GET, path, None, Role::Admin)
    }

    /// A command on the last deployment that the client looked at, sometimes with its version as `If-Match`.
    fn change(&mut self, what: What, method: Method, path: &str, body: Option<Value>, role: Role) -> Operation {
        let id = self.id();
        let if_match = self.one_in(8).then(|| format!("\"{}\"", self.view["deployment"]["version"]));
        let operation = self.operation(what, method, format!("/deployments/{id}{path}"), body, role);
        Operation { deployment: Some(id), if_match, ..operation }
    }

    fn operation(&self, what: What, method: Method, path: String, body: Option<Value>, role: Role) -> Operation {
        Operation { number: self.number, what, role, deployment: None, method, path, body, if_match: None }
    }

    fn id(&self) -> String {
        self.view["deployment"]["id"].as_str().expect("an id").to_owned()
    }

    /// A random role, mostly that of the tenant's users.
    fn role(&mut self) -> Role {
        let is_foreign = self.view["deployment"]["tenant_id"] == GLOBEX && !self.one_in(10);
        if is_foreign || self.one_in(3) { Role::Admin } else { Role::User }
    }

    fn ahead(&mut self) -> Value {
        let days = i64::try_from(1 + self.random.below(30)).expect("some days");
        self.ledger.billing.clock.ahead(TimeDelta::days(days)).into()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.random.below(n) == 0
    }
}
