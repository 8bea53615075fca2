//! Generates the OpenAPI document of the product from its table of routes and its types, so that the document always
//! matches the code. It is stored as `docs/openapi.json`; the tests write it and check every response that they receive
//! against it.
//!
//! # Layout
//! [`document()`] combines each route with its description. The descriptions are in `deployments`, `subscriptions`,
//! `billing`, `corrections`, `tenants`, `catalog` and `many`, as values of `operation`; `problems` lists all problem
//! codes, `parameters` the parameters and headers, and `schema` generates schemas of types.
//!
//! This package is not deployed, and no deployed code depends on it.

mod billing;
mod catalog;
mod corrections;
mod coupons;
mod deployments;
mod many;
mod operation;
mod parameters;
mod problems;
mod schema;
mod subscriptions;
mod tenants;

use std::collections::{BTreeMap, BTreeSet};

use arcadia_api::GATEWAY_ANSWERS;
use arcadia_domain::{Authority, Grant, Power};
use arcadia_functions::{Audience, ROUTES, Route};
use operation::{Answer, Body, Operation};
use parameters::{open_parts, path_parameter};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The cost of a typical call of each operation, by handler name, as measured by `tests/it/costs.rs`.
const COSTS: &str = include_str!("../../../docs/costs.json");

/// Error of the generation.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Routes without a description.
    #[error("these routes are not described in infra/openapi: {0:?}")]
    Undescribed(BTreeSet<&'static str>),
    /// Descriptions without a route.
    #[error("these descriptions in infra/openapi have no route: {0:?}")]
    NoRoute(BTreeSet<&'static str>),
    /// A problem that is not listed in `problems`.
    #[error("infra/openapi does not list the problem {0}")]
    UnknownProblem(&'static str),
    /// The published costs cannot be read.
    #[error("docs/costs.json: {0}")]
    Costs(#[from] serde_json::Error),
    /// A path or query parameter without a description.
    #[error("infra/openapi does not describe the parameter {0}")]
    UnknownParameter(String),
}

/// Generators of the schemas of requests and responses.
struct Generators {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
    /// References to the response schemas that a dry run extends.
    /// The response schemas of commands with a dry run, each with the schema of their events.
    dry_runs: BTreeMap<String, &'static str>,
}

/// Generates the document, without examples of responses.
///
/// # Errors
/// [`DocumentError`] if routes and descriptions do not match, or the costs cannot be read.
pub fn document() -> Result<Value, DocumentError> {
    let mut described = operations();
    let mut generators = Generators {
        requests: schema::generator(SchemaSettings::for_deserialize),
        answers: schema::generator(SchemaSettings::for_serialize),
        dry_runs: BTreeMap::new(),
    };
    let mut costs: BTreeMap<String, Value> = serde_json::from_str(COSTS)?;
    let mut undescribed = BTreeSet::new();
    let mut paths = Map::new();
    for route in ROUTES {
        let Some(operation) = described.remove(route.handler) else {
            undescribed.insert(route.handler);
            continue;
        };
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        let mut operation = describe(route, operation, &mut generators)?;
        if let Some(cost) = costs.remove(route.handler) {
            operation["x-dynamodb-cost"] = cost;
        }
        path[route.method.as_str().to_lowercase()] = operation;
    }
    if !undescribed.is_empty() {
        return Err(DocumentError::Undescribed(undescribed));
    }
    if !described.is_empty() {
        return Err(DocumentError::NoRoute(described.into_keys().collect()));
    }
    Ok(json!({
        "openapi": "3.1.0",
        "info": info(),
        "servers": [{"url": "/", "description": "The server of this document."}],
        "security": [{"token": []}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A token of the platform's identity provider; on a developer's machine, the token that \
                    `cargo run` prints. Its claims contain the role (`platform_admin`, `payment_provider`, \
                    `data_plane` or `tenant_user`) and, for a tenant's user, the tenant.",
            }},
            "headers": parameters::answer_headers(),
            "parameters": parameters::request_headers(),
            "schemas": schemas(generators),
        },
    }))
}

/// All descriptions, by handler name.
fn operations() -> BTreeMap<&'static str, Operation> {
    let all = [
        deployments::operations(),
        subscriptions::operations(),
        billing::operations(),
        tenants::operations(),
        corrections::operations(),
        catalog::operations(),
        coupons::operations(),
        many::operations(),
    ];
    all.into_iter().flatten().map(|operation| (operation.handler, operation)).collect()
}

