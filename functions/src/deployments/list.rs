//! `GET /deployments`: lists deployments, newest first.

use arcadia_shared::Error;
use arcadia_shared::http::{Answer, Call, PageRequest, cursor, deployment_row_view};
use arcadia_shared::runtime::App;
use arcadia_shared::store::DeploymentFilter;
use serde_json::{Value, json};

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let page = PageRequest::from_call(call)?;
    let filter = DeploymentFilter {
        tenant_id: call.principal.tenant_or(call.parsed_parameter("tenant_id")?)?,
        state: call.parsed_parameter("state")?,
        slug: call.parsed_parameter("slug")?,
    };
    let found = app.store.list_deployments(&call.principal.scope, &filter, page.limit, page.position).await?;
    let deployments: Vec<Value> = found.items.iter().map(deployment_row_view).collect();
    Ok(Answer::ok(json!({"deployments": deployments, "next_cursor": found.next.map(cursor)})))
}
