//! Opens the records: in the embedded engine of [`crate::engine`], or in another DynamoDB.

use std::path::Path;

use arcadia_functions::runtime;
use arcadia_store::schema::create_table;
use arcadia_store::{StoreError, error_chain};
use aws_sdk_dynamodb::Client;

use crate::data::{DataError, DatabaseLock};
use crate::engine::{Engine, EngineError, Purpose, Storage};

/// Open records.
pub struct Records {
    /// The client to access them.
    pub client: Client,
    /// Location, as a phrase.
    pub description: String,
    engine: Option<(Engine, Option<DatabaseLock>)>,
}

/// Error of opening the records.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The endpoint is wrong or does not respond.
    #[error("the DynamoDB endpoint {0} does not respond: check that it is running and that the URL is right")]
    NoDynamoDb(String),
    /// The table cannot be created, or does not exist.
    #[error("the table {0} cannot be used: {1}")]
    Table(String, String),
}

/// Whether an endpoint is at AWS.
pub fn is_aws(endpoint: Option<&str>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.starts_with("https://"))
}

impl Records {
    /// Opens the records in a data directory, which is created if it is missing.
    ///
    /// # Errors
    /// [`RecordsError`] if another program uses them, or they cannot be opened.
    pub async fn in_directory(data: &Path, table: &str, purpose: Purpose) -> Result<Self, RecordsError> {
        let lock = DatabaseLock::acquire(data)?;
        let engine = Engine::start(&Storage::File(lock.path().to_owned()), purpose).await?;
        Self::of_engine(engine, Some(lock), table, format!("in {}", data.display())).await
    }

    /// Opens records in memory.
    ///
    /// # Errors
    /// [`RecordsError`] if the engine does not start.
    pub async fn in_memory(table: &str, purpose: Purpose) -> Result<Self, RecordsError> {
        let engine = Engine::start(&Storage::Memory, purpose).await?;
        Self::of_engine(engine, None, table, "in memory until it stops".to_owned()).await
    }

    async fn of_engine(
        engine: Engine,
        lock: Option<DatabaseLock>,
        table: &str,
        description: String,
    ) -> Result<Self, RecordsError> {
        let client = engine.client();
        if let Err(error) = create_table(&client, table).await {
            engine.stop().await?;
            return Err(RecordsError::Table(table.to_owned(), error.to_string()));
        }
        Ok(Self { client, description, engine: Some((engine, lock)) })
    }

    /// Opens records in another DynamoDB. A local one gets a table if it has none; at AWS only the template creates the
    /// table, with everything that belongs to it.
    ///
    /// # Errors
    /// [`RecordsError`] if the endpoint does not respond, or there is no table.
    pub async fn at(endpoint: &str, table: &str) -> Result<Self, RecordsError> {
        let no_table = |reason| RecordsError::Table(table.to_owned(), reason);
        let client = if is_aws(Some(endpoint)) {
            let client = runtime::aws_client(endpoint).await;
            let found = client.describe_table().table_name(table).send().await;
            found.map_err(|error| no_table(error_chain(&error)))?;
            client
        } else {
            let client = runtime::local_client(endpoint);
            match create_table(&client, table).await {
                Ok(()) => client,
                Err(StoreError::Unavailable(_)) => return Err(RecordsError::NoDynamoDb(endpoint.to_owned())),
                Err(error) => return Err(no_table(error_chain(&error))),
            }
        };
        Ok(Self { client, description: format!("in the table {table} at {endpoint}"), engine: None })
    }

    /// Closes the records. A data directory is free when this returns.
    ///
    /// # Errors
    /// [`EngineError`] if the engine has failed.
    pub async fn close(self) -> Result<(), EngineError> {
        if let Some((engine, lock)) = self.engine {
            engine.stop().await?;
            drop(lock);
        }
        Ok(())
    }
}