fn info() -> Value {
    json!({
        "title": "Arcadia Cloud",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "The control plane for deployments, subscriptions and billing.",
        "description": "Money is in integer minor units (`…_cents`) of an ISO 4217 currency. Times are RFC 3339 in \
            UTC. Unknown fields and parameters of a request are rejected. Responses may get new members, so ignore \
            unknown members.\n\nA rejected request gets `application/problem+json` with a `code` that never changes. \
            On AWS, API Gateway answers some calls by itself, with `{\"message\": \"…\"}` as `application/json`. \
            `ETag` is the version of a record; send it as `If-Match` to make a change only to the version that you \
            have seen. To read the next page of a list, send `next_cursor` as `cursor` until it is null. \
            HEAD gets the response of GET without its body.\n\nEvery \
            operation lists its callers: platform_admin may call all operations, a tenant's users those of their own \
            tenant, payment_provider and data_plane those that record their data. `x-powers` lists the roles that may \
            use each power over money. A record of another tenant gets the same response as a missing one. \
            `x-dynamodb-cost` is the DynamoDB cost of a typical call.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    })
}

fn tags() -> Value {
    json!([
        {"name": "Deployments", "description": "Hosted app instances: their state and their history."},
        {"name": "Resources", "description": "Cloud resources of a deployment."},
        {"name": "Subscriptions", "description": "A deployment's plan version and add-ons, with their prices."},
        {"name": "Invoices", "description": "Invoices and their payments."},
        {"name": "Operations", "description": "One command on many deployments, with a result for each."},
        {"name": "Tenants", "description": "Customers: their fields, accounts and dunning policies, and the schedule and figures across them."},
        {"name": "Plans", "description": "The catalog: plans and their published versions."},
        {"name": "Add-ons", "description": "The catalog: extras of a subscription beside its plan."},
        {"name": "Coupons", "description": "The catalog: the terms of discounts, which `platform_admin` grants."},
        {"name": "Catalog", "description": "The history of plans, add-ons and coupons."},
        {"name": "Lifecycle", "description": "The states of a deployment, and who may move it between them."},
    ])
}

fn describe(route: &Route, operation: Operation, generators: &mut Generators) -> Result<Value, DocumentError> {
    let codes = problem_codes(route, &operation)?;
    let Operation { handler, tag, summary, description, body, answers, if_match, powers, .. } = operation;
    let roles: Vec<Authority> = ROLES.into_iter().filter(|role| route.audience.admits(*role)).collect();
    let who: Vec<&str> = roles.iter().map(|role| in_words(*role)).collect();
    let who = and_list(&who);
    let mut described = json!({
        "operationId": handler,
        "tags": [tag],
        "summary": summary,
        "description": format!("{description}\n\nFor {who}.{}", powers_in_words(&powers)),
        "x-audience": roles,
        "parameters": parameters(route, if_match, generators)?,
    });
    if !powers.is_empty() {
        described["x-powers"] = powers_as_data(&powers);
    }
    if let Some(body) = body {
        described["requestBody"] = request_body(body, generators);
    }
    let replays = route.method == "POST";
    let mut responses = Map::new();
    for answer in answers {
        let status = answer.status.to_string();
        let response = success(answer, replays, generators);
        if route.parameters.contains(&"dry_run") {
            responses.insert(DRY_RUN_STATUS.to_owned(), dry_run(&response, event_of(route), generators));
        }
        responses.entry(status).or_insert(response);
    }
    let mut failures = failures(&codes)?;
    add_gateway_answers(&mut failures, described.get("requestBody").is_some());
    responses.extend(failures);
    described["responses"] = Value::Object(responses);
    Ok(described)
}

/// The roles of tokens, most common first.
const ROLES: [Authority; 4] =
    [Authority::TenantUser, Authority::PaymentProvider, Authority::DataPlane, Authority::PlatformAdmin];

fn in_words(role: Authority) -> &'static str {
    match role {
        Authority::TenantUser => "a tenant's users within their tenant",
        Authority::PaymentProvider => "`payment_provider`",
        Authority::DataPlane => "`data_plane`",
        Authority::PlatformAdmin => "`platform_admin`",
        Authority::Billing => "the schedule",
    }
}

fn and_list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    }
}

