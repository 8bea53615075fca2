//! `GET /invoices`: lists invoices across deployments, as JSON or CSV.

use arcadia_api::InvoiceRowView;
use arcadia_api::answer::InvoiceRowList;
use arcadia_domain::{DeploymentId, Scope};
use arcadia_store::InvoiceFilter;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest, invoices_as_csv};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let page = PageRequest::from_call(call)?;
    let filter = InvoiceFilter {
        status: call.parsed_parameter("status")?,
        due_before: call.time("due_before")?,
        issued_from: call.time("issued_from")?,
        issued_to: call.time("issued_to")?,
        now: app.clock.now(),
    };
    let deployment_id: Option<DeploymentId> = call.parsed_parameter("deployment_id")?;
    let tenant_id = call.principal.tenant_or(call.parsed_parameter("tenant_id")?)?;
    let (limit, after) = (page.limit, page.position.clone());
    let found = match (deployment_id, tenant_id) {
        (Some(id), tenant_id) => {
            let scope = tenant_id.map_or(Scope::All, Scope::Tenant);
            let row = app.store.deployment_row(&scope, id).await?.ok_or(Error::NotFound("deployment"))?;
            if filter.is_of_owed() {
                app.store.owed_invoices(&[row], &filter, limit, after).await?
            } else {
                app.store.invoices_of_deployment(id, &filter, limit, after).await?
            }
        }
        (None, Some(tenant_id)) if filter.is_of_owed() => {
            let rows = app.store.rows_of_tenant(&tenant_id).await?.ok_or(Error::TooManyDeployments)?;
            app.store.owed_invoices(&rows, &filter, limit, after).await?
        }
        (None, Some(tenant_id)) => app.store.invoices_of_tenant(&tenant_id, &filter, limit, after).await?,
        (None, None) => app.store.invoices_of_everyone(&filter, limit, after).await?,
    };
    let next_cursor = page.cursor(found.next);
    let csv = invoices_as_csv(call, &found.items, next_cursor.as_deref())?;
    let invoices = found.items.iter().map(InvoiceRowView::from).collect();
    Ok(Answer::ok(json!(InvoiceRowList { invoices, next_cursor })).with_csv(csv))
}
