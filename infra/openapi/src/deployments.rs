//! Deployments, their history and their cloud resources.

use arcadia_api::answer::{
    DeploymentAnswer, DeploymentDetails, DeploymentList, EventList, ExtendTrialAnswer, ResourceAnswer, ResourceList,
    TransitionAnswer,
};
use arcadia_api::body::{
    CreateDeploymentRequest, CreateResourceRequest, ExtendTrialRequest, TransitionRequest, UpdateDeploymentRequest,
};
use arcadia_domain::Power;
use serde_json::json;

use crate::operation::Operation;

const TAG: &str = "Deployments";
const RESOURCES: &str = "Resources";

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
            "Newest first; across tenants with `plan_code`, by plan version and then newest first. A tenant's users \
             see their own tenant's deployments; platform_admin sees all, or those of `tenant_id`. A page can contain \
             fewer than `limit` deployments and still have a `next_cursor`.",
        )
        .ok::<DeploymentList<'static>>("A page of deployments.")
        .problems(&["plan_code_required", "tenant_not_permitted"]),
        create(),
        Operation::new(
            TAG,
            "show_deployment",
            "Show a deployment",
            "Includes its subscription, add-ons, latest events, the moves that the caller can make, and the next \
             scheduled invoice and steps.",
        )
        .versioned::<DeploymentDetails<'static>>("The deployment."),
        Operation::new(
            TAG,
            "update_deployment",
            "Change a deployment's own fields",
            "Omitted fields stay unchanged; null clears an optional field. If nothing differs, nothing is \
             written.",
        )
        .body::<UpdateDeploymentRequest>([("rename", json!({"display_name": "The new shop", "llm_mode": "byo_key"}))])
        .versioned::<DeploymentAnswer<'static>>("The current deployment.")
        .if_match()
        .problems(&["deployment_archived", "field_not_permitted", "version_conflict"])
        .powers(&[Power::Hold]),
        transition(),
        Operation::new(
            TAG,
            "list_events",
            "List a deployment's history",
            "All events of the deployment, newest first, or with `order=asc` oldest first. Events are numbered \
             without gaps; the deployment's current state follows from them.",
        )
        .ok::<EventList>("A page of events."),
        Operation::new(
            TAG,
            "extend_trial",
            "Extend or shorten a running trial",
            "Moves the end of the running trial of the deployment, or else of its subscription.",
        )
        .body::<ExtendTrialRequest>([("later", json!({"trial_ends_at": "2027-03-01T00:00:00Z"}))])
        .versioned::<ExtendTrialAnswer<'static>>("The current deployment.")
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
            "Newest first, including deleted ones.",
        )
        .ok::<ResourceList>("A page of resources."),
        Operation::new(
            RESOURCES,
            "create_resource",
            "Record a cloud resource",
            "Records a resource that a cloud provider runs for the deployment. At most 500 can be live.",
        )
        .body::<CreateResourceRequest>([(
            "database",
            json!({"kind": "database", "provider_reference": "arn:aws:rds:eu-central-1:123456789012:db:shop"}),
        )])
        .created::<ResourceAnswer<'static>>("The recorded resource.")
        .link("delete_resource", [("id", "$request.path.id"), ("resource_id", "$response.body#/resource/id")])
        .if_match()
        .problems(&["deployment_archived", "too_many_resources", "version_conflict"])
        .powers(&[Power::RecordResources]),
        Operation::new(
            RESOURCES,
            "delete_resource",
            "Mark a cloud resource as deleted",
            "The record stays. Repeating the request writes nothing and is not an error.",
        )
        .versioned::<ResourceAnswer<'static>>("The current resource.")
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
        "Its slug stays reserved within the tenant. A deployment starts in `active`, or in `trial` until \
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
    .created::<DeploymentAnswer<'static>>("The created deployment.")
    .link("show_deployment", [("id", "$response.body#/deployment/id")])
    .link("transition_deployment", [("id", "$response.body#/deployment/id")])
    .link("subscribe_deployment", [("id", "$response.body#/deployment/id")])
    .link("create_resource", [("id", "$response.body#/deployment/id")])
    .link("extend_trial", [("id", "$response.body#/deployment/id")])
    .link("list_events", [("id", "$response.body#/deployment/id")])
    .problems(&[
        "field_not_permitted",
        "invalid_initial_state",
        "quota_exceeded",
        "slug_taken",
        "tenant_held",
        "tenant_not_permitted",
        "version_conflict",
    ])
    .powers(&[Power::SetTrial])
}

fn transition() -> Operation {
    Operation::new(
        TAG,
        "transition_deployment",
        "Move a deployment to another state",
        "`GET /lifecycle` lists the moves and who may make them. The subscription pauses, continues or ends with the \
         deployment and is billed accordingly. A move to the current state writes nothing and is not an error. While \
         the tenant is on hold, a deployment that becomes active is paused in the same transaction.",
    )
    .body::<TransitionRequest>([
        ("pause", json!({"to_state": "paused", "reason": "holidays", "resume_at": "2027-02-01T00:00:00Z"})),
        ("dry run", json!({"to_state": "cancelled", "dry_run": true})),
    ])
    .versioned::<TransitionAnswer<'static>>(
        "The deployment after the move. In a dry run, the state it would have, with the stored version as `ETag`.",
    )
    .if_match()
    .problems(&[
        "deployment_held",
        "invalid_transition",
        "invoice_overdue",
        "live_resources",
        "open_invoices",
        "subscription_required",
        "tenant_held",
        "too_many_open_invoices",
        "transition_not_permitted",
        "version_conflict",
    ])
    .powers(&[Power::Resume, Power::Leave, Power::Reactivate])
}