/// Describes the roles that have an operation's powers, from the table of powers.
fn powers_in_words(powers: &[Power]) -> String {
    let line = |power: &Power| {
        let granted = ROLES.into_iter().filter_map(|role| match power.grant(role) {
            Grant::Always => Some(format!("`{}`", role.as_str())),
            Grant::Limited(limit) => Some(format!("`{}` ({limit})", role.as_str())),
            Grant::Never => None,
        });
        format!("\n- {}: {}", power.row().description, granted.collect::<Vec<_>>().join(", "))
    };
    if powers.is_empty() {
        return String::new();
    }
    format!("\n\nWho may:{}", powers.iter().map(line).collect::<String>())
}

/// The same as JSON.
fn powers_as_data(powers: &[Power]) -> Value {
    let row = |power: &Power| {
        let granted = ROLES.into_iter().filter_map(|role| match power.grant(role) {
            Grant::Always => Some((role.as_str().to_owned(), json!("always"))),
            Grant::Limited(limit) => Some((role.as_str().to_owned(), json!(limit))),
            Grant::Never => None,
        });
        json!({"power": power.row().description, "granted": granted.collect::<Map<_, _>>()})
    };
    powers.iter().map(row).collect()
}

fn parameters(route: &Route, if_match: bool, generators: &mut Generators) -> Result<Vec<Value>, DocumentError> {
    let generator = &mut generators.requests;
    let unknown = |name: &str| DocumentError::UnknownParameter(name.to_owned());
    let mut parameters = Vec::new();
    for name in open_parts(route.path) {
        parameters.push(path_parameter(name, generator).ok_or_else(|| unknown(name))?.described);
    }
    for name in route.parameters {
        parameters.push(parameters::query_parameter(name, generator).ok_or_else(|| unknown(name))?.described);
    }
    let headers = [("IfMatch", if_match), ("IdempotencyKey", route.method == "POST")];
    let headers = headers.into_iter().filter(|(_, taken)| *taken);
    parameters.extend(headers.map(|(name, _)| json!({"$ref": format!("#/components/parameters/{name}")})));
    Ok(parameters)
}

fn request_body(body: Body, generators: &mut Generators) -> Value {
    let examples = body.examples.into_iter().map(|(name, value)| (name.replace(' ', "_"), json!({"value": value})));
    let examples: Map<String, Value> = examples.collect();
    let schema = (body.schema)(&mut generators.requests);
    json!({
        "required": body.required,
        "content": {"application/json": {"schema": schema, "examples": examples}},
    })
}

fn success(answer: Answer, replays: bool, generators: &mut Generators) -> Value {
    let Answer { status: _, description, schema, etag, location, csv, links } = answer;
    let mut headers = Map::new();
    for (name, component, promised) in [
        ("x-request-id", "RequestId", true),
        ("ETag", "ETag", etag),
        ("Location", "Location", location),
        ("Link", "Link", csv),
        ("Idempotent-Replayed", "IdempotentReplayed", replays),
    ] {
        if promised {
            headers.insert(name.to_owned(), json!({"$ref": format!("#/components/headers/{component}")}));
        }
    }
    let schema = schema(&mut generators.answers);
    let mut described = json!({
        "description": description,
        "headers": headers,
        "content": {"application/json": {"schema": schema}},
    });
    if csv {
        described["content"]["text/csv"] = json!({"schema": {"type": "string"}});
    }
    if !links.is_empty() {
        let link = |(operation, parameters): (&str, Vec<(&str, &str)>)| {
            let parameters: BTreeMap<_, _> = parameters.into_iter().collect();
            (operation.to_owned(), json!({"operationId": operation, "parameters": parameters}))
        };
        described["links"] = Value::Object(links.into_iter().map(link).collect());
    }
    described
}

/// The status of a response to a dry run.
const DRY_RUN_STATUS: &str = "200";

/// The response to a dry run: the command's own response with additional members. A command that creates nothing has
/// one response for both.
fn dry_run(response: &Value, event: &'static str, generators: &mut Generators) -> Value {
    let mut described = response.clone();
    let schema = &response["content"]["application/json"]["schema"]["$ref"];
    generators.dry_runs.extend(schema.as_str().map(|schema| (schema.to_owned(), event)));
    let headers = described["headers"].as_object_mut();
    if headers.is_some_and(|headers| headers.remove("Location").is_some()) {
        described["description"] = json!("A dry run: the result that the command would have.");
        if let Some(described) = described.as_object_mut() {
            described.remove("links");
        }
    }
    described
}

