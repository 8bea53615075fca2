//! `POST /deployments/{id}/credits`: grants balance. For `platform_admin`.

use arcadia_domain::{Amount, Correction, Reason};

use super::Remarks;
use crate::Error;
use crate::execute::{Current, execute};
use crate::http::fields::{amount, text};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let mut fields = call.fields()?;
    let amount_cents = fields.required("amount_cents", amount);
    let currency = fields.required("currency", text);
    let reason = fields.required("reason", text::<Reason>);
    let remarks = Remarks { reason: None, ..Remarks::read(&mut fields) };
    fields.finish()?;
    let amount = Amount { amount_cents: amount_cents?, currency: currency? };
    let remarks = Remarks { reason: Some(reason?), ..remarks };
    let current = Current::load(app, call, id).await?;
    execute(app, call, current, remarks.of(Correction::Credit(amount)), |done| done.show_deployment()).await
}
