//! `POST /deployments`: creates a deployment.

use arcadia_api::answer::DeploymentAnswer;
use arcadia_api::body::CreateDeploymentRequest;
use arcadia_api::body::fields::text;
use arcadia_api::{Body as _, DeploymentView, Fields};
use arcadia_domain::{CreateDeployment, Created, DeploymentId, TenantRules, create};
use serde_json::json;

use crate::Error;
use crate::execute::commit;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let now = app.clock.now();
    let mut command = read(app, call, DeploymentId::new(app.new_id(now)))?;
    let limits = app.store.load_limits(&command.created.tenant_id).await?;
    command.created.tenant_rules = limits.unwrap_or_default().rules();
    let mut change = create(command, &call.principal.actor, now)?;
    // A tenant without limits has no account either, or one that is older than limits; opening it again is harmless.
    change.opens_account = limits.is_none();
    let deployment = &change.after.deployment;
    let body = json!(DeploymentAnswer { deployment: DeploymentView::of(&change.after) });
    let answer = Answer::created(body, deployment.version, format!("/api/v1/deployments/{}", deployment.id));
    commit(app, call, &change, answer).await
}

fn read(app: &App, call: &Call, id: DeploymentId) -> Result<CreateDeployment, Error> {
    let mut fields = Fields::parse(call.json_text()?)?;
    let body = CreateDeploymentRequest::read(&mut fields);
    // A tenant's user need not name its own tenant.
    let tenant_id = call.principal.tenant_or(fields.peek("tenant_id", text))?;
    if tenant_id.is_none() && !fields.has("tenant_id") {
        fields.miss("tenant_id");
    }
    let body = fields.finish(body)?;
    Ok(CreateDeployment {
        id,
        state: body.state,
        created: Created {
            tenant_id: tenant_id.ok_or_else(|| Error::Internal("a deployment without a tenant".to_owned()))?,
            display_name: body.display_name.unwrap_or_else(|| body.slug.as_display_name()),
            slug: body.slug,
            region: body.region.unwrap_or_else(|| app.settings.default_region.clone()),
            llm_mode: body.llm_mode,
            template_code: body.template_code,
            template_version: body.template_version,
            trial_ends_at: body.trial_ends_at,
            tenant_rules: TenantRules::default(),
        },
    })
}
