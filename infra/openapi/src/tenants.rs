//! Tenants: their fields, their holds and their histories. Accounts and dunning policies are in `billing`.

use arcadia_api::answer::{TenantAnswer, TenantEventList};
use arcadia_api::body::{HoldTenantRequest, PutTenantRequest, RemarksRequest};
use arcadia_domain::Power;
use serde_json::json;

use crate::operation::Operation;

const TENANTS: &str = "Tenants";

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            TENANTS,
            "show_tenant",
            "Show a tenant",
            "Name, billing address, e-mail address, tax id and rate, the quota of live deployments, and the hold. A \
             tenant without set fields has version 0 and null fields.",
        )
        .versioned::<TenantAnswer<'static>>("The tenant."),
        Operation::new(
            TENANTS,
            "put_tenant",
            "Set fields of a tenant",
            "Omitted fields stay unchanged; null clears a field. A tenant's users may set the billing address and the \
             e-mail address. Setting a quota counts the tenant's live deployments, up to 10,000 deployments that it \
             ever had. A new tax rate or `unsubscribed_after_days` is copied to each deployment by the operation \
             `operation_id`, which starts in the same transaction. If nothing differs, nothing is written.",
        )
        .body::<PutTenantRequest>([
            ("address", json!({"billing_address": "Hafenstrasse 1, 20457 Hamburg", "email": "billing@acme.example"})),
            (
                "customer",
                json!({"name": "Acme GmbH", "tax_id": "DE123456789", "tax_rate_basis_points": 1900, "deployment_quota": 50}),
            ),
            ("pause without a subscription", json!({"unsubscribed_after_days": 30})),
        ])
        .versioned::<TenantAnswer<'static>>("The current tenant.")
        .accepted::<TenantAnswer<'static>>("The tenant. The operation copies its tax rate and `unsubscribed_after_days` to its deployments.")
        .with_etag()
        .link("show_operation", [("operation_id", "$response.body#/tenant/operation_id")])
        .if_match()
        .problems(&[
            "field_not_permitted",
            "not_found",
            "too_many_deployments",
            "too_many_operations",
            "version_conflict",
        ])
        .powers(&[Power::SetTenant]),
        Operation::new(
            TENANTS,
            "hold_tenant",
            "Hold a tenant",
            "Pauses the tenant's active deployments and those that become active later, even if invoices are paid, \
             until the tenant is released. Meanwhile nobody can resume or create one. Dunning continues. The operation \
             `operation_id` copies the hold to each deployment; it starts in the transaction that stores the hold. \
             Another reason, or other notes, replace the old ones and keep `since`. If they are the same, nothing is \
             written.",
        )
        .body::<HoldTenantRequest>([(
            "abuse",
            json!({"reason": "abuse", "notes": "Sends spam; reported on 14 February."}),
        )])
        .versioned::<TenantAnswer<'static>>("The tenant, which was held for this reason before.")
        .accepted::<TenantAnswer<'static>>("The tenant. The operation pauses its deployments.")
        .with_etag()
        .link("show_operation", [("operation_id", "$response.body#/tenant/operation_id")])
        .if_match()
        .problems(&["too_many_operations", "version_conflict"])
        .powers(&[Power::HoldTenant]),
        Operation::new(
            TENANTS,
            "release_tenant",
            "Release a tenant from its hold",
            "Resumes the deployments that the hold paused; those that a caller had paused stay paused. If an invoice \
             is overdue, dunning applies to the resumed deployments. The operation `operation_id` copies the release \
             to each deployment; it starts in the transaction that stores the release. If the tenant is not held, \
             nothing is written.",
        )
        .optional_body::<RemarksRequest>(true, [("with a reason", json!({"reason": "the abuse has ended"}))])
        .versioned::<TenantAnswer<'static>>("The tenant, which was not held.")
        .accepted::<TenantAnswer<'static>>("The tenant. The operation resumes its deployments.")
        .with_etag()
        .link("show_operation", [("operation_id", "$response.body#/tenant/operation_id")])
        .if_match()
        .problems(&["too_many_operations", "version_conflict"])
        .powers(&[Power::HoldTenant]),
        Operation::new(
            TENANTS,
            "list_tenant_events",
            "List a tenant's history",
            "All events of the tenant itself, newest first, or with `order=asc` oldest first: changes of its fields, \
             its hold and its dunning policy. Its deployments have histories of their own. Events are numbered without \
             gaps.",
        )
        .ok::<TenantEventList>("A page of events."),
    ]
}
