//! What stands in paths, queries and headers.

use arcadia_api::{DEFAULT_LIMIT, MAX_LIMIT};
use arcadia_domain::{
    Action, Attention, DeploymentId, InvoiceNumber, ResourceId, ShortCode, Slug, State, SubscriptionAddonId, TenantId,
};
use arcadia_store::ListedStatus;
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use crate::schema::Moment;

/// A parameter, and what is answered when it is not of its form.
pub struct Parameter {
    pub described: Value,
    pub problem: &'static str,
}

/// The names of the parts that a path leaves open.
pub fn open_parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// An open part of a path.
pub fn path_parameter(name: &str, generator: &mut SchemaGenerator) -> Option<Parameter> {
    let (description, schema, problem) = match name {
        "id" => ("The deployment.", generator.subschema_for::<DeploymentId>(), "invalid_id"),
        "resource_id" => ("The resource.", generator.subschema_for::<ResourceId>(), "invalid_id"),
        "addon_id" => ("The add-on, as attached.", generator.subschema_for::<SubscriptionAddonId>(), "invalid_id"),
        "number" => ("The invoice.", generator.subschema_for::<InvoiceNumber>(), "invalid_invoice_number"),
        "tenant_id" => ("The tenant.", generator.subschema_for::<TenantId>(), "invalid_tenant_id"),
        "code" => ("The plan or add-on.", generator.subschema_for::<ShortCode>(), "invalid_code"),
        _ => return None,
    };
    let described = json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema});
    Some(Parameter { described, problem })
}

/// A parameter of a query.
pub fn query_parameter(name: &str, generator: &mut SchemaGenerator) -> Option<Parameter> {
    let (description, schema, problem) = match name {
        "limit" => (
            "How many records the page has at most.",
            json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
            "invalid_limit",
        ),
        "cursor" => (
            "The `next_cursor` of the page before.",
            json!({"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]+$"}),
            "invalid_cursor",
        ),
        "tenant_id" => (
            "Only this tenant's; of anyone but platform_admin it can only be their own.",
            json!(generator.subschema_for::<TenantId>()),
            "invalid_tenant_id",
        ),
        "state" => ("Only those in this state.", json!(generator.subschema_for::<State>()), "invalid_state"),
        "order" => (
            "`desc`: the newest first; `asc`: the oldest first.",
            json!({"type": "string", "enum": ["asc", "desc"], "default": "desc"}),
            "invalid_order",
        ),
        "after" => (
            "Only what comes after this sequence.",
            json!({"type": "integer", "minimum": 0, "maximum": u64::MAX, "default": 0}),
            "invalid_number",
        ),
        "deployment_id" => ("Only this deployment's.", json!(generator.subschema_for::<DeploymentId>()), "invalid_id"),
        "status" => (
            "Only those in this status; `overdue` are the open ones whose due date has come.",
            json!({"type": "string", "enum": ListedStatus::ALL.map(ListedStatus::as_str)}),
            "invalid_status",
        ),
        "due_before" => {
            ("Only what is due before this moment.", json!(generator.subschema_for::<Moment>()), "invalid_timestamp")
        }
        "issued_from" => (
            "Only what was issued at this moment or later.",
            json!(generator.subschema_for::<Moment>()),
            "invalid_timestamp",
        ),
        "issued_to" => (
            "Only what was issued before this moment.",
            json!(generator.subschema_for::<Moment>()),
            "invalid_timestamp",
        ),
        "month" => (
            "The month of which a statement is wanted.",
            json!({"type": "string", "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$", "examples": ["2027-01"]}),
            "invalid_month",
        ),
        "region" => ("Only those in this region.", json!(generator.subschema_for::<ShortCode>()), "invalid_code"),
        "plan_code" => (
            "Only those with a live subscription to this plan.",
            json!(generator.subschema_for::<ShortCode>()),
            "invalid_code",
        ),
        "plan_version" => (
            "Of those only those of this version.",
            json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
            "invalid_number",
        ),
        "subscribed" => (
            "`true`: only those with a live subscription; `false`: only those without.",
            json!({"type": "boolean"}),
            "invalid_boolean",
        ),
        "billing_action_suspended" => (
            "`true`: only those that are held; `false`: only those that are not.",
            json!({"type": "boolean"}),
            "invalid_boolean",
        ),
        "dry_run" => (
            "`true`: answer what the command would come to, and store nothing.",
            json!({"type": "boolean", "default": false}),
            "invalid_boolean",
        ),
        "kind" => (
            "Only those that need a person for this reason.",
            json!(generator.subschema_for::<Attention>()),
            "invalid_kind",
        ),
        "include" => (
            "`amounts`: each with what it pays and owes, and its next deadline.",
            json!({"type": "string", "enum": ["amounts"]}),
            "invalid_include",
        ),
        "before" => {
            ("Only what is due before this moment.", json!(generator.subschema_for::<Moment>()), "invalid_timestamp")
        }
        "action" => ("Only this step.", json!(generator.subschema_for::<Action>()), "invalid_action"),
        "slug" => ("Only those of this slug.", json!(generator.subschema_for::<Slug>()), "invalid_slug"),
        _ => return None,
    };
    let described = json!({"name": name, "in": "query", "description": description, "schema": schema});
    Some(Parameter { described, problem })
}

/// The headers of requests.
pub fn request_headers() -> Value {
    json!({
        "IfMatch": {
            "name": "If-Match",
            "in": "header",
            "description": "Versions, as `ETag` gave them: the request is carried out only if the record is in one of \
                them, and with `*` only if it is there at all.",
            "schema": {"type": "string", "pattern": "^(\\*|\"[0-9]+\"(, \"[0-9]+\")*)$", "examples": ["\"3\""]},
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A name for this request, made by the caller. A second request of the same name is not carried \
                out: it gets the first one's answer, with `Idempotent-Replayed: true`. It is of printable ASCII characters \
                without commas, and stands there once.",
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

/// The headers of answers.
pub fn answer_headers() -> Value {
    json!({
        "RequestId": {
            "description": "Names the request, in logs too.",
            "required": true,
            "schema": {"type": "string", "minLength": 1},
        },
        "ETag": {
            "description": "The record's version.",
            "required": true,
            "schema": {"type": "string", "pattern": "^\"[0-9]+\"$"},
        },
        "CurrentETag": {
            "description": "The record's version, if it is there.",
            "schema": {"type": "string", "pattern": "^\"[0-9]+\"$"},
        },
        "Location": {
            "description": "Where what was made can be found.",
            "required": true,
            "schema": {"type": "string", "pattern": "^/api/v1/"},
        },
        "Link": {
            "description": "Of CSV: the address of the next page, if there may be more.",
            "schema": {"type": "string", "pattern": "^<[^>]+>; rel=\"next\"$"},
        },
        "RetryAfter": {
            "description": "In how many seconds to come back.",
            "required": true,
            "schema": {"type": "integer", "minimum": 1},
        },
        "IdempotentReplayed": {
            "description": "There if this is the answer that the first request of the same Idempotency-Key got.",
            "schema": {"const": "true"},
        },
    })
}
