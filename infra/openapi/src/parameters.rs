//! Parameters of paths and queries, and headers.

use arcadia_api::body::Moment;
use arcadia_api::{DEFAULT_LIMIT, MAX_LIMIT};
use arcadia_domain::{
    Action, Attention, DeploymentId, InvoiceNumber, OperationId, OperationOutcome, PaymentReference, ResourceId,
    ShortCode, Slug, State, SubscriptionAddonId, TenantId,
};
use arcadia_store::ListedStatus;
use schemars::SchemaGenerator;
use serde_json::{Value, json};

/// A parameter, and the code of the problem for an invalid value.
pub struct Parameter {
    pub described: Value,
    pub problem: &'static str,
}

/// The names of a path's parameters.
pub fn open_parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// A path parameter; `None` if it is not described here.
pub fn path_parameter(name: &str, generator: &mut SchemaGenerator) -> Option<Parameter> {
    let (description, schema, problem) = match name {
        "id" => ("Id of the deployment.", generator.subschema_for::<DeploymentId>(), "invalid_id"),
        "resource_id" => ("Id of the resource.", generator.subschema_for::<ResourceId>(), "invalid_id"),
        "addon_id" => ("Id of the attached add-on.", generator.subschema_for::<SubscriptionAddonId>(), "invalid_id"),
        "operation_id" => ("Id of the operation.", generator.subschema_for::<OperationId>(), "invalid_id"),
        "number" => ("Number of the invoice.", generator.subschema_for::<InvoiceNumber>(), "invalid_invoice_number"),
        "reference" => {
            ("Reference of the payment.", generator.subschema_for::<PaymentReference>(), "invalid_payment_reference")
        }
        "tenant_id" => ("Id of the tenant.", generator.subschema_for::<TenantId>(), "invalid_tenant_id"),
        "code" => ("Code of the plan, add-on or coupon.", generator.subschema_for::<ShortCode>(), "invalid_code"),
        _ => return None,
    };
    let described = json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema});
    Some(Parameter { described, problem })
}

/// A query parameter; `None` if it is not described here.
pub fn query_parameter(name: &str, generator: &mut SchemaGenerator) -> Option<Parameter> {
    let (description, schema, problem) = match name {
        "limit" => (
            "Maximum number of records in the page.",
            json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
            "invalid_limit",
        ),
        "cursor" => (
            "The `next_cursor` of the previous page.",
            json!({"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]+$"}),
            "invalid_cursor",
        ),
        "tenant_id" => (
            "Only records of this tenant. For callers other than platform_admin it must be their own tenant.",
            json!(generator.subschema_for::<TenantId>()),
            "invalid_tenant_id",
        ),
        "state" => ("Only deployments in this state.", json!(generator.subschema_for::<State>()), "invalid_state"),
        "order" => (
            "`desc`: newest first; `asc`: oldest first.",
            json!({"type": "string", "enum": ["asc", "desc"], "default": "desc"}),
            "invalid_order",
        ),
        "after" => (
            "Only events after this sequence.",
            json!({"type": "integer", "minimum": 0, "maximum": u64::MAX, "default": 0}),
            "invalid_number",
        ),
        "deployment_id" => {
            ("Only records of this deployment.", json!(generator.subschema_for::<DeploymentId>()), "invalid_id")
        }
        "status" => (
            "Only invoices in this status. `overdue` selects open invoices whose due date has passed.",
            json!({"type": "string", "enum": ListedStatus::ALL.map(ListedStatus::as_str)}),
            "invalid_status",
        ),
        "due_before" => {
            ("Only records due before this time.", json!(generator.subschema_for::<Moment>()), "invalid_timestamp")
        }
        "issued_from" => (
            "Only invoices issued at or after this time.",
            json!(generator.subschema_for::<Moment>()),
            "invalid_timestamp",
        ),
        "issued_to" => {
            ("Only invoices issued before this time.", json!(generator.subschema_for::<Moment>()), "invalid_timestamp")
        }
        "month" => (
            "The month of the statement.",
            json!({"type": "string", "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$", "examples": ["2027-01"]}),
            "invalid_month",
        ),
        "region" => ("Only deployments in this region.", json!(generator.subschema_for::<ShortCode>()), "invalid_code"),
        "plan_code" => (
            "Only deployments with a live subscription to this plan.",
            json!(generator.subschema_for::<ShortCode>()),
            "invalid_code",
        ),
        "plan_version" => (
            "Only deployments subscribed to this version of the plan. Requires `plan_code`.",
            json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
            "invalid_number",
        ),
        "subscribed" => (
            "`true`: only deployments with a live subscription; `false`: only deployments without one.",
            json!({"type": "boolean"}),
            "invalid_boolean",
        ),
        "billing_action_suspended" => (
            "`true`: only deployments on hold; `false`: only deployments not on hold.",
            json!({"type": "boolean"}),
            "invalid_boolean",
        ),
        "dry_run" => (
            "`true`: return the result of the command without storing anything.",
            json!({"type": "boolean", "default": false}),
            "invalid_boolean",
        ),
        "kind" => (
            "Only deployments that need a person for this reason.",
            json!(generator.subschema_for::<Attention>()),
            "invalid_kind",
        ),
        "outcome" => {
            ("Only results with this outcome.", json!(generator.subschema_for::<OperationOutcome>()), "invalid_outcome")
        }
        "plan" => ("Only events of this plan.", json!(generator.subschema_for::<ShortCode>()), "invalid_code"),
        "addon" => ("Only events of this add-on.", json!(generator.subschema_for::<ShortCode>()), "invalid_code"),
        "coupon" => ("Only events of this coupon.", json!(generator.subschema_for::<ShortCode>()), "invalid_code"),
        "include" => (
            "`amounts`: include each deployment's recurring price, amounts due and next scheduled step.",
            json!({"type": "string", "enum": ["amounts"]}),
            "invalid_include",
        ),
        "before" => {
            ("Only records due before this time.", json!(generator.subschema_for::<Moment>()), "invalid_timestamp")
        }
        "action" => ("Only this step.", json!(generator.subschema_for::<Action>()), "invalid_action"),
        "slug" => ("Only deployments with this slug.", json!(generator.subschema_for::<Slug>()), "invalid_slug"),
        _ => return None,
    };
    let described = json!({"name": name, "in": "query", "description": description, "schema": schema});
    Some(Parameter { described, problem })
}

