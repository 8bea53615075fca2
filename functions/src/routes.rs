//! The table of routes. `template.yaml` defines one function for each, with the same handler name.

use std::pin::Pin;

use arcadia_domain::{Authority, Grant, Power};
use lambda_http::http::Method;

use crate::http::{Answer, Call};
use crate::runtime::App;
use crate::{
    Error, addons, attention, catalog_events, corrections, coupons, deployments, events, invoices, lifecycle,
    operations, plans, resources, schedule, subscriptions, summary, tenants,
};

/// The future of a handler's result.
type Outcome<'a> = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'a>>;

/// A handler as a function pointer.
pub type Handler = for<'a> fn(&'a App, &'a Call) -> Outcome<'a>;

/// A route. Each is one Lambda function.
#[derive(Debug, Clone)]
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The path, with `{name}` for parameters.
    pub path: &'static str,
    /// The function's handler name, which selects the route.
    pub handler: &'static str,
    /// The allowed query parameters.
    pub parameters: &'static [&'static str],
    /// The callers that may use the route.
    pub audience: Audience,
    /// The handler.
    pub call: Handler,
}

impl Route {
    /// Whether the route serves a method. A GET route also serves HEAD.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        self.method == *method || (self.method == Method::GET && *method == Method::HEAD)
    }
}

/// The callers that may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// `platform_admin`, and a tenant's users within their tenant.
    Everyone,
    /// The same callers and `data_plane`.
    Watchers,
    /// `platform_admin`.
    Admins,
    /// Roles that have this power.
    Holders(Power),
}

impl Audience {
    /// Rejects callers that may not use the route.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if `authority` may not use the route.
    pub fn admit(self, authority: Authority) -> Result<(), Error> {
        if self.admits(authority) {
            return Ok(());
        }
        Err(match self {
            Self::Admins => Error::Forbidden { code: "admin_required", detail: "only platform_admin may do this" },
            Self::Everyone | Self::Watchers | Self::Holders(_) => {
                Error::Forbidden { code: "role_not_permitted", detail: "the token's role may not do this" }
            }
        })
    }

    /// Whether callers with `authority` may use the route.
    #[must_use]
    pub fn admits(self, authority: Authority) -> bool {
        let others: &[Authority] = match self {
            Self::Everyone => &[Authority::TenantUser],
            Self::Watchers => &[Authority::TenantUser, Authority::DataPlane],
            Self::Admins => &[],
            Self::Holders(power) => return power.grant(authority) != Grant::Never,
        };
        authority == Authority::PlatformAdmin || others.contains(&authority)
    }
}

/// Defines a row of the table.
macro_rules! route {
    ($method:ident $path:literal $($module:ident)::+ => $handler:literal $(?$parameter:literal)*) => {
        route!($method $path $($module)::+ => $handler for Everyone $(?$parameter)*)
    };
    ($method:ident $path:literal $($module:ident)::+ => $handler:literal
        for $audience:ident$(($power:ident))? $(?$parameter:literal)*) => {
        Route {
            method: Method::$method,
            path: concat!("/api/v1", $path),
            handler: $handler,
            parameters: &[$($parameter),*],
            audience: Audience::$audience$((Power::$power))?,
            call: |app, call| Box::pin($($module)::+::handle(app, call)),
        }
    };
}

