//! Bodies of requests about tenants.

use arcadia_domain::{
    BillingAddress, DisplayName, EmailAddress, MAX_DEPLOYMENT_QUOTA, MAX_POLICY_DAYS, MAX_TAX_RATE_BASIS_POINTS,
    MAX_UNSUBSCRIBED_DAYS, Notes, Reason, TaxId,
};

use super::body;
use super::fields::{integer, text};

body! {
    /// The body of `PUT /tenants/{tenant_id}`.
    PutTenantRequest {
        /// Name of the customer. For platform_admin.
        name: Option<Option<DisplayName>> = nullable(text) [with = "Option<DisplayName>"],
        /// The address on its invoices.
        billing_address: Option<Option<BillingAddress>> = nullable(text) [with = "Option<BillingAddress>"],
        /// Where its invoices are sent.
        email: Option<Option<EmailAddress>> = nullable(text) [with = "Option<EmailAddress>"],
        /// Its tax id, such as a VAT number. For platform_admin.
        tax_id: Option<Option<TaxId>> = nullable(text) [with = "Option<TaxId>"],
        /// Its tax rate in basis points; 1900 is 19 percent. Invoices that are issued from now on have tax at this rate. For
        /// platform_admin.
        tax_rate_basis_points: Option<u32> = settable(integer(0, MAX_TAX_RATE_BASIS_POINTS))
            [default, with = "u32", skip_serializing_if = "Option::is_none", range(max = MAX_TAX_RATE_BASIS_POINTS)],
        /// The most live deployments that it can have; null for no limit. For platform_admin.
        deployment_quota: Option<Option<u32>> = nullable(integer(0, MAX_DEPLOYMENT_QUOTA))
            [with = "Option<u32>", range(max = MAX_DEPLOYMENT_QUOTA)],
        /// After how many days without a live subscription an active deployment is paused; null for never. For
        /// platform_admin.
        unsubscribed_after_days: Option<Option<u32>> = nullable(integer(1, MAX_UNSUBSCRIBED_DAYS))
            [with = "Option<u32>", range(min = 1, max = MAX_UNSUBSCRIBED_DAYS)],
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `PUT /tenants/{tenant_id}/hold`.
    HoldTenantRequest {
        /// Why it is held; stored in the events.
        reason: Reason = required(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `PUT /tenants/{tenant_id}/dunning-policy`.
    PutDunningPolicyRequest {
        /// Days from issue to the due date.
        payment_terms_days: u32 = required(integer(0, MAX_POLICY_DAYS)) [range(max = MAX_POLICY_DAYS)],
        /// Days from the due date to `past_due`.
        past_due_after_days: u32 = required(integer(0, MAX_POLICY_DAYS)) [range(max = MAX_POLICY_DAYS)],
        /// Days from the due date to `suspended`; more than `past_due_after_days`.
        suspended_after_days: u32 = required(integer(0, MAX_POLICY_DAYS)) [range(max = MAX_POLICY_DAYS)],
        /// Days from the due date to `cancelled`; more than `suspended_after_days`.
        cancelled_after_days: u32 = required(integer(0, MAX_POLICY_DAYS)) [range(max = MAX_POLICY_DAYS)],
        /// Days from `cancelled` to `archived`.
        archived_after_days: u32 = required(integer(1, MAX_POLICY_DAYS)) [range(min = 1, max = MAX_POLICY_DAYS)],
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}