/// Request headers.
pub fn request_headers() -> Value {
    json!({
        "IfMatch": {
            "name": "If-Match",
            "in": "header",
            "description": "Values of `ETag`. The request is carried out only if the record has one of these versions; \
                with `*`, only if the record exists.",
            "schema": {"type": "string", "pattern": "^(\\*|\"[0-9]+\"(, \"[0-9]+\")*)$", "examples": ["\"3\""]},
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A key for this request, chosen by the caller. A repeated request with the same key is not \
                executed again: it gets the stored response, with `Idempotent-Replayed: true`. The key is printable \
                ASCII without commas; send the header once.",
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "pattern": "^[ -+\\--~]+$",
                "examples": ["6f1d2c3e-order-17"],
            },
        },
    })
}

/// Response headers.
pub fn answer_headers() -> Value {
    json!({
        "RequestId": {
            "description": "The id of the request; logs have it too.",
            "required": true,
            "schema": {"type": "string", "minLength": 1},
        },
        "ProblemRequestId": {
            "description": "The id of the request; logs have it too. Only a problem has it.",
            "schema": {"type": "string", "minLength": 1},
        },
        "WwwAuthenticate": {
            "description": "Only API Gateway itself sends it: what is wrong with the token.",
            "schema": {"type": "string"},
        },
        "ETag": {
            "description": "The record's version.",
            "required": true,
            "schema": {"type": "string", "pattern": "^\"[0-9]+\"$"},
        },
        "CurrentETag": {
            "description": "The record's current version, if the record exists.",
            "schema": {"type": "string", "pattern": "^\"[0-9]+\"$"},
        },
        "Location": {
            "description": "URL of the created record.",
            "required": true,
            "schema": {"type": "string", "pattern": "^/api/v1/"},
        },
        "Link": {
            "description": "CSV only: the URL of the next page, if there may be more records.",
            "schema": {"type": "string", "pattern": "^<[^>]+>; rel=\"next\"$"},
        },
        "RetryAfter": {
            "description": "Seconds to wait before sending the request again. Only a problem has it.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "IdempotentReplayed": {
            "description": "Present if this is the stored response to an earlier request with the same \
                Idempotency-Key.",
            "schema": {"const": "true"},
        },
    })
}