/// All routes.
pub static ROUTES: &[Route] = &[
    route!(GET "/deployments" deployments::list => "list_deployments"
        ?"tenant_id" ?"state" ?"slug" ?"region" ?"subscribed" ?"billing_action_suspended" ?"plan_code" ?"plan_version"
        ?"include" ?"limit" ?"cursor"),
    route!(POST "/deployments" deployments::create => "create_deployment"),
    route!(GET "/deployments/{id}" deployments::show => "show_deployment" for Watchers),
    route!(PATCH "/deployments/{id}" deployments::update => "update_deployment" ?"dry_run"),
    route!(POST "/deployments/{id}/transition" deployments::transition => "transition_deployment" ?"dry_run"),
    route!(GET "/deployments/{id}/events" events::list => "list_events"
        ?"order" ?"after" ?"limit" ?"cursor"),
    route!(GET "/deployments/{id}/resources" resources::list => "list_resources" for Watchers
        ?"limit" ?"cursor"),
    route!(POST "/deployments/{id}/resources" resources::create => "create_resource"
        for Holders(RecordResources) ?"dry_run"),
    route!(DELETE "/deployments/{id}/resources/{resource_id}" resources::delete => "delete_resource"
        for Holders(RecordResources) ?"dry_run"),
    route!(POST "/deployments/{id}/trial" deployments::extend_trial => "extend_trial" for Admins ?"dry_run"),
    route!(POST "/deployments/{id}/subscribe" subscriptions::subscribe => "subscribe_deployment" ?"dry_run"),
    route!(POST "/deployments/{id}/subscription/addons" subscriptions::attach_addon => "attach_addon" ?"dry_run"),
    route!(DELETE "/deployments/{id}/subscription/addons/{addon_id}" subscriptions::detach_addon => "detach_addon" ?"dry_run"),
    route!(POST "/deployments/{id}/subscription/change" subscriptions::change_plan => "change_plan" ?"dry_run"),
    route!(DELETE "/deployments/{id}/subscription/change" subscriptions::withdraw_plan_change
        => "withdraw_plan_change" ?"dry_run"),
    route!(POST "/deployments/{id}/subscription/cancellation" subscriptions::cancel => "cancel_subscription" ?"dry_run"),
    route!(DELETE "/deployments/{id}/subscription/cancellation" subscriptions::withdraw_cancellation
        => "withdraw_cancellation" ?"dry_run"),
    route!(POST "/deployments/{id}/subscription/discount" subscriptions::grant_discount => "grant_discount"
        for Admins ?"dry_run"),
    route!(DELETE "/deployments/{id}/subscription/discount" subscriptions::remove_discount => "remove_discount"
        for Admins ?"dry_run"),
    route!(POST "/deployments/{id}/charges" corrections::charge => "add_charge" for Admins ?"dry_run"),
    route!(POST "/deployments/{id}/credits" corrections::credit => "grant_credit" for Admins ?"dry_run"),
    route!(POST "/deployments/{id}/refunds" corrections::refund => "refund_balance" for Admins ?"dry_run"),
    route!(GET "/deployments/{id}/invoices" invoices::list => "list_invoices" ?"limit" ?"cursor"),
    route!(GET "/deployments/{id}/invoices/{number}" invoices::show => "show_invoice"),
    route!(PATCH "/deployments/{id}/invoices/{number}" invoices::update => "update_invoice" for Admins ?"dry_run"),
    route!(POST "/deployments/{id}/invoices/{number}/payments" invoices::pay => "record_payment"
        for Holders(RecordPayments) ?"dry_run"),
    route!(POST "/deployments/{id}/invoices/{number}/payments/{reference}/reversal" invoices::reverse
        => "reverse_payment" for Holders(RecordPayments) ?"dry_run"),
    route!(POST "/deployments/{id}/invoices/{number}/void" invoices::void => "void_invoice" for Admins ?"dry_run"),
    route!(POST "/deployments/{id}/invoices/{number}/credit-notes" invoices::credit => "issue_credit_note"
        for Admins ?"dry_run"),
    route!(POST "/deployments/{id}/invoices/{number}/write-off" invoices::write_off => "write_off_invoice"
        for Admins ?"dry_run"),
    route!(DELETE "/deployments/{id}/invoices/{number}/write-off" invoices::withdraw_write_off
        => "withdraw_write_off" for Admins ?"dry_run"),
    route!(GET "/invoices" invoices::find => "find_invoices"
        ?"tenant_id" ?"deployment_id" ?"status" ?"due_before" ?"issued_from" ?"issued_to" ?"limit" ?"cursor"),
    route!(GET "/schedule" schedule => "list_schedule"
        ?"tenant_id" ?"action" ?"before" ?"limit" ?"cursor"),
    route!(GET "/attention" attention => "list_attention" for Admins ?"kind" ?"limit" ?"cursor"),
    route!(GET "/summary" summary => "show_summary" for Admins),
    route!(GET "/tenants" tenants::list => "list_tenants" for Admins ?"limit" ?"cursor"),
    route!(GET "/tenants/{tenant_id}" tenants::show => "show_tenant"),
    route!(PUT "/tenants/{tenant_id}" tenants::put => "put_tenant" ?"dry_run"),
    route!(PUT "/tenants/{tenant_id}/hold" tenants::hold => "hold_tenant" for Admins ?"dry_run"),
    route!(DELETE "/tenants/{tenant_id}/hold" tenants::release => "release_tenant" for Admins ?"dry_run"),
    route!(GET "/tenants/{tenant_id}/events" tenants::list_events => "list_tenant_events"
        ?"order" ?"after" ?"limit" ?"cursor"),
    route!(GET "/tenants/{tenant_id}/account" tenants::show_account => "show_account" ?"month"),
    route!(GET "/tenants/{tenant_id}/dunning-policy" tenants::show_dunning_policy => "show_dunning_policy"),
    route!(PUT "/tenants/{tenant_id}/dunning-policy" tenants::put_dunning_policy => "put_dunning_policy" for Admins ?"dry_run"),
    route!(GET "/plans" plans::list => "list_plans" ?"limit" ?"cursor"),
    route!(GET "/plans/{code}" plans::show => "show_plan" ?"limit" ?"cursor"),
    route!(PUT "/plans/{code}" plans::put => "put_plan" for Admins ?"dry_run"),
    route!(POST "/plans/{code}/versions" plans::publish => "publish_plan_version" for Admins),
    route!(GET "/addons" addons::list => "list_addons" ?"limit" ?"cursor"),
    route!(GET "/addons/{code}" addons::show => "show_addon"),
    route!(PUT "/addons/{code}" addons::put => "put_addon" for Admins ?"dry_run"),
    route!(GET "/coupons" coupons::list => "list_coupons" for Admins ?"limit" ?"cursor"),
    route!(GET "/coupons/{code}" coupons::show => "show_coupon" for Admins),
    route!(PUT "/coupons/{code}" coupons::put => "put_coupon" for Admins ?"dry_run"),
    route!(GET "/catalog/events" catalog_events => "list_catalog_events" for Admins
        ?"plan" ?"addon" ?"coupon" ?"limit" ?"cursor"),
    route!(GET "/operations" operations::list => "list_operations" for Admins ?"limit" ?"cursor"),
    route!(POST "/operations" operations::start => "start_operation" for Admins),
    route!(GET "/operations/{operation_id}" operations::show => "show_operation" for Admins),
    route!(GET "/operations/{operation_id}/results" operations::results => "list_operation_results" for Admins
        ?"outcome" ?"limit" ?"cursor"),
    route!(POST "/operations/{operation_id}/stop" operations::stop => "stop_operation" for Admins),
    route!(GET "/lifecycle" lifecycle::show => "show_lifecycle"),
];

/// Finds a route by its handler name.
#[must_use]
pub fn find_route(handler: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.handler == handler)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_routes_share_a_name_or_an_address() {
        let names: HashSet<_> = ROUTES.iter().map(|r| r.handler).collect();
        let addresses: HashSet<_> = ROUTES.iter().map(|r| (&r.method, r.path)).collect();
        assert_eq!((names.len(), addresses.len()), (ROUTES.len(), ROUTES.len()));
    }
}
