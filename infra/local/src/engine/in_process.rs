//! The connection from the SDK to the engine. It uses no socket, so that neither a web page nor another user of the
//! machine can reach the engine.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

/// Prefixes of operation names in DynamoDB's protocols.
const TARGETS: [&str; 2] = ["DynamoDB_20120810.", "DynamoDBStreams_20120810."];
const UNKNOWN: &str = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;

/// A job of the engine's thread.
pub enum Job {
    /// Carry out an operation.
    Request {
        /// The request.
        request: Request,
        /// Receiver of the response.
        answer: oneshot::Sender<Answer>,
    },
    /// Stop.
    Stop,
}

/// An operation and its body in DynamoDB's protocol.
pub struct Request {
    operation: String,
    body: Vec<u8>,
}

/// A status and a body in DynamoDB's protocol.
pub struct Answer {
    status: u16,
    body: String,
}

/// The thread that carries operations out.
#[derive(Debug, Clone)]
pub enum Way {
    /// The engine's thread, one operation at a time: the engine is synchronous and would block other work on its
    /// thread.
    Thread(Sender<Job>),
    /// The calling thread. The database may be gone: only the engine decides when its file is closed.
    Here(Weak<Database>),
}

impl HttpConnector for Way {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let stopped = || ConnectorError::io("the engine has stopped".into());
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = TARGETS.iter().find_map(|prefix| target.strip_prefix(prefix)).unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default().to_owned();
        let request = Request { operation, body };
        match self {
            Self::Here(database) => HttpConnectorFuture::ready(
                database.upgrade().ok_or_else(stopped).and_then(|database| execute_untold(&database, request).http()),
            ),
            Self::Thread(jobs) => {
                let (answer, answered) = oneshot::channel();
                if jobs.send(Job::Request { request, answer }).is_err() {
                    return HttpConnectorFuture::ready(Err(stopped()));
                }
                HttpConnectorFuture::new(async move { answered.await.map_err(|_| stopped())?.http() })
            }
        }
    }
}

impl Answer {
    fn http(self) -> Result<HttpResponse, ConnectorError> {
        let status = self.status.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))?;
        Ok(HttpResponse::new(status, SdkBody::from(self.body)))
    }
}

/// Carries out an operation without its transaction token. The engine keeps tokens for ten minutes, as DynamoDB does,
/// but scans all of them for each transaction, so that the hundred thousandth would take several times as long as the
/// first.
fn execute_untold(database: &Database, request: Request) -> Answer {
    if request.operation != "TransactWriteItems" {
        return execute(database, &request);
    }
    answer(&request.body, |mut transaction: dynoxide::actions::transact_write_items::TransactWriteItemsRequest| {
        transaction.client_request_token = None;
        database.transact_write_items(transaction)
    })
}

/// Carries out an operation: those of the product, and those that tests use to inspect the result.
pub fn execute(database: &Database, Request { operation, body }: &Request) -> Answer {
    match operation.as_str() {
        "CreateTable" => answer(body, |request| database.create_table(request)),
        "UpdateTable" => answer(body, |request| database.update_table(request)),
        "DescribeTable" => answer(body, |request| database.describe_table(request)),
        "ListTables" => answer(body, |request| database.list_tables(request)),
        "UpdateTimeToLive" => answer(body, |request| database.update_time_to_live(request)),
        "GetItem" => answer(body, |request| database.get_item(request)),
        "BatchGetItem" => answer(body, |request| database.batch_get_item(request)),
        "TransactGetItems" => answer(body, |request| database.transact_get_items(request)),
        "Query" => answer(body, |request| database.query(request)),
        "Scan" => answer(body, |request| database.scan(request)),
        "PutItem" => answer(body, |request| database.put_item(request)),
        "UpdateItem" => answer(body, |request| database.update_item(request)),
        "DeleteItem" => answer(body, |request| database.delete_item(request)),
        "TransactWriteItems" => answer(body, |request| database.transact_write_items(request)),
        "ListStreams" => answer(body, |request| database.list_streams(request)),
        "DescribeStream" => answer(body, |request| database.describe_stream(request)),
        "GetShardIterator" => answer(body, |request| database.get_shard_iterator(request)),
        "GetRecords" => answer(body, |request| database.get_records(request)),
        _ => Answer { status: 400, body: UNKNOWN.to_owned() },
    }
}

fn answer<R: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(R) -> Result<A, DynoxideError>,
) -> Answer {
    let malformed = |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let done = serde_json::from_slice(body).map_err(malformed).and_then(operation);
    match done.and_then(|done| serde_json::to_string(&done).map_err(malformed)) {
        Ok(body) => Answer { status: 200, body },
        Err(refused) => Answer { status: refused.status_code(), body: refused.to_json() },
    }
}

/// A strong handle, and a connection that does not keep it alive.
pub fn here(database: Database) -> (Arc<Database>, Way) {
    let database = Arc::new(database);
    let way = Way::Here(Arc::downgrade(&database));
    (database, way)
}
