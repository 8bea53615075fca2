//! Deployments, their history and their cloud resources.

use arcadia_api::{DeploymentRowView, DeploymentView, NextInvoiceView, SubscriptionView};
use arcadia_domain::{
    DisplayName, Event, Notes, Power, ProviderReference, Reason, Resource, ShortCode, Slug, State, TemplateVersion,
    TenantId,
};
use schemars::JsonSchema;
use serde_json::json;

use crate::operation::Operation;
use crate::schema::{Moment, NextCursor};

const TAG: &str = "Deployments";
const RESOURCES: &str = "Resources";

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CreateDeploymentRequest {
    /// Who will own it. Required of platform_admin; of anyone else it can only be their own tenant.
    tenant_id: Option<TenantId>,
    /// Its name in URLs, unique within the tenant, for good.
    slug: Slug,
    /// What people call it; the slug, when left out.
    display_name: Option<DisplayName>,
    /// Where it runs; the platform's default region, when left out.
    region: Option<ShortCode>,
    /// `active`, when left out, or `trial`, which is for platform_admin.
    state: Option<State>,
    /// When the trial ends: required with the state `trial`, and only then allowed. For platform_admin. Within the next
    /// 100 years.
    trial_ends_at: Option<Moment>,
    /// How it reaches its language model, such as `managed` or `byo_key`.
    llm_mode: Option<ShortCode>,
    /// The template that it is built from. Goes with `template_version`.
    template_code: Option<ShortCode>,
    /// Which version of that template. Goes with `template_code`.
    template_version: Option<TemplateVersion>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct UpdateDeploymentRequest {
    /// What people call it.
    #[schemars(default, with = "DisplayName", skip_serializing_if = "Option::is_none")]
    display_name: Option<DisplayName>,
    /// Where it runs.
    #[schemars(default, with = "ShortCode", skip_serializing_if = "Option::is_none")]
    region: Option<ShortCode>,
    /// How it reaches its language model.
    llm_mode: Option<ShortCode>,
    /// The template that it is built from. Without a template there is no version of it either.
    template_code: Option<ShortCode>,
    /// Which version of that template.
    template_version: Option<TemplateVersion>,
    /// Whether scheduled functions leave its state alone. Only for platform_admin.
    #[schemars(default, with = "bool", skip_serializing_if = "Option::is_none")]
    billing_action_suspended: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TransitionRequest {
    /// The state to enter.
    to_state: State,
    /// Why, in a line; the event keeps it.
    reason: Option<Reason>,
    /// Remarks; the event keeps them.
    notes: Option<Notes>,
    /// When a pause ends by itself; only for the state `paused`. Within the next 100 years. Of a deployment that is paused
    /// already, left out keeps the present date, and null clears it.
    resume_at: Option<Moment>,
    /// Only tell what would happen.
    dry_run: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ExtendTrialRequest {
    /// The new end, later or earlier than the present one. In the future, within the next 100 years.
    trial_ends_at: Moment,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CreateResourceRequest {
    /// What it is, such as `database`.
    kind: ShortCode,
    /// What the provider calls it, such as an ARN.
    provider_reference: ProviderReference,
    /// Where it runs; where the deployment does, when left out.
    region: Option<ShortCode>,
}

#[derive(JsonSchema)]
#[schemars(rename = "DeploymentAnswer")]
struct One {
    deployment: DeploymentView<'static>,
}

#[derive(JsonSchema)]
#[schemars(rename = "DeploymentList")]
struct List {
    deployments: Vec<DeploymentRowView<'static>>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "DeploymentDetails")]
struct Details {
    deployment: DeploymentView<'static>,
    /// Its subscription, live or the last one; null if there never was one.
    subscription: Option<SubscriptionView<'static>>,
    /// The invoices that the clock issues next if the open ones are paid in time and nothing else happens: usually one,
    /// and one for each currency that falls due at that moment.
    next_invoices: Vec<NextInvoiceView>,
    /// Its latest events, newest first, at most 50.
    events: Vec<Event>,
    /// The states that the caller can move it to.
    allowed_transitions: Vec<State>,
}

#[derive(JsonSchema)]
#[schemars(rename = "TransitionAnswer")]
struct Moved {
    /// The deployment after the move.
    deployment: DeploymentView<'static>,
    /// The change of state; null if it was in that state already.
    event: Option<Event>,
    /// Whether nothing was stored.
    dry_run: bool,
}

#[derive(JsonSchema)]
#[schemars(rename = "ExtendTrialAnswer")]
struct Extended {
    deployment: DeploymentView<'static>,
    /// Its subscription; null if there never was one.
    subscription: Option<SubscriptionView<'static>>,
    /// The change; null if the trial ends then already.
    event: Option<Event>,
}

#[derive(JsonSchema)]
#[schemars(rename = "EventList")]
struct Events {
    events: Vec<Event>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "ResourceAnswer")]
struct OneResource {
    resource: Resource,
}

#[derive(JsonSchema)]
#[schemars(rename = "ResourceList")]
struct Resources {
    resources: Vec<Resource>,
    next_cursor: NextCursor,
}

pub fn operations() -> Vec<Operation> {
    let mut operations = deployments();
    operations.extend(resources());
    operations
}

fn deployments() -> Vec<Operation> {
    vec![
        Operation::new(
            TAG,
            "list_deployments",
            "List deployments",
            "Newest first; everyone's of a plan by its version first. A tenant's users see their own tenant's; platform_admin \
             sees all, or those of `tenant_id`. A page can hold fewer than `limit` and still have a `next_cursor`.",
        )
        .ok::<List>("A page of deployments.")
        .problems(&["plan_code_required", "tenant_not_permitted"]),
        create(),
        Operation::new(
            TAG,
            "show_deployment",
            "Show a deployment",
            "With its subscription, add-ons, latest events, the moves that the caller can make, and what the clock will \
             do next by itself.",
        )
        .versioned::<Details>("The deployment."),
        Operation::new(
            TAG,
            "update_deployment",
            "Change a deployment's own fields",
            "What is left out stays as it is; null clears a field that may be empty. If nothing differs, nothing is \
             written.",
        )
        .body::<UpdateDeploymentRequest>([("rename", json!({"display_name": "The new shop", "llm_mode": "byo_key"}))])
        .versioned::<One>("The deployment as it is now.")
        .if_match()
        .problems(&["deployment_archived", "field_not_permitted", "version_conflict"])
        .powers(&[Power::Hold]),
        transition(),
        Operation::new(
            TAG,
            "list_events",
            "List a deployment's history",
            "Everything that ever happened to it, newest first, or with `order=asc` oldest first. Events are numbered \
             without gaps; the deployment's present state follows from them.",
        )
        .ok::<Events>("A page of events."),
        Operation::new(
            TAG,
            "extend_trial",
            "Extend or shorten a running trial",
            "Lets the trial of the deployment, or else of its subscription, end at another time, later or earlier.",
        )
        .body::<ExtendTrialRequest>([("later", json!({"trial_ends_at": "2027-03-01T00:00:00Z"}))])
        .versioned::<Extended>("The deployment as it is now.")
        .if_match()
        .problems(&["no_trial", "version_conflict"])
        .powers(&[Power::SetTrial]),
    ]
}

fn resources() -> Vec<Operation> {
    vec![
        Operation::new(
            RESOURCES,
            "list_resources",
            "List a deployment's cloud resources",
            "Newest first, those that are deleted included.",
        )
        .ok::<Resources>("A page of resources."),
        Operation::new(
            RESOURCES,
            "create_resource",
            "Record a cloud resource",
            "Takes note of something that a cloud provider runs for the deployment. At most 500 of them can be live.",
        )
        .body::<CreateResourceRequest>([(
            "database",
            json!({"kind": "database", "provider_reference": "arn:aws:rds:eu-central-1:123456789012:db:shop"}),
        )])
        .created::<OneResource>("The resource as recorded.")
        .link("delete_resource", [("id", "$request.path.id"), ("resource_id", "$response.body#/resource/id")])
        .if_match()
        .problems(&["deployment_archived", "too_many_resources", "version_conflict"])
        .powers(&[Power::RecordResources]),
        Operation::new(
            RESOURCES,
            "delete_resource",
            "Mark a cloud resource as deleted",
            "The record stays. To do so twice is no error and writes nothing.",
        )
        .versioned::<OneResource>("The resource as it is now.")
        .if_match()
        .problems(&["version_conflict"])
        .powers(&[Power::RecordResources]),
    ]
}

fn create() -> Operation {
    Operation::new(
        TAG,
        "create_deployment",
        "Create a deployment",
        "Its slug is claimed for good within the tenant. A deployment begins in `active`, or in `trial` until \
         `trial_ends_at`.",
    )
    .body::<CreateDeploymentRequest>([
        ("shop", json!({"slug": "shop", "tenant_id": "acme"})),
        (
            "trial",
            json!({
                "slug": "trial-shop",
                "tenant_id": "acme",
                "display_name": "A shop to try",
                "region": "eu-central-1",
                "state": "trial",
                "trial_ends_at": "2027-02-14T00:00:00Z",
                "llm_mode": "managed",
                "template_code": "webshop",
                "template_version": "1.4.0",
            }),
        ),
    ])
    .created::<One>("The deployment as created.")
    .link("show_deployment", [("id", "$response.body#/deployment/id")])
    .link("transition_deployment", [("id", "$response.body#/deployment/id")])
    .link("subscribe_deployment", [("id", "$response.body#/deployment/id")])
    .link("create_resource", [("id", "$response.body#/deployment/id")])
    .link("extend_trial", [("id", "$response.body#/deployment/id")])
    .link("list_events", [("id", "$response.body#/deployment/id")])
    .problems(&["field_not_permitted", "invalid_initial_state", "slug_taken", "tenant_not_permitted"])
    .powers(&[Power::SetTrial])
}

fn transition() -> Operation {
    Operation::new(
        TAG,
        "transition_deployment",
        "Move a deployment to another state",
        "`GET /lifecycle` says which moves there are and who may make them. The subscription follows: it pauses, goes on \
         or ends with the deployment, and is billed accordingly. To move to the state that it is in is no error and \
         writes nothing.",
    )
    .body::<TransitionRequest>([
        ("pause", json!({"to_state": "paused", "reason": "holidays", "resume_at": "2027-02-01T00:00:00Z"})),
        ("dry run", json!({"to_state": "cancelled", "dry_run": true})),
    ])
    .versioned::<Moved>("The deployment after the move; in a dry run as it would be, under the version that it has.")
    .if_match()
    .problems(&[
        "deployment_held",
        "invalid_transition",
        "invoice_overdue",
        "live_resources",
        "open_invoices",
        "too_many_open_invoices",
        "transition_not_permitted",
        "version_conflict",
    ])
    .powers(&[Power::Resume, Power::Leave, Power::Reactivate])
}