/// The schema of the events of a command, which are in the history of what it changes.
fn event_of(route: &Route) -> &'static str {
    let of = |path: &str| route.path.starts_with(&format!("/api/v1/{path}/"));
    if of("deployments") {
        "Event"
    } else if of("tenants") {
        "TenantEvent"
    } else {
        "CatalogEvent"
    }
}

/// Adds the members of a dry run to the response schemas of commands.
fn add_dry_runs(schemas: &mut BTreeMap<String, Value>, dry_runs: &BTreeMap<String, &'static str>) {
    let list_of = |name: &str, what: &str| {
        let description = format!("Only in a dry run: the {what} that the command would make.");
        json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{name}")}, "description": description})
    };
    for (reference, event) in dry_runs {
        let schema = reference.rsplit('/').next().and_then(|name| schemas.get_mut(name));
        let Some(properties) = schema.and_then(|schema| schema["properties"].as_object_mut()) else { continue };
        let mut add = |name: &str, schema: Value| {
            properties.entry(name).or_insert(schema);
        };
        add("dry_run", json!({"type": "boolean", "description": "Whether this is a dry run: nothing was stored."}));
        add("events", list_of(event, "events"));
        match *event {
            "Event" => add("lines", list_of("Line", "charges and credits")),
            "TenantEvent" => add(
                "matching",
                json!({
                    "anyOf": [{"$ref": "#/components/schemas/Matching"}, {"type": "null"}],
                    "description": "Only in a dry run: the number of deployments that an operation would copy the new rules \
                        to; null if the rules stay as they are.",
                }),
            ),
            _ => {}
        }
    }
}

/// The error responses: one for each status, with all its codes.
fn failures(codes: &BTreeSet<&'static str>) -> Result<Map<String, Value>, DocumentError> {
    let mut by_status: BTreeMap<u16, Vec<&problems::Problem>> = BTreeMap::new();
    for code in codes {
        let problem = problems::find(code).ok_or(DocumentError::UnknownProblem(code))?;
        by_status.entry(problem.1).or_default().push(problem);
    }
    let failures = by_status.into_iter().map(|(status, problems)| {
        let list: Vec<String> = problems.iter().map(|(code, _, meaning)| format!("- `{code}`: {meaning}")).collect();
        let mut schemas = problems
            .iter()
            .map(|(code, ..)| json!({"$ref": format!("#/components/schemas/{}", problems::schema_name(code))}));
        let schema =
            if problems.len() == 1 { schemas.next() } else { Some(json!({"oneOf": schemas.collect::<Vec<_>>()})) };
        let mut headers = json!({"x-request-id": {"$ref": "#/components/headers/ProblemRequestId"}});
        match status {
            412 => headers["ETag"] = json!({"$ref": "#/components/headers/CurrentETag"}),
            503 => headers["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"}),
            _ => {}
        }
        let failure = json!({
            "description": list.join("\n"),
            "headers": headers,
            "content": {"application/problem+json": {"schema": schema}},
        });
        (status.to_string(), failure)
    });
    Ok(failures.collect())
}

/// Adds the answers of API Gateway itself: another form of a status, or a status that only it sends.
fn add_gateway_answers(failures: &mut Map<String, Value>, takes_body: bool) {
    for answer in GATEWAY_ANSWERS.iter().filter(|answer| takes_body || answer.status != 413) {
        let line = format!("- `{{\"message\": \"{}\"}}` by API Gateway itself: {}.", answer.message, answer.reason);
        let response = failures.entry(answer.status.to_string()).or_insert_with(|| json!({"content": {}}));
        let described = response["description"].as_str().map(|text| format!("{text}\n"));
        response["description"] = json!(format!("{}{line}", described.unwrap_or_default()));
        response["content"]["application/json"] = json!({
            "schema": {"$ref": "#/components/schemas/GatewayAnswer"},
            "example": {"message": answer.message},
        });
        if answer.status == 401 {
            response["headers"]["www-authenticate"] = json!({"$ref": "#/components/headers/WwwAuthenticate"});
        }
    }
}

