//! `POST /deployments/{id}/credits`: grants balance. For `platform_admin`.

use arcadia_api::body::GrantCreditRequest;
use arcadia_domain::{Amount, Correction};

use super::correct;
use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let GrantCreditRequest { amount_cents, currency, reason, notes } = call.json()?;
    let amount = Amount { amount_cents, currency };
    let current = Current::load(app, call, id).await?;
    let command = correct(Correction::Credit(amount), Some(reason), notes);
    execute(app, call, current, command, |done| done.show_deployment()).await
}
