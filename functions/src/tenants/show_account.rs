//! `GET /tenants/{tenant_id}/account`: shows a tenant's account, from its deployments as they are stored, and the
//! statement of a month, from its invoices.

use arcadia_api::answer::AccountAnswer;
use arcadia_api::{AccountView, StatementView};
use arcadia_domain::{Month, TenantId};
use futures_util::future::try_join;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let tenant_id: TenantId = call.path("tenant_id")?;
    let month: Option<Month> = call.parsed_parameter("month")?;
    if !call.principal.scope.contains(&tenant_id) {
        return Err(Error::NotFound("tenant"));
    }
    let statement = async {
        let Some(month) = month else { return Ok(None) };
        let invoices = app.store.all_invoices_of_tenant(&tenant_id);
        let movements = app.store.all_movements_of_tenant(&tenant_id);
        let (invoices, movements) = try_join(invoices, movements).await?;
        let (invoices, movements) = invoices.zip(movements).ok_or(Error::TooManyInvoices)?;
        Ok(Some(StatementView::new(month, &invoices, &movements)))
    };
    let rows = async { app.store.rows_of_tenant(&tenant_id).await?.ok_or(Error::TooManyDeployments) };
    let (rows, statement) = try_join(rows, statement).await?;
    let account = AccountView::new(&tenant_id, &rows, app.clock.now()).with_statement(statement);
    Ok(Answer::ok(json!(AccountAnswer { account })))
}
