//! Every route, as a test that tries them all needs to know it: for whom it is, what a call names, which body it accepts
//! and on what. A route without a row does not compile.

use Audience::{Admins, Everyone, Holders, Watchers};
use Names::{Deployment, Nothing, Part, TenantInBody, TenantInPath, TenantInQuery};
use arcadia_domain::Power::{RecordPayments, RecordResources};
use arcadia_functions::{Audience, ROUTES, Route};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::World;
use super::client::Http;
use super::shop::merged;
use super::world::{id_of, token, user};

/// An id that nothing has.
pub const MISSING: &str = "01920000-0000-7000-8000-000000000000";
/// A number that no invoice has.
const MISSING_NUMBER: &str = "20270115100000-0123456789ab-USD";

/// The reference of a payment that is reversed.
const REFERENCE: &str = "transfer-1";

/// What is to be known of a route.
#[derive(Debug)]
pub struct Row {
    pub handler: &'static str,
    /// Said here once more, so that no route is opened to others by an oversight.
    pub audience: Audience,
    pub names: Names,
    /// A body that it accepts, with `{tenant_id}` where the body names a tenant.
    body: Option<&'static str>,
    /// What its cursors hold, if it is a list.
    pub list: Option<Position>,
}

/// What a call names that could be somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Nothing, or something that is everyone's.
    Nothing,
    TenantInPath,
    TenantInBody,
    TenantInQuery,
    /// A deployment.
    Deployment,
    /// A deployment and a resource, an add-on or an invoice of it.
    Part,
}

/// What a cursor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    Id,
    Sequence,
    InvoiceNumber,
    Code,
    /// A moment and an id.
    Due,
    /// A moment, an id and a reason.
    Attention,
    /// A moment, a record of the catalog and a revision.
    Catalog,
    /// A moment and an invoice's number.
    Issued,
    Tenant,
}

/// What a call is about.
#[derive(Debug, Clone)]
pub struct Target {
    pub tenant: String,
    pub id: String,
    pub part: String,
}

