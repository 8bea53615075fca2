//! Where the records are: in an engine of our own, or in a DynamoDB elsewhere. The engine is in [`crate::engine`].

use std::path::Path;

use arcadia_functions::runtime;
use arcadia_store::schema::create_table;
use arcadia_store::{StoreError, error_chain};
use aws_sdk_dynamodb::Client;

use crate::data::{DataError, DatabaseLock};
use crate::engine::{Engine, EngineError, Purpose, Storage};

/// Records that can be read and written, and what has to be ended in the end.
pub struct Records {
    /// The way to them.
    pub client: Client,
    /// Where they are, in a phrase.
    pub description: String,
    engine: Option<(Engine, Option<DatabaseLock>)>,
}

/// Why there are no records to work with.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The engine does not run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The endpoint is wrong, or what was there has stopped.
    #[error("nothing answers at the DynamoDB endpoint {0}")]
    NoDynamoDb(String),
    /// The table cannot be made, or is not there.
    #[error("the table {0} is of no use: {1}")]
    Table(String, String),
}

/// Whether an endpoint is at AWS, where records are somebody's own.
pub fn is_aws(endpoint: Option<&str>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.starts_with("https://"))
}

impl Records {
    /// Records in a data directory, which is made if it is missing.
    ///
    /// # Errors
    /// [`RecordsError`] if another program has them, or they cannot be opened.
    pub async fn in_directory(data: &Path, table: &str, purpose: Purpose) -> Result<Self, RecordsError> {
        let lock = DatabaseLock::acquire(data)?;
        let engine = Engine::start(&Storage::File(lock.path().to_owned()), purpose).await?;
        Self::of_engine(engine, Some(lock), table, format!("in {}", data.display())).await
    }

    /// Records in memory.
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

    /// Records in a DynamoDB elsewhere. One nearby gets the table if it has none; at AWS the table is the template's to
    /// make, with all that belongs to it.
    ///
    /// # Errors
    /// [`RecordsError`] if nothing answers, or there is no table.
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
                Err(error) => return Err(no_table(error.to_string())),
            }
        };
        Ok(Self { client, description: format!("in the table {table} at {endpoint}"), engine: None })
    }

    /// Closes them. A data directory is free when this returns.
    ///
    /// # Errors
    /// [`EngineError`] if the engine had failed.
    pub async fn close(self) -> Result<(), EngineError> {
        if let Some((engine, lock)) = self.engine {
            engine.stop().await?;
            drop(lock);
        }
        Ok(())
    }
}
