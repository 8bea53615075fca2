//! DynamoDB on one machine: an embedded engine that the SDK uses like DynamoDB, except that requests stay within the
//! process. `arcadia_store` defines tables and items.

mod in_process;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::{fmt, io, thread};

use arcadia_functions::runtime::local_client;
use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use dynoxide::Database;
use tokio::sync::oneshot;

use self::in_process::{Job, Way, execute};

/// Placeholder endpoint. It is never resolved or connected to.
const ENDPOINT: &str = "http://engine.invalid";

/// Where the engine stores its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory, until the engine stops.
    Memory,
    /// In this SQLite file, which is created if it is missing. Only one engine may have it open.
    File(PathBuf),
}

/// The purpose of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Serving: a response means that the write is on disk.
    Serve,
    /// Filling with data that can be generated again: writes are on disk only after the engine has stopped, and the
    /// calling thread does the work.
    Fill,
}

/// A running engine. Dropping it stops it too, but does not wait.
pub struct Engine {
    way: Way,
    /// The database behind [`Way::Here`].
    here: Option<Arc<Database>>,
    stop: StopOnDrop,
    thread: thread::JoinHandle<()>,
}

/// Stops the engine's thread.
struct StopOnDrop(Sender<Job>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        // Without a receiver the thread has already ended.
        let _ = self.0.send(Job::Stop);
    }
}

/// Error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database cannot be opened.
    #[error("the database {place} cannot be opened: {reason}")]
    Open {
        /// The file, or `in memory`.
        place: String,
        /// The cause.
        reason: String,
    },
    /// The thread cannot be started.
    #[error("the database engine cannot start: {0}")]
    Start(#[from] io::Error),
    /// The engine failed.
    #[error("the database engine failed: {0}")]
    Failed(String),
}

impl Engine {
    /// Starts an engine with its own thread.
    ///
    /// # Errors
    /// [`EngineError`] if the file cannot be opened or the thread cannot be started.
    pub async fn start(storage: &Storage, purpose: Purpose) -> Result<Self, EngineError> {
        let (jobs, queue) = mpsc::channel();
        let (report, opened) = oneshot::channel();
        let storage = storage.clone();
        let thread = thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            let database = match open(&storage, purpose) {
                Ok(database) => database,
                // Without a receiver the error can be dropped.
                Err(error) => return drop(report.send(Err(error))),
            };
            if report.send(Ok(database.clone())).is_ok() {
                work(&database, &queue);
            }
            // Dropping the receiver tells waiting requests that the engine has stopped; the last handle on the file is
            // closed.
        })?;
        let database = opened.await.map_err(|_| EngineError::Failed("it ended while it started".to_owned()))??;
        let stop = StopOnDrop(jobs.clone());
        let (here, way) = match purpose {
            Purpose::Serve => (None, Way::Thread(jobs)),
            Purpose::Fill => {
                let (here, way) = in_process::here(database);
                (Some(here), way)
            }
        };
        Ok(Self { way, here, stop, thread })
    }

    /// A client of the engine.
    #[must_use]
    pub fn client(&self) -> Client {
        let connector = self.connector();
        let client = http_client_fn(move |_, _| connector.clone());
        Client::from_conf(local_client(ENDPOINT).config().to_builder().http_client(client).build())
    }

    /// The connector to the engine, for requests of DynamoDB's protocols.
    #[must_use]
    pub fn connector(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(self.way.clone())
    }

    /// Finishes earlier requests, closes the database and stops. The file is free when this returns.
    ///
    /// # Errors
    /// [`EngineError::Failed`] if the engine had already failed.
    pub async fn stop(self) -> Result<(), EngineError> {
        let Self { way, here, stop, thread } = self;
        drop((way, here, stop));
        let joined = tokio::task::spawn_blocking(|| thread.join()).await;
        let ended = joined.map_err(|error| EngineError::Failed(error.to_string()))?;
        ended.map_err(|_| EngineError::Failed("it panicked".to_owned()))
    }
}