/// All problems of an operation: its own, and those of its route, parameters and body.
fn problem_codes(route: &Route, operation: &Operation) -> Result<BTreeSet<&'static str>, DocumentError> {
    let mut codes: BTreeSet<&str> = operation.problems.iter().copied().collect();
    codes.extend([
        "invalid_header",
        "unknown_parameter",
        "unauthenticated",
        "role_required",
        "tenant_required",
        "internal",
        match route.audience {
            Audience::Admins => "admin_required",
            Audience::Everyone | Audience::Watchers | Audience::Holders(_) => "role_not_permitted",
        },
    ]);
    if operation.uses_store {
        codes.insert("unavailable");
    }
    if route.path.starts_with("/api/v1/deployments/{id}") && route.method != "GET" {
        codes.insert("catching_up");
    }
    let generator = &mut schema::generator(SchemaSettings::for_deserialize);
    for name in open_parts(route.path) {
        let parameter = path_parameter(name, generator);
        codes.insert(parameter.ok_or_else(|| DocumentError::UnknownParameter(name.to_owned()))?.problem);
        codes.insert("invalid_path");
        if route.method != "PUT" {
            codes.insert("not_found");
        }
    }
    for name in route.parameters {
        let parameter = parameters::query_parameter(name, generator);
        codes.insert(parameter.ok_or_else(|| DocumentError::UnknownParameter((*name).to_owned()))?.problem);
        codes.insert("repeated_parameter");
    }
    if let Some(body) = &operation.body {
        codes.extend(["malformed_json", "unknown_field", "payload_too_large", "unsupported_media_type"]);
        codes.extend(body.has_fields.then_some("validation_failed"));
    }
    if operation.if_match {
        codes.extend(["invalid_if_match", "precondition_failed"]);
    }
    if route.method == "POST" {
        codes.extend(["invalid_idempotency_key", "idempotency_key_in_use", "idempotency_key_reused"]);
    }
    Ok(codes)
}

/// All schemas, by name.
fn schemas(generators: Generators) -> BTreeMap<String, Value> {
    let Generators { requests, answers, dry_runs } = generators;
    let mut all: BTreeMap<String, Value> = schema::definitions(requests).into_iter().collect();
    all.extend(schema::definitions(answers));
    add_dry_runs(&mut all, &dry_runs);
    name_variants(&mut all, "Event", "type");
    name_variants(&mut all, "Entry", "entry");
    name_variants(&mut all, "TenantEvent", "type");
    name_variants(&mut all, "CatalogEvent", "type");
    all.insert("FieldError".to_owned(), problems::field_error_schema());
    all.insert(
        "GatewayAnswer".to_owned(),
        json!({
            "description": "An answer of API Gateway itself, on AWS. It has the header `apigw-requestid` and none of \
                the product's headers.",
            "type": "object",
            "required": ["message"],
            "properties": {"message": {"description": "The reason phrase of the status.", "type": "string"}},
        }),
    );
    all.extend(problems::PROBLEMS.iter().map(|problem| (problems::schema_name(problem.0), problems::schema(problem))));
    all
}

/// Turns each variant of a tagged schema into a component with the properties that all of them share, and adds one for
/// future variants, so that generated clients have a class for each and accept an unknown one.
fn name_variants(schemas: &mut BTreeMap<String, Value>, name: &str, tag: &str) {
    let Some(schema) = schemas.get_mut(name) else { return };
    let own = schema.clone();
    let variants = own["oneOf"].as_array().cloned().unwrap_or_default();
    let tag_of = |variant: &Value| variant["properties"][tag]["const"].as_str().unwrap_or_default().to_owned();
    let component = |tag: &str| {
        let words = tag.split('_').filter_map(|word| Some((word.get(..1)?.to_uppercase(), word.get(1..)?)));
        format!("{name}{}", words.map(|(first, rest)| first + rest).collect::<String>())
    };
    let with_own = |variant: &Value| {
        let mut whole = variant.clone();
        for (property, described) in own["properties"].as_object().into_iter().flatten() {
            whole["properties"][property] = described.clone();
        }
        let required = variant["required"].as_array().into_iter().chain(own["required"].as_array()).flatten();
        whole["required"] = required.cloned().collect();
        whole
    };
    let known: Vec<String> = variants.iter().map(tag_of).collect();
    let mut later = json!({"type": "object", "description": "One of a kind that is newer than this document."});
    later["properties"] = json!({tag: {"type": "string", "not": {"enum": known}}});
    later["required"] = json!([tag]);
    let mut named: BTreeMap<String, Value> =
        variants.iter().map(|variant| (component(&tag_of(variant)), with_own(variant))).collect();
    let mut names: Vec<String> = known.iter().map(|tag| component(tag)).collect();
    names.push(component("other"));
    named.insert(component("other"), with_own(&later));
    let refs: Vec<Value> = names.iter().map(|name| json!({"$ref": format!("#/components/schemas/{name}")})).collect();
    *schema = json!({"description": own["description"], "oneOf": refs});
    schemas.extend(named);
}
