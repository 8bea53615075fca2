//! `POST /deployments`: creates a deployment.

use arcadia_api::{DeploymentAnswer, DeploymentView};
use arcadia_domain::{CreateDeployment, DeploymentId, TenantId, TenantRules, create};
use serde_json::json;

use crate::Error;
use crate::execute::commit;
use crate::http::fields::{Unread, text, timestamp};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let now = app.clock.now();
    let mut command = read(app, call, DeploymentId::new(app.new_id(now)))?;
    let limits = app.store.load_limits(&command.tenant_id).await?;
    command.tenant_rules = limits.unwrap_or_default().rules();
    let mut change = create(command, &call.principal.actor, now)?;
    // A tenant without limits has no account either, or one that is older than limits; opening it again is harmless.
    change.opens_account = limits.is_none();
    let deployment = &change.after.deployment;
    let body = json!(DeploymentAnswer { deployment: DeploymentView::of(&change.after) });
    let answer = Answer::created(body, deployment.version, format!("/api/v1/deployments/{}", deployment.id));
    commit(app, call, &change, answer).await
}

fn read(app: &App, call: &Call, id: DeploymentId) -> Result<CreateDeployment, Error> {
    let mut fields = call.fields()?;
    let names_tenant = fields.has("tenant_id");
    let tenant_id: Option<TenantId> = fields.optional("tenant_id", text);
    let slug = fields.required("slug", text);
    let display_name = fields.optional("display_name", text);
    let region = fields.optional("region", text);
    let state = fields.optional("state", text);
    let llm_mode = fields.optional("llm_mode", text);
    let template_code = fields.optional("template_code", text);
    let template_version = fields.optional("template_version", text);
    let trial_ends_at = fields.optional("trial_ends_at", timestamp);
    let tenant_id = call.principal.tenant_or(tenant_id)?;
    if tenant_id.is_none() && !names_tenant {
        fields.miss("tenant_id");
    }
    fields.finish()?;
    Ok(CreateDeployment {
        id,
        tenant_id: tenant_id.ok_or(Unread)?,
        slug: slug?,
        display_name,
        region: region.unwrap_or_else(|| app.settings.default_region.clone()),
        state,
        llm_mode,
        template_code,
        template_version,
        trial_ends_at,
        tenant_rules: TenantRules::default(),
    })
}