/// Carries out jobs in order until it is told to stop.
fn work(database: &Database, queue: &Receiver<Job>) {
    while let Ok(Job::Request { request, answer }) = queue.recv() {
        // The requester may have stopped waiting; the request has been carried out all the same.
        let _ = answer.send(execute(database, &request));
    }
}

fn open(storage: &Storage, purpose: Purpose) -> Result<Database, EngineError> {
    let failed = |place: String| {
        move |error: &dyn fmt::Display| EngineError::Open { place: place.clone(), reason: error.to_string() }
    };
    match storage {
        Storage::Memory => Database::memory().map_err(|error| failed("in memory".to_owned())(&error)),
        Storage::File(path) => {
            let failed = failed(path.display().to_string());
            let name = path.to_str().ok_or_else(|| failed(&"its path is not UTF-8"))?;
            let database = Database::new(name).map_err(|error| failed(&error))?;
            if purpose == Purpose::Fill {
                database.enable_bulk_loading().map_err(|error| failed(&error))?;
            }
            Ok(database)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arcadia_store::error_chain;
    use arcadia_store::schema::{STATE_INDEX, create_table};
    use aws_sdk_dynamodb::types::{
        AttributeValue, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    };

    use super::*;

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    /// Puts an item that must not exist yet.
    fn put_new(sk: &str, mark: &str) -> TransactWriteItem {
        let put = Put::builder()
            .table_name("table")
            .set_item(Some(
                [("PK", "p"), ("SK", sk), ("mark", mark), ("GSI2PK", "g"), ("GSI2SK", sk)]
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), text(value)))
                    .collect(),
            ))
            .condition_expression("attribute_not_exists(PK)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    }

    async fn query(client: &Client, condition: &str, values: &[(&str, &str)]) -> Vec<String> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        let query = client.query().table_name("table").key_condition_expression(condition);
        let found = query.set_expression_attribute_values(Some(values)).send().await.unwrap();
        found.items().iter().map(|item| item["SK"].as_s().unwrap().clone()).collect()
    }

    async fn tables(engine: &Engine) -> Vec<String> {
        engine.client().list_tables().send().await.unwrap().table_names.unwrap()
    }

    #[tokio::test]
    async fn an_engine_in_memory_forgets_and_one_in_a_file_remembers() {
        let file = std::env::temp_dir().join(format!("arcadia-engine-{}.db", std::process::id()));
        for (storage, after_restart) in [(Storage::Memory, 0), (Storage::File(file.clone()), 1)] {
            let engine = Engine::start(&storage, Purpose::Serve).await.unwrap();
            create_table(&engine.client(), "table").await.unwrap();
            create_table(&engine.client(), "table").await.unwrap();
            let put = engine.client().put_item().table_name("table");
            put.item("PK", text("p")).item("SK", text("s")).send().await.unwrap();
            assert_eq!(tables(&engine).await, ["table"]);
            engine.stop().await.unwrap();
            let engine = Engine::start(&storage, Purpose::Serve).await.unwrap();
            assert_eq!(tables(&engine).await.len(), after_restart);
            engine.stop().await.unwrap();
        }
        std::fs::remove_file(&file).unwrap();
        assert!(!file.with_extension("db-wal").exists(), "the file was closed cleanly");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_is_named() {
        let error =
            Engine::start(&Storage::File("/nonexistent/arcadia.db".into()), Purpose::Serve).await.err().unwrap();
        assert!(error.to_string().contains("/nonexistent/arcadia.db"), "{error}");
    }

    #[tokio::test]
    async fn the_engine_does_what_the_store_relies_on() {
        let engine = Engine::start(&Storage::Memory, Purpose::Serve).await.unwrap();
        let client = engine.client();
        create_table(&client, "table").await.unwrap();
        let commit = |token: &str, puts: Vec<TransactWriteItem>| {
            client.transact_write_items().client_request_token(token).set_transact_items(Some(puts)).send()
        };
        let puts = || vec![put_new("#A", "first"), put_new("EVENT#1", "first"), put_new("EVENT#2", "first")];
        commit("token-1", puts()).await.unwrap();
        commit("token-1", puts()).await.unwrap();
        let other_content = commit("token-1", vec![put_new("#B", "x")]).await.unwrap_err().into_service_error();
        assert!(other_content.is_idempotent_parameter_mismatch_exception(), "{other_content:?}");

        let refused = commit("token-2", vec![put_new("EVENT#3", "second"), put_new("#A", "second")]).await.unwrap_err();
        let error = refused.into_service_error();
        let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
            cancelled,
        ) = error
        else {
            panic!("{error:?}")
        };
        let [unharmed, failed] = cancelled.cancellation_reasons() else { panic!("{cancelled:?}") };
        assert_eq!(unharmed.code(), Some("None"));
        assert_eq!(failed.code(), Some("ConditionalCheckFailed"));
        assert_eq!(failed.item().and_then(|item| item.get("mark")), Some(&text("first")));

        assert_eq!(query(&client, "PK = :pk AND begins_with(SK, :s)", &[(":pk", "p"), (":s", "#")]).await, ["#A"]);
        let range = [(":pk", "p"), (":a", "EVENT#0"), (":b", "EVENT#2")];
        assert_eq!(query(&client, "PK = :pk AND SK BETWEEN :a AND :b", &range).await, ["EVENT#1", "EVENT#2"]);

        let entries = client.query().table_name("table").index_name(STATE_INDEX).scan_index_forward(false).limit(1);
        let entries = entries.key_condition_expression("GSI2PK = :g").expression_attribute_values(":g", text("g"));
        let entries = entries.send().await.unwrap();
        let mut names: Vec<_> = entries.items()[0].keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["GSI2PK", "GSI2SK", "PK", "SK"], "the index holds keys only");
        assert_eq!(entries.items()[0]["SK"], text("EVENT#2"));
        assert!(entries.last_evaluated_key().is_some());

        let keys = ["#A", "missing"].map(|sk| HashMap::from([("PK".into(), text("p")), ("SK".into(), text(sk))]));
        let keys = KeysAndAttributes::builder().set_keys(Some(keys.into())).build().unwrap();
        let got = client.batch_get_item().request_items("table", keys).send().await.unwrap();
        assert_eq!(got.responses().unwrap()["table"].len(), 1);
        engine.stop().await.unwrap();
    }

    #[tokio::test]
    async fn an_engine_to_be_filled_takes_no_note_of_tokens() {
        let file = std::env::temp_dir().join(format!("arcadia-engine-fill-{}.db", std::process::id()));
        let storage = Storage::File(file.clone());
        let engine = Engine::start(&storage, Purpose::Fill).await.unwrap();
        let client = engine.client();
        create_table(&client, "table").await.unwrap();
        let commit = || {
            let puts = vec![put_new("#A", "first"), put_new("EVENT#1", "first")];
            client.transact_write_items().client_request_token("token").set_transact_items(Some(puts)).send()
        };
        commit().await.unwrap();
        let refused = commit().await.unwrap_err().into_service_error();
        assert!(refused.is_transaction_canceled_exception(), "the token is left out: {refused:?}");
        assert_eq!(query(&client, "PK = :pk AND begins_with(SK, :s)", &[(":pk", "p"), (":s", "#")]).await, ["#A"]);

        engine.stop().await.unwrap();
        let error = commit().await.unwrap_err();
        assert!(error_chain(&error).contains("the engine has stopped"), "{error:?}");
        let engine = Engine::start(&storage, Purpose::Serve).await.unwrap();
        assert_eq!(
            query(&engine.client(), "PK = :pk AND SK = :s", &[(":pk", "p"), (":s", "EVENT#1")]).await,
            ["EVENT#1"]
        );
        engine.stop().await.unwrap();
        std::fs::remove_file(&file).unwrap();
    }
}