/// A row for each route, in the order of the routes.
pub static ROWS: &[Row] = &[
    row("list_deployments", Everyone, TenantInQuery).list(Position::Id),
    row("create_deployment", Everyone, TenantInBody).body(r#"{"slug": "intruder", "tenant_id": "{tenant_id}"}"#),
    row("show_deployment", Watchers, Deployment),
    row("update_deployment", Everyone, Deployment).body(r#"{"display_name": "mine now"}"#),
    row("transition_deployment", Everyone, Deployment).body(r#"{"to_state": "paused"}"#),
    row("list_events", Everyone, Deployment).list(Position::Sequence),
    row("list_resources", Watchers, Deployment).list(Position::Id),
    row("create_resource", Holders(RecordResources), Deployment)
        .body(r#"{"kind": "database", "provider_reference": "db-1"}"#),
    row("delete_resource", Holders(RecordResources), Part),
    row("extend_trial", Admins, Deployment).body(r#"{"trial_ends_at": "2027-06-01T00:00:00Z"}"#),
    row("subscribe_deployment", Everyone, Deployment).body(r#"{"plan_code": "studio"}"#),
    row("attach_addon", Everyone, Deployment).body(r#"{"addon_code": "storage_50gb"}"#),
    row("detach_addon", Everyone, Part).body("{}"),
    row("change_plan", Everyone, Deployment).body(r#"{"plan_code": "team"}"#),
    row("withdraw_plan_change", Everyone, Deployment).body("{}"),
    row("cancel_subscription", Everyone, Deployment).body("{}"),
    row("withdraw_cancellation", Everyone, Deployment).body("{}"),
    row("grant_discount", Admins, Deployment).body(r#"{"coupon": "partner"}"#),
    row("remove_discount", Admins, Deployment),
    row("add_charge", Admins, Deployment)
        .body(r#"{"description": "Migration", "amount_cents": 1, "currency": "USD", "when": "now"}"#),
    row("grant_credit", Admins, Deployment).body(r#"{"amount_cents": 1, "currency": "USD", "reason": "outage"}"#),
    row("refund_balance", Admins, Deployment).body(r#"{"reference": "stolen", "amount_cents": 1, "currency": "USD"}"#),
    row("list_invoices", Everyone, Deployment).list(Position::InvoiceNumber),
    row("show_invoice", Everyone, Part),
    row("update_invoice", Admins, Part).body(r#"{"due_at": "2027-12-31T00:00:00Z"}"#),
    row("record_payment", Holders(RecordPayments), Part)
        .body(r#"{"reference": "stolen", "amount_cents": 1, "currency": "USD"}"#),
    row("reverse_payment", Holders(RecordPayments), Part).body(r#"{"kind": "chargeback"}"#),
    row("void_invoice", Admins, Part),
    row("issue_credit_note", Admins, Part).body("{}"),
    row("write_off_invoice", Admins, Part),
    row("withdraw_write_off", Admins, Part),
    row("find_invoices", Everyone, TenantInQuery).list(Position::Issued),
    row("list_schedule", Everyone, TenantInQuery).list(Position::Due),
    row("list_attention", Admins, Nothing).list(Position::Attention),
    row("show_summary", Admins, Nothing),
    row("list_tenants", Admins, Nothing).list(Position::Tenant),
    row("show_tenant", Everyone, TenantInPath),
    row("put_tenant", Everyone, TenantInPath).body(r#"{"billing_address": "mine now"}"#),
    row("hold_tenant", Admins, TenantInPath).body(r#"{"reason": "abuse"}"#),
    row("release_tenant", Admins, TenantInPath),
    row("list_tenant_events", Everyone, TenantInPath).list(Position::Sequence),
    row("show_account", Everyone, TenantInPath),
    row("show_dunning_policy", Everyone, TenantInPath),
    row("put_dunning_policy", Admins, TenantInPath).body(
        r#"{"payment_terms_days": 365, "past_due_after_days": 363, "suspended_after_days": 364,
            "cancelled_after_days": 365, "archived_after_days": 365}"#,
    ),
    row("list_plans", Everyone, Nothing).list(Position::Code),
    row("show_plan", Everyone, Nothing).list(Position::Sequence),
    row("put_plan", Admins, Nothing).body(r#"{"name": "Studio"}"#),
    row("publish_plan_version", Admins, Nothing).body(r#"{"price_cents": 1, "currency": "USD", "interval": "month"}"#),
    row("list_addons", Everyone, Nothing).list(Position::Code),
    row("show_addon", Everyone, Nothing),
    row("put_addon", Admins, Nothing)
        .body(r#"{"name": "A", "price_cents": 1, "currency": "USD", "quantity": 1, "unit": "GB"}"#),
    row("list_coupons", Admins, Nothing).list(Position::Code),
    row("show_coupon", Admins, Nothing),
    row("put_coupon", Admins, Nothing)
        .body(r#"{"name": "Partners", "percent_basis_points": 2000, "duration": "forever"}"#),
    row("list_catalog_events", Admins, Nothing).list(Position::Catalog),
    row("list_operations", Admins, Nothing).list(Position::Id),
    row("start_operation", Admins, Nothing).body(OPERATION),
    row("show_operation", Admins, Nothing),
    row("list_operation_results", Admins, Nothing).list(Position::Id),
    row("stop_operation", Admins, Nothing),
    row("show_lifecycle", Everyone, Nothing),
];

/// An operation on all deployments of a tenant.
const OPERATION: &str = r#"{"filter": {"tenant_id": "{tenant_id}"},
    "command": {"type": "update", "billing_action_suspended": true}}"#;

const fn row(handler: &'static str, audience: Audience, names: Names) -> Row {
    Row { handler, audience, names, body: None, list: None }
}

/// Ends the build with the name of the first route whose row is not in its place.
const _: () = {
    let mut n = 0;
    while n < ROUTES.len() {
        if n >= ROWS.len() || !same(ROWS[n].handler, ROUTES[n].handler) {
            panic!("{}", ROUTES[n].handler);
        }
        n += 1;
    }
    assert!(ROWS.len() == ROUTES.len(), "a row is of no route");
};

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut n = 0;
    while n < a.len() && n < b.len() && a[n] == b[n] {
        n += 1;
    }
    n == a.len() && n == b.len()
}

impl Row {
    const fn body(self, body: &'static str) -> Self {
        Self { body: Some(body), ..self }
    }

    const fn list(self, position: Position) -> Self {
        Self { list: Some(position), ..self }
    }

    pub fn route(&self) -> &'static Route {
        arcadia_functions::find_route(self.handler).expect("a row of no route does not compile")
    }

    /// A body that the route accepts, if it reads one.
    pub fn body_for(&self, target: &Target) -> Option<Value> {
        let body = self.body?.replace("{tenant_id}", &target.tenant);
        Some(serde_json::from_str(&body).expect("a body is JSON"))
    }

    /// The path of a call, with its query.
    pub fn path_for(&self, target: &Target) -> String {
        let path = self.route().path.replace("{id}", &target.id).replace("{tenant_id}", &target.tenant);
        let code = match self.handler {
            handler if handler.contains("addon") => "storage_50gb",
            handler if handler.contains("coupon") => "partner",
            _ => "studio",
        };
        let path = path.replace("{code}", code);
        let path = path.replace("{reference}", REFERENCE);
        let path = ["{resource_id}", "{addon_id}", "{number}", "{operation_id}"]
            .iter()
            .fold(path, |path, part| path.replace(part, &target.part));
        assert!(!path.contains('{'), "{path} has a part that the tests do not know");
        if self.names == TenantInQuery { format!("{path}?tenant_id={}", target.tenant) } else { path }
    }

    /// A call that would be accepted from the right caller.
    pub fn request(&self, http: &Http, target: &Target) -> RequestBuilder {
        self.request_at(http, target, &self.path_for(target))
    }

    /// The same with more in its query.
    pub fn request_with(&self, http: &Http, target: &Target, query: &str) -> RequestBuilder {
        let path = self.path_for(target);
        let separator = if path.contains('?') { '&' } else { '?' };
        self.request_at(http, target, &format!("{path}{separator}{query}"))
    }

    /// The same to another path.
    pub fn request_at(&self, http: &Http, target: &Target, path: &str) -> RequestBuilder {
        let request = http.anonymous(self.route().method.clone(), path);
        match self.body_for(target) {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    /// A token whose bearer may make the call.
    pub fn rightful(&self, target: &Target) -> String {
        match self.audience {
            Everyone | Watchers => user(&target.tenant),
            Admins => token("ada", "platform_admin", None),
            Holders(RecordPayments) => token("psp", "payment_provider", None),
            Holders(RecordResources) => token("plane", "data_plane", None),
            Holders(power) => panic!("who has {power:?}?"),
        }
    }

    /// The part of a deployment that the route names, as nothing has it.
    pub fn missing_part(&self) -> String {
        if self.route().path.contains("{number}") { MISSING_NUMBER } else { MISSING }.to_owned()
    }

    /// Has a deployment made for a tenant on which the call is accepted. The shop is open.
    pub async fn ready(&self, world: &World, tenant: &str) -> Target {
        let mut target = Target { tenant: tenant.to_owned(), id: String::new(), part: String::new() };
        if self.route().path.contains("{operation_id}") {
            let body: Value = serde_json::from_str(&OPERATION.replace("{tenant_id}", tenant)).expect("JSON");
            target.part = id_of(&world.post("/operations", &world.admin, body).await.expect(202)["operation"]);
        }
        if self.handler.contains("coupon") || self.handler.contains("discount") {
            for code in ["partner", "student"] {
                world.sell_coupon(code, json!({})).await;
            }
        }
        if !matches!(self.names, Deployment | Part) {
            return target;
        }
        let owner = user(tenant);
        let mut body = json!({"tenant_id": tenant, "slug": format!("{tenant}-{}", self.handler.replace('_', "-"))});
        if self.handler == "extend_trial" {
            let trial = json!({"state": "trial", "trial_ends_at": world.clock.ahead(chrono::TimeDelta::days(14))});
            body = merged(body, trial);
        }
        target.id = id_of(&world.post("/deployments", &world.admin, body).await.expect(201)["deployment"]);
        if ["extend_trial", "subscribe_deployment"].contains(&self.handler) {
            return target;
        }
        let at = |rest: &str| format!("/deployments/{}{rest}", target.id);
        if ["list_resources", "delete_resource"].contains(&self.handler) {
            for reference in ["db-1", "db-2"] {
                let body = json!({"kind": "database", "provider_reference": format!("{tenant}-{reference}")});
                target.part =
                    id_of(&world.post(&at("/resources"), &world.data_plane, body).await.expect(201)["resource"]);
            }
            return target;
        }
        let plan = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
        let mut subscribed = world.post(&at("/subscribe"), &owner, plan.clone()).await.expect(201);
        if self.handler == "list_invoices" {
            let now = json!({"effective": "immediate"});
            world.post(&at("/subscription/cancellation"), &owner, now).await.expect(200);
            subscribed = world.post(&at("/subscribe"), &owner, plan).await.expect(201);
        }
        if self.handler == "refund_balance" {
            let grant = json!({"amount_cents": 10_000, "currency": "USD", "reason": "outage"});
            world.post(&at("/credits"), &world.admin, grant).await.expect(200);
        }
        if self.handler == "reverse_payment" {
            let number = subscribed["invoice"]["number"].as_str().expect("a number");
            let payment = json!({"reference": REFERENCE, "amount_cents": 1, "currency": "USD"});
            world.post(&at(&format!("/invoices/{number}/payments")), &world.admin, payment).await.expect(200);
        }
        if self.handler == "withdraw_write_off" {
            let number = subscribed["invoice"]["number"].as_str().expect("a number");
            world.post(&at(&format!("/invoices/{number}/write-off")), &world.admin, json!({})).await.expect(200);
        }
        let of_invoice = self.route().path.contains("/invoices/{number}/");
        if !of_invoice && !["refund_balance", "update_invoice"].contains(&self.handler) {
            let later = json!({"plan_code": "team", "effective": "period_end"});
            world.post(&at("/subscription/change"), &owner, later).await.expect(200);
        }
        if self.handler == "remove_discount" {
            world.grant_discount(&target.id, "partner").await.expect(200);
        }
        if self.handler == "withdraw_cancellation" {
            world.post(&at("/subscription/cancellation"), &owner, json!({})).await.expect(200);
        }
        target.part = if self.route().path.contains("{addon_id}") {
            id_of(&subscribed["subscription"]["addons"][0])
        } else {
            subscribed["invoice"]["number"].as_str().expect("a number").to_owned()
        };
        target
    }
}

#[test]
fn each_row_says_what_its_route_is() {
    for row in ROWS {
        let Row { handler, audience, names, body: _, list } = row;
        let route = row.route();
        assert_eq!(*audience, route.audience, "{handler}");
        assert_eq!(list.is_some(), route.parameters.contains(&"cursor"), "{handler}");
        assert_eq!(*names == TenantInQuery, route.parameters.contains(&"tenant_id"), "{handler}");
        assert_eq!(*names == TenantInPath, route.path.contains("{tenant_id}"), "{handler}");
        assert_eq!(matches!(names, Deployment | Part), route.path.contains("{id}"), "{handler}");
        let parts = ["{resource_id}", "{addon_id}", "{number}"].iter().filter(|part| route.path.contains(**part));
        assert_eq!(parts.count(), usize::from(*names == Part), "{handler}");
    }
}
