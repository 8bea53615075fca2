//! Every problem that the API answers with, by its code, and what its body says beside what all say.

use serde_json::{Map, Value, json};

/// A problem: its code, its status, and what it means.
pub type Problem = (&'static str, u16, &'static str);

/// Every one of them, by status.
pub const PROBLEMS: &[Problem] = &[
    ("idempotency_key_in_use", 409, "A request with this Idempotency-Key is under way. Send it again later."),
    ("idempotency_key_reused", 422, "The Idempotency-Key came with another request before."),
    ("invalid_action", 400, "The parameter action names no step of the clock."),
    ("invalid_boolean", 400, "A parameter is neither true nor false."),
    ("invalid_code", 400, "A code in the path or query is not of its form."),
    ("invalid_cursor", 400, "The cursor is no `next_cursor` of this list with these filters."),
    (
        "invalid_header",
        400,
        "A header's value is not visible ASCII. Told by the local program; API Gateway has words of its own.",
    ),
    ("invalid_id", 400, "An id in the path or query is no UUID."),
    ("invalid_idempotency_key", 400, "The Idempotency-Key is not 1 to 255 visible ASCII characters."),
    ("invalid_if_match", 400, "If-Match is neither `*` nor a list of entity tags."),
    ("invalid_include", 400, "The parameter include names nothing that can be included."),
    ("invalid_invoice_number", 400, "The invoice number in the path is not of its form."),
    ("invalid_kind", 400, "The parameter kind names no reason to need a person."),
    ("invalid_limit", 400, "The limit is no whole number from 1 to 100."),
    (
        "invalid_path",
        400,
        "The path is no percent-encoded UTF-8. Told by the local program; API Gateway has words of its own.",
    ),
    ("invalid_month", 400, "The parameter month is no month such as 2027-01."),
    ("invalid_number", 400, "A parameter is no whole number, 0 or more."),
    ("invalid_order", 400, "The parameter order is neither asc nor desc."),
    ("invalid_slug", 400, "The parameter slug is not of its form."),
    ("invalid_state", 400, "The parameter state names no state."),
    ("invalid_status", 400, "The parameter status names no status of invoices."),
    ("invalid_tenant_id", 400, "A tenant's id in the path or query is not of its form."),
    ("invalid_timestamp", 400, "A parameter is no RFC 3339 time of the years 1970 to 9999."),
    ("malformed_json", 400, "The body is not one JSON object, or a field stands in it twice."),
    ("plan_code_required", 400, "The parameter plan_version stands without plan_code."),
    ("repeated_parameter", 400, "A query parameter stands twice."),
    ("unknown_field", 400, "The body has fields that the request does not have. `errors` names each."),
    ("unknown_parameter", 400, "The query has a parameter that the route does not take."),
    (
        "unauthenticated",
        401,
        "There is no valid bearer token. API Gateway answers in words of its own: `{\"message\": \"Unauthorized\"}`.",
    ),
    ("admin_required", 403, "This is for platform_admin."),
    (
        "deployment_held",
        403,
        "The move exists, but not for this caller while `billing_action_suspended` is on the deployment.",
    ),
    ("field_not_permitted", 403, "The body has a field, or a value of one, that only platform_admin may set."),
    ("invoice_overdue", 403, "The move exists, but not for this caller while an invoice of the deployment is overdue."),
    (
        "plan_version_not_permitted",
        403,
        "The version is neither the plan's newest nor what the live subscription has. Any other is for platform_admin.",
    ),
    ("role_not_permitted", 403, "The token's role may not do this."),
    ("role_required", 403, "The token names no role that is known here."),
    (
        "scheduled_by_platform",
        403,
        "The platform scheduled it, so that only platform_admin takes it back or replaces it.",
    ),
    ("tenant_not_permitted", 403, "The tenant_id is not the caller's own."),
    ("tenant_required", 403, "The token of a tenant's user names no valid tenant."),
    (
        "transition_not_permitted",
        403,
        "The move exists, but not for this caller. `allowed_transitions` names those that do.",
    ),
    ("not_found", 404, "There is no such record, or none that the caller may know of."),
    ("already_subscribed", 409, "The deployment has a live subscription."),
    ("currency_mismatch", 409, "The add-on is priced in another currency than the plan."),
    ("invoice_has_payments", 409, "The invoice was paid in part, so it cannot be voided."),
    ("invoice_not_open", 409, "The invoice cannot be paid or voided in its status."),
    ("no_pending_cancellation", 409, "No cancellation is scheduled."),
    ("no_pending_change", 409, "No change of plan is scheduled."),
    ("no_trial", 409, "No trial is running."),
    ("not_subscribed", 409, "The deployment has no live subscription."),
    ("open_invoices", 409, "The deployment has open invoices. It is archived once they are paid or given up."),
    ("payment_reference_reused", 409, "The reference stands for another payment."),
    ("slug_taken", 409, "The tenant already has a deployment of this slug."),
    ("subscription_paused", 409, "The subscription is paused, as its deployment is."),
    ("too_many_open_invoices", 409, "The deployment has too many open invoices. Pay some of them first."),
    ("trial_used", 409, "The tenant has had its one trial of the plan."),
    (
        "version_conflict",
        409,
        "The record was changed by someone else at the same moment. Nothing was done; read it and decide anew.",
    ),
    ("precondition_failed", 412, "The record is not in a version that If-Match names."),
    ("payload_too_large", 413, "The body is longer than 64 KiB."),
    ("unsupported_media_type", 415, "The body is not sent as application/json."),
    ("addon_retired", 422, "The add-on is not sold any more."),
    (
        "currency_change",
        422,
        "An immediate change to another currency needs `proration` `none`, which is for platform_admin. At the end of the \
         period it needs nothing.",
    ),
    ("deployment_archived", 422, "An archived deployment never changes."),
    ("invalid_initial_state", 422, "A deployment begins in `active` or `trial`."),
    (
        "invalid_transition",
        422,
        "The lifecycle has no such move. `allowed_transitions` names those that this caller can make.",
    ),
    ("live_resources", 422, "The deployment still has live resources, so it cannot be archived."),
    ("not_subscribable", 422, "Only a deployment that runs can be subscribed."),
    ("overpayment", 422, "The payment is more than is due."),
    ("payment_currency", 422, "The payment is in another currency than the invoice."),
    ("plan_retired", 422, "The plan is not sold any more."),
    ("too_many_addons", 422, "A subscription can have at most 50 add-ons."),
    ("too_many_changes", 422, "Changes can make at most 200 charges within one period."),
    ("too_many_deployments", 422, "The tenant has more than the 10,000 deployments that one request adds up."),
    ("too_many_invoices", 422, "The tenant has more than the 10,000 invoices that one statement adds up."),
    ("too_many_payments", 422, "An invoice can be paid in at most 50 payments."),
    (
        "too_many_replaced_addons",
        422,
        "Old and new add-ons are too many to be replaced at once. Attach some afterwards.",
    ),
    ("too_many_resources", 422, "A deployment can have at most 500 live resources."),
    ("unknown_addon", 422, "The catalog has no such add-on."),
    ("unknown_plan", 422, "The catalog has no such plan."),
    ("unknown_plan_version", 422, "The plan has no such published version, or none at all."),
    (
        "validation_failed",
        422,
        "Fields of the body are missing, ill-formed or do not go together. `errors` names each.",
    ),
    ("internal", 500, "Something is wrong on our side. It has been logged."),
    (
        "catching_up",
        503,
        "Several billing steps of the deployment are overdue. Each request takes some of them first; send it again.",
    ),
    ("unavailable", 503, "The service is short of capacity for a moment. Send the request again."),
];

