//! All problems of the API by code, and the additional members of their bodies.

use serde_json::{Map, Value, json};

/// Code, status and meaning of a problem.
pub type Problem = (&'static str, u16, &'static str);

/// All problems, by status.
pub const PROBLEMS: &[Problem] = &[
    (
        "idempotency_key_in_use",
        409,
        "A request with this Idempotency-Key is in progress. Send the request again later.",
    ),
    ("idempotency_key_reused", 422, "The Idempotency-Key was used for another request."),
    ("conflicting_parameters", 400, "More than one of the parameters plan, addon and coupon is given."),
    ("invalid_action", 400, "The parameter action is not a scheduled step."),
    ("invalid_boolean", 400, "A parameter is not `true` or `false`."),
    ("invalid_code", 400, "A code in the path or query is malformed."),
    ("invalid_cursor", 400, "The cursor is not a `next_cursor` of this list with these filters."),
    (
        "invalid_header",
        400,
        "A header's value is not visible ASCII. Only the local program sends this; API Gateway sends its own response.",
    ),
    ("invalid_id", 400, "An id in the path or query is not a UUID."),
    (
        "invalid_idempotency_key",
        400,
        "The Idempotency-Key is not one key of 1 to 255 printable ASCII characters without commas.",
    ),
    ("invalid_if_match", 400, "If-Match is not `*` or a list of entity tags."),
    ("invalid_include", 400, "The parameter include is not `amounts`."),
    ("invalid_invoice_number", 400, "The invoice number in the path is malformed."),
    ("invalid_kind", 400, "The parameter kind is not a known reason."),
    ("invalid_limit", 400, "The limit is not a whole number from 1 to 100."),
    ("invalid_outcome", 400, "The parameter outcome is not an outcome."),
    (
        "invalid_path",
        400,
        "The path is not percent-encoded UTF-8. Only the local program sends this; API Gateway sends its own response.",
    ),
    ("invalid_month", 400, "The parameter month is not a month such as 2027-01."),
    ("invalid_payment_reference", 400, "The payment reference in the path is malformed."),
    ("invalid_number", 400, "A parameter is not a whole number, 0 or more."),
    ("invalid_order", 400, "The parameter order is not `asc` or `desc`."),
    ("invalid_slug", 400, "The parameter slug is malformed."),
    ("invalid_state", 400, "The parameter state is not a state."),
    ("invalid_status", 400, "The parameter status is not an invoice status."),
    ("invalid_tenant_id", 400, "A tenant id in the path or query is malformed."),
    ("invalid_timestamp", 400, "A parameter is not an RFC 3339 time in the years 1970 to 9999."),
    ("malformed_json", 400, "The body is not a JSON object, or repeats a field."),
    ("plan_code_required", 400, "The parameter plan_version requires plan_code."),
    ("repeated_parameter", 400, "A query parameter is repeated."),
    ("too_many_ids", 400, "The filter names more than 1,000 ids."),
    ("unknown_field", 400, "The body has unknown fields. `errors` lists them."),
    ("unknown_parameter", 400, "The query has an unknown parameter."),
    (
        "unauthenticated",
        401,
        "The request needs a valid bearer token. API Gateway sends its own response: `{\"message\": \
         \"Unauthorized\"}`.",
    ),
    ("admin_required", 403, "Only platform_admin may do this."),
    (
        "deployment_held",
        403,
        "The lifecycle has this move, but the caller may not make it while the deployment is on hold \
         (`billing_action_suspended`).",
    ),
    ("field_not_permitted", 403, "The body sets a field or value that only platform_admin may set."),
    (
        "invoice_overdue",
        403,
        "The lifecycle has this move, but the caller may not make it while an invoice of the deployment is overdue.",
    ),
    (
        "plan_version_not_permitted",
        403,
        "The version is neither the plan's newest nor that of the live subscription. Only platform_admin may choose \
         another.",
    ),
    ("role_not_permitted", 403, "The token's role may not do this."),
    ("role_required", 403, "The token has no known role."),
    ("scheduled_by_platform", 403, "The platform scheduled it, so only platform_admin may withdraw or replace it."),
    ("tenant_not_permitted", 403, "The tenant_id is not the caller's own tenant."),
    ("tenant_required", 403, "The token of a tenant's user has no valid tenant id."),
    (
        "transition_not_permitted",
        403,
        "The lifecycle has this move, but the caller may not make it. `allowed_transitions` lists the moves that the \
         caller can make.",
    ),
    ("not_found", 404, "The record does not exist, or is not visible to the caller."),
    ("already_subscribed", 409, "The deployment has a live subscription."),
    ("coupon_exhausted", 409, "The coupon was granted as often as it can be."),
    ("coupon_expired", 409, "The last moment at which the coupon can be granted has passed."),
    ("coupon_not_for_plan", 409, "The coupon is not for the plan of the subscription."),
    ("currency_mismatch", 409, "The currency of the add-on or of the coupon's amount differs from the plan's."),
    ("discount_exists", 409, "The subscription has a discount. Remove it first."),
    ("insufficient_balance", 409, "The balance is smaller than the refund."),
    (
        "invoice_balance_used",
        409,
        "Credits or payments of the invoice became balance that was used, so it cannot be voided.",
    ),
    ("invoice_has_payments", 409, "The invoice has payments that are not reversed, so it cannot be voided."),
    ("invoice_not_open", 409, "The invoice's status does not allow a payment, a write-off or a later due date."),
    ("invoice_void", 409, "The invoice is void."),
    ("nothing_forgiven", 409, "The whole written-off amount has been credited since."),
    ("nothing_to_credit", 409, "Every charge of the invoice is credited in full."),
    ("payment_reversed", 409, "The payment with this reference was reversed."),
    ("refund_exceeds_paid", 409, "The refund exceeds the settled part of the invoice."),
    ("no_discount", 409, "The subscription has no discount."),
    ("no_pending_cancellation", 409, "No cancellation is scheduled."),
    ("no_pending_change", 409, "No plan change is scheduled."),
    ("no_trial", 409, "No trial is running."),
    ("not_subscribed", 409, "The deployment has no live subscription."),
    (
        "open_invoices",
        409,
        "The deployment has open invoices, so it cannot be archived. Pay, void or write them off, or wait until they \
         are given up.",
    ),
    ("plan_version_closed", 409, "Another version has replaced the plan version, which can no longer be bought."),
    (
        "price_change_running",
        409,
        "An operation still announces the price of the version. Replace it when that has ended.",
    ),
    ("payment_reference_reused", 409, "The reference is already used for another payment."),
    ("quota_exceeded", 409, "The tenant has as many live deployments as its quota allows."),
    ("slug_taken", 409, "The tenant already has a deployment with this slug."),
    (
        "subscription_required",
        409,
        "The deployment is paused because it had no subscription for too long. Subscribing it resumes it.",
    ),
    ("subscription_paused", 409, "The subscription is paused with its deployment."),
    ("tenant_held", 409, "The tenant is on hold: until it is released, its deployments cannot be created or resumed."),
    ("too_many_open_invoices", 409, "The deployment has too many open invoices. Pay some of them first."),
    ("too_many_operations", 409, "20 operations run, the maximum. Wait for one to end, or stop one."),
    ("trial_used", 409, "The tenant has already used its trial of the plan."),
    (
        "version_conflict",
        409,
        "Another request changed the record at the same time. Nothing was changed; read it and decide again.",
    ),
    ("precondition_failed", 412, "If-Match does not match the record's current version."),
    ("payload_too_large", 413, "The body is longer than 64 KiB."),
    ("unsupported_media_type", 415, "The body is not sent as application/json, or has a Content-Encoding."),
    ("addon_retired", 422, "The add-on is retired."),
    ("coupon_retired", 422, "The coupon is retired."),
    (
        "currency_change",
        422,
        "An immediate change to another currency requires `proration` `none`, which is for platform_admin. At the end \
         of the period it is allowed to all.",
    ),
    ("deployment_archived", 422, "The deployment is archived and cannot be changed."),
    ("invalid_initial_state", 422, "A deployment can only be created in `active` or `trial`."),
    (
        "invalid_transition",
        422,
        "The lifecycle does not have this move. `allowed_transitions` lists the moves that the caller can make.",
    ),
    ("live_resources", 422, "The deployment still has live resources, so it cannot be archived."),
    ("not_subscribable", 422, "Only a deployment that runs can be subscribed."),
    ("credit_exceeds_charge", 422, "A credit exceeds what remains of its charge."),
    ("overpayment", 422, "The payment exceeds the amount due."),
    ("too_many_credits", 422, "The invoice has the maximum of credits."),
    ("too_many_write_offs", 422, "The invoice has the maximum of write-offs."),
    ("too_much_balance", 422, "The balance would exceed its maximum."),
    ("unknown_charge", 422, "The invoice has no such charge."),
    ("payment_currency", 422, "The payment's currency differs from the invoice's."),
    ("plan_retired", 422, "The plan is retired."),
    ("too_many_addons", 422, "A subscription can have at most 50 add-ons."),
    (
        "too_many_changes",
        422,
        "Commands can make at most 200 charges in one period; with one-off charges the limit is 220.",
    ),
    ("too_many_deployments", 422, "The tenant has more than 10,000 deployments, the maximum for this request."),
    ("too_many_invoices", 422, "The tenant has more than 10,000 invoices, the maximum for a statement."),
    ("too_many_payments", 422, "The invoice has the maximum of payments."),
    (
        "too_many_replaced_addons",
        422,
        "Too many add-ons are replaced at once. Detach some of them first, or attach some afterwards.",
    ),
    ("too_many_resources", 422, "A deployment can have at most 500 live resources."),
    ("unknown_addon", 422, "The catalog does not contain the add-on."),
    ("unknown_coupon", 422, "The catalog does not contain the coupon."),
    ("unknown_plan", 422, "The catalog does not contain the plan."),
    ("unknown_plan_version", 422, "The plan does not have this published version, or has no published version."),
    ("validation_failed", 422, "Fields of the body are missing, invalid or inconsistent. `errors` lists them."),
    ("internal", 500, "The service failed. The error has been logged."),
    (
        "catching_up",
        503,
        "The deployment has more due billing steps than one request takes. Each request takes some; send the request \
         again.",
    ),
    ("unavailable", 503, "The service is temporarily short of capacity. Send the request again."),
];

