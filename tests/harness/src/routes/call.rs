//! The call of a route: its path, its body, its caller.

use std::collections::BTreeMap;

use arcadia_domain::Power::{RecordPayments, RecordResources};
use arcadia_functions::Audience::{Admins, Everyone, Holders, Watchers};
use reqwest::RequestBuilder;
use serde_json::Value;

use super::{Names, Row};
use crate::client::Http;
use crate::floor::Key;
use crate::world::{token, user};

/// An id that no record has.
pub const MISSING: &str = "01920000-0000-7000-8000-000000000000";
/// A number that no invoice has.
const MISSING_NUMBER: &str = "20270115100000-0123456789ab-USD";

/// The placeholders of the path for a part of a deployment, and for an operation.
const PARTS: [&str; 4] = ["{resource_id}", "{addon_id}", "{operation_id}", "{number}"];

/// The records that a call is about.
#[derive(Debug, Clone, Default)]
pub struct Target {
    pub tenant: String,
    /// The deployment.
    pub id: String,
    /// The resource, add-on, invoice or operation that the path names.
    pub part: String,
    /// Makes the call unique.
    pub n: usize,
    /// The open amount of the invoice.
    pub due_cents: i64,
    /// The deployments that a list has, and their invoices.
    pub listed: Vec<Key>,
    pub billed: Vec<Key>,
    /// The last sort key of the entries that are due.
    pub until: String,
    /// The ids that were made, by their placeholder.
    pub made: BTreeMap<&'static str, String>,
}

impl Target {
    /// A tenant, and no records yet.
    pub fn of(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), due_cents: 1, ..Self::default() }
    }

    /// The partition of the deployment.
    pub fn partition(&self) -> String {
        format!("DEPLOYMENT#{}", self.id)
    }

    /// The partition of the tenant.
    pub fn tenant_partition(&self) -> String {
        format!("TENANT#{}", self.tenant)
    }
}

impl Row {
    /// The placeholder of the part that the path names.
    pub(super) fn placeholder(&self) -> Option<&'static str> {
        PARTS.into_iter().find(|part| self.route().path.contains(part))
    }

    /// A body that the route accepts, if it reads one.
    pub fn body_for(&self, target: &Target) -> Option<Value> {
        let body = self.body?.replace("{tenant_id}", &target.tenant).replace("{n}", &format!("{:03}", target.n));
        let body = body.replace("\"{due_cents}\"", &target.due_cents.to_string());
        Some(serde_json::from_str(&body).expect("a body is JSON"))
    }

    /// The path of a call, with its query.
    pub fn path_for(&self, target: &Target) -> String {
        let mut path = self.route().path.to_owned();
        let code = match path.split('/').nth(3) {
            Some("addons") => "storage_50gb",
            Some("coupons") => "partner",
            _ => "studio",
        };
        let reference = format!("settle-{}", target.part);
        for (placeholder, value) in [
            ("{id}", &target.id[..]),
            ("{tenant_id}", &target.tenant),
            ("{code}", code),
            ("{reference}", &reference),
            (self.placeholder().unwrap_or("{none}"), &target.part),
        ] {
            path = path.replace(placeholder, value);
        }
        assert!(!path.contains('{'), "{path} has a parameter that the tests do not know");
        let default = if self.names() == Names::TenantInQuery { "tenant_id={tenant_id}" } else { "" };
        match self.query.unwrap_or(default).replace("{tenant_id}", &target.tenant) {
            query if query.is_empty() => path,
            query => format!("{path}?{query}"),
        }
    }

    /// A call that is accepted from the right caller.
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
            Holders(power) => panic!("which role has {power:?}?"),
        }
    }

    /// An id for the part that the path names, which no record has.
    pub fn missing_part(&self) -> String {
        if self.placeholder() == Some("{number}") { MISSING_NUMBER } else { MISSING }.to_owned()
    }
}
