//! `POST /operations/{operation_id}/stop`: asks an operation to stop. Deployments that have a result keep it. For
//! `platform_admin`.

use arcadia_api::OperationView;
use arcadia_api::answer::OperationAnswer;
use arcadia_api::body::StopOperationRequest;
use arcadia_domain::OperationId;
use arcadia_store::StoreError;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

/// The most attempts beside a worker, which stores a page every second.
const MAX_ATTEMPTS: usize = 5;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id: OperationId = call.path("operation_id")?;
    let StopOperationRequest {} = call.optional_json()?;
    for _ in 0..MAX_ATTEMPTS {
        let mut operation = app.store.load_operation(id).await?.ok_or(Error::NotFound("operation"))?;
        let changes = operation.stop(&call.principal.actor.id);
        operation.revision += u64::from(changes);
        let answer = Answer::ok(json!(OperationAnswer { operation: OperationView::new(&operation) }));
        let record = call.idempotency_key.as_ref().map(|key| key.record(&answer, app.clock.now()));
        let stored = match (changes, &record) {
            (true, record) => app.store.save_operation(&operation, app.new_commit_id(), record.as_ref()).await,
            (false, Some(record)) => app.store.put_idempotency_record(record).await,
            (false, None) => Ok(()),
        };
        match stored {
            Err(StoreError::VersionConflict) => {}
            stored => return Ok(stored.map(|()| answer)?),
        }
    }
    Err(StoreError::VersionConflict.into())
}