/// Finds a problem by its code.
pub fn find(code: &str) -> Option<&'static Problem> {
    PROBLEMS.iter().find(|problem| problem.0 == code)
}

/// The name of a problem's schema.
pub fn schema_name(code: &str) -> String {
    format!("Problem.{code}")
}

/// The schema of a problem's body (RFC 9457).
pub fn schema(problem: &Problem) -> Value {
    let (code, status, description) = problem;
    let mut properties = json!({
        "type": {"description": "The code as a URI.", "const": format!("urn:arcadia:problem:{code}")},
        "title": {"description": "The reason phrase of the status.", "const": title(*status)},
        "status": {"description": "The HTTP status.", "const": status},
        "code": {"description": "A stable code that identifies the problem.", "const": code},
        "detail": {
            "description": "An explanation for people. Its wording may change.",
            "type": "string",
            "minLength": 1,
            "examples": [description],
        },
    });
    if let (Value::Object(properties), Value::Object(members)) = (&mut properties, members(code)) {
        properties.extend(members);
    }
    // Only an add-on's currency is part of this problem.
    let names = properties.as_object().into_iter().flat_map(Map::keys);
    let required: Vec<&String> = names.filter(|name| *name != "addon_code").collect();
    json!({"description": description, "type": "object", "required": required, "properties": properties})
}

