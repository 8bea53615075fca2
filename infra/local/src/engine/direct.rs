//! Past the wire: what has to be written a hundred thousand times over is handed to the engine by the thread that made it.
//!
//! A transaction's token is left out on the way. The engine keeps tokens for ten minutes, as DynamoDB does, but looks at
//! each of them at every transaction, so that the hundred thousandth would take several times as long as the first.

use std::sync::{Arc, Weak};

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use dynoxide::Database;
use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;

/// What DynamoDB's protocol calls the only operation that takes this way.
const TRANSACT: &str = "DynamoDB_20120810.TransactWriteItems";

/// Commits transactions itself, and leaves everything else to the wire.
#[derive(Debug)]
pub struct Direct {
    /// It may be gone: nothing but the engine decides when its file is free.
    database: Weak<Database>,
    wire: SharedHttpConnector,
}

impl Direct {
    /// A client that goes this way, and otherwise does what `client` does.
    pub fn client(database: &Arc<Database>, client: &Client) -> Client {
        let Some(wire) = client.config().http_client() else { return client.clone() };
        let database = Arc::downgrade(database);
        let direct = http_client_fn(move |settings, components| {
            let (database, wire) = (Weak::clone(&database), wire.http_connector(settings, components));
            SharedHttpConnector::new(Self { database, wire })
        });
        Client::from_conf(client.config().to_builder().http_client(direct).build())
    }

    fn commit(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let Some(database) = self.database.upgrade() else {
            return Err(ConnectorError::io("the engine has stopped".into()));
        };
        let body = request.body().bytes().unwrap_or_default();
        let mut transaction: TransactWriteItemsRequest =
            serde_json::from_slice(body).map_err(|error| ConnectorError::user(error.into()))?;
        transaction.client_request_token = None;
        let (status, answer) = match database.transact_write_items(transaction) {
            Ok(done) => (200, serde_json::to_string(&done).map_err(|error| ConnectorError::other(error.into(), None))?),
            Err(refused) => (refused.status_code(), refused.to_json()),
        };
        let status = status.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))?;
        Ok(HttpResponse::new(status, SdkBody::from(answer)))
    }
}

impl HttpConnector for Direct {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match request.headers().get("x-amz-target") {
            Some(TRANSACT) => HttpConnectorFuture::ready(self.commit(&request)),
            _ => self.wire.call(request),
        }
    }
}