/// The problem of a code.
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
        "title": {"description": "The status in words.", "const": title(*status)},
        "status": {"description": "The status.", "const": status},
        "code": {"description": "What to tell problems apart by. It never changes.", "const": code},
        "detail": {
            "description": "A sentence for people. It may change.",
            "type": "string",
            "minLength": 1,
            "examples": [description],
        },
    });
    if let (Value::Object(properties), Value::Object(members)) = (&mut properties, members(code)) {
        properties.extend(members);
    }
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"description": description, "type": "object", "required": required, "properties": properties})
}

/// A status in words (RFC 9110, section 15).
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

/// What a problem says beside what all say.
fn members(code: &str) -> Value {
    let state = |description: &str| json!({"description": description, "$ref": "#/components/schemas/State"});
    match code {
        "validation_failed" | "unknown_field" => json!({"errors": {
            "description": "What is wrong, field by field.",
            "type": "array",
            "minItems": 1,
            "items": {"$ref": "#/components/schemas/FieldError"},
        }}),
        "invalid_transition" | "transition_not_permitted" | "invoice_overdue" | "deployment_held" => json!({
            "from": state("The present state."),
            "to": state("The state that was asked for."),
            "allowed_transitions": {
                "description": "The states that can be asked for instead.",
                "type": "array",
                "items": {"$ref": "#/components/schemas/State"},
            },
        }),
        "precondition_failed" => json!({"current_version": {
            "description": "The version that the record is in; null if it is not there.",
            "type": ["integer", "null"],
        }}),
        "open_invoices" => json!({"open_invoices": {"description": "How many.", "type": "integer", "minimum": 1}}),
        "live_resources" => json!({"live_resources": {"description": "How many.", "type": "integer", "minimum": 1}}),
        "currency_mismatch" => {
            json!({"addon_code": {"description": "The add-on.", "$ref": "#/components/schemas/ShortCode"}})
        }
        "invoice_not_open" => json!({"invoice_status": {
            "description": "The invoice's status.",
            "$ref": "#/components/schemas/InvoiceStatus",
        }}),
        "payment_currency" => {
            json!({"currency": {"description": "The invoice's currency.", "$ref": "#/components/schemas/Currency"}})
        }
        "overpayment" => {
            json!({"due_cents": {"description": "What is due, in minor units.", "type": "integer", "minimum": 0}})
        }
        _ => json!({}),
    }
}

/// What is wrong with one field of a body.
pub fn field_error_schema() -> Value {
    json!({
        "description": "What is wrong with one field of the body.",
        "type": "object",
        "required": ["pointer", "code", "detail"],
        "properties": {
            "pointer": {"description": "Where, as an RFC 6901 JSON pointer.", "type": "string", "format": "json-pointer"},
            "code": {"description": "What to tell mistakes apart by.", "type": "string", "pattern": "^[a-z_]+$"},
            "detail": {"description": "A sentence for people.", "type": "string", "minLength": 1},
        },
    })
}