/// The reason phrase of a status (RFC 9110, section 15).
const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    }
}

/// The additional members of a problem's body.
fn members(code: &str) -> Value {
    let state = |description: &str| json!({"description": description, "$ref": "#/components/schemas/State"});
    match code {
        "validation_failed" | "unknown_field" => json!({"errors": {
            "description": "The errors, one for each field.",
            "type": "array",
            "minItems": 1,
            "items": {"$ref": "#/components/schemas/FieldError"},
        }}),
        "invalid_transition" | "transition_not_permitted" | "invoice_overdue" | "deployment_held" => json!({
            "from": state("The current state."),
            "to": state("The requested state."),
            "allowed_transitions": {
                "description": "The states that the caller can move the deployment to.",
                "type": "array",
                "items": {"$ref": "#/components/schemas/State"},
            },
        }),
        "precondition_failed" => json!({"current_version": {
            "description": "The record's current version; null if it does not exist.",
            "type": ["integer", "null"],
        }}),
        "open_invoices" => {
            json!({"open_invoices": {"description": "Number of open invoices.", "type": "integer", "minimum": 1}})
        }
        "live_resources" => {
            json!({"live_resources": {"description": "Number of live resources.", "type": "integer", "minimum": 1}})
        }
        "currency_mismatch" => {
            json!({"addon_code": {"description": "Code of the add-on, unless it is about a coupon.", "$ref": "#/components/schemas/ShortCode"}})
        }
        "invoice_not_open" => json!({"invoice_status": {
            "description": "The invoice's status.",
            "$ref": "#/components/schemas/InvoiceStatus",
        }}),
        "payment_currency" => {
            json!({"currency": {"description": "The invoice's currency.", "$ref": "#/components/schemas/Currency"}})
        }
        "overpayment" => {
            json!({"due_cents": {"description": "The amount due, in minor units.", "type": "integer", "minimum": 0}})
        }
        "credit_exceeds_charge" => json!({"remaining_cents": {
            "description": "What remains of the charge, in minor units.", "type": "integer", "minimum": 0,
        }}),
        "insufficient_balance" => {
            json!({"balance_cents": {"description": "The balance, in minor units.", "type": "integer", "minimum": 0}})
        }
        "refund_exceeds_paid" => json!({"paid_cents": {
            "description": "What can be paid back, in minor units.", "type": "integer", "minimum": 0,
        }}),
        _ => json!({}),
    }
}

/// The schema of an error in one field of a body.
pub fn field_error_schema() -> Value {
    json!({
        "description": "An error in one field of the body.",
        "type": "object",
        "required": ["pointer", "code", "detail"],
        "properties": {
            "pointer": {"description": "The field, as an RFC 6901 JSON pointer.", "type": "string", "format": "json-pointer"},
            "code": {"description": "A stable code that identifies the error.", "type": "string", "pattern": "^[a-z_]+$"},
            "detail": {"description": "An explanation for people.", "type": "string", "minLength": 1},
        },
    })
}
