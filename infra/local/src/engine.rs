//! DynamoDB on one machine: an embedded engine behind the real wire protocol, so that the SDK and all that it does is
//! in the path. Tables and items are in `arcadia_shared::store`.

mod direct;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, thread};

use arcadia_shared::runtime::local_client;
use aws_sdk_dynamodb::Client;
use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::direct::Direct;

/// How long requests under way may take to end once the engine is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Where the engine keeps its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory, until the engine stops.
    Memory,
    /// In this SQLite file, which is made if it is missing. Only one engine may have it open.
    File(PathBuf),
}

/// What an engine is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be worked with: what it answered is on the disk.
    Serve,
    /// To be filled with what can be made again from the start: what it answered is on the disk only when it has
    /// stopped, and transactions go past the wire.
    Fill,
}

/// A running engine on a loopback port of its own. It stops when it is dropped, too, but then nobody waits for it.
pub struct Engine {
    endpoint: String,
    /// The way around the wire, for an engine that is filled.
    direct: Option<Arc<Database>>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<Result<(), String>>,
}

/// Why there is no engine, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database cannot be opened.
    #[error("the database {place} cannot be opened: {reason}")]
    Open {
        /// The file, or `in memory`.
        place: String,
        /// What was wrong.
        reason: String,
    },
    /// No port or no thread was to be had.
    #[error("the database engine cannot start: {0}")]
    Start(#[from] io::Error),
    /// It ended in an error.
    #[error("the database engine failed: {0}")]
    Failed(String),
}

impl Engine {
    /// Starts an engine. It has a thread and a runtime of its own: it works synchronously, and would hold up whatever
    /// shared them.
    ///
    /// # Errors
    /// [`EngineError`] if the file cannot be opened, or no port or thread is to be had.
    pub async fn start(storage: &Storage, purpose: Purpose) -> Result<Self, EngineError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?.into_std()?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let (report, opened) = oneshot::channel();
        let storage = storage.clone();
        let thread = thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            let database = match open(&storage, purpose) {
                Ok(database) => database,
                Err(error) => return report.send(Err(error)).map_err(|_| "nobody waits for it".to_owned()),
            };
            runtime.block_on(run(listener, database, report, stopped))
            // The runtime ends here, and with it every connection and the last handle on the file.
        })?;
        let database = opened.await.map_err(|_| EngineError::Failed("it ended while it started".to_owned()))??;
        let direct = (purpose == Purpose::Fill).then(|| Arc::new(database));
        Ok(Self { endpoint, direct, stop, thread })
    }

    /// Where it can be reached.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        let client = local_client(&self.endpoint);
        match &self.direct {
            None => client,
            Some(database) => Direct::client(database, &client),
        }
    }

    /// Ends the requests under way, closes the database and stops. The file is free when this returns.
    ///
    /// # Errors
    /// [`EngineError::Failed`] if the engine had already failed.
    pub async fn stop(self) -> Result<(), EngineError> {
        let Self { stop, thread, direct, endpoint: _ } = self;
        drop(direct);
        // If nobody listens, the engine has ended before, and its thread says how.
        let _ = stop.send(());
        let joined = tokio::task::spawn_blocking(|| thread.join()).await;
        let ended = joined.map_err(|error| EngineError::Failed(error.to_string()))?;
        ended.map_err(|_| EngineError::Failed("it panicked".to_owned()))?.map_err(EngineError::Failed)
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

async fn run(
    listener: std::net::TcpListener,
    database: Database,
    report: oneshot::Sender<Result<Database, EngineError>>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), String> {
    let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
    report.send(Ok(database.clone())).map_err(|_| "nobody waits for it".to_owned())?;
    let (stopping, overdue) = oneshot::channel();
    let shutdown = async {
        // A dropped engine is to stop as well.
        let _ = stopped.await;
        let _ = stopping.send(());
    };
    tokio::select! {
        served = dynoxide::server::serve_with_shutdown(listener, database, shutdown) => served,
        () = async { let _ = overdue.await; tokio::time::sleep(SHUTDOWN_GRACE).await } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arcadia_shared::store::error_chain;
    use arcadia_shared::store::schema::{STATE_INDEX, create_table};
    use aws_sdk_dynamodb::types::{
        AttributeValue, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    };

    use super::*;

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    /// Puts an item that must not be there yet.
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
        assert!(!file.with_extension("db-wal").exists(), "the file was closed in good order");
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
    async fn an_engine_to_be_filled_takes_transactions_past_the_wire() {
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
