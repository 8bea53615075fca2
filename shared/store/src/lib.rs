//! The one DynamoDB table: how records are stored, read and committed.
//!
//! # Layout
//! [`keys`] has every key string; [`items`] the stored form of every record; [`schema`] the table itself; [`stream`] reads
//! what the table tells of its changes.
//! [`Store::load`] reads an aggregate with one Query, [`Store::commit`] writes a [`arcadia_domain::Change`] with one
//! TransactWriteItems, and `queries` serves the lists. Rules live in [`arcadia_domain`], not here.

mod accounts;
mod attention;
mod catalog;
mod commit;
mod deployment_item;
mod failure;
mod figures;
mod idempotency;
mod invoice_item;
mod invoice_list;
mod invoices;
pub mod item;
pub mod items;
pub mod keys;
mod load;
mod manifest;
pub mod metrics;
mod pages;
mod policies;
mod present;
mod queries;
mod reread;
mod schedule;
pub mod schema;
pub mod stream;
mod sweep;
mod transact;

use aws_sdk_dynamodb::Client;

pub use attention::NeedsAttention;
pub use catalog::{Offer, Wanted};
pub use commit::judge;
pub use failure::{MAX_ERROR_CHARS, error_chain};
pub use figures::{Difference, figures_of};
pub use idempotency::{IdempotencyRecord, KEPT_FOR};
pub use invoice_list::{InvoiceFilter, ListedStatus, MAX_SUMMED_INVOICES};
pub use manifest::manifest;
pub use pages::Page;
pub use present::Present;
pub use queries::{DeploymentFilter, EventRange};
pub use reread::MAX_READS;
pub use schedule::{MAX_SUMMED_DEPLOYMENTS, ScheduleFilter};
pub use sweep::{DuePage, DueRow};
pub use transact::{CommitId, MAX_ATTEMPTS, Verdict};

/// The table, and the client to reach it with.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    table: String,
    due_shards: u8,
    counts: bool,
}

/// Why the store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed the deployment first; nothing was written.
    #[error("the deployment was changed by someone else at the same moment")]
    VersionConflict,
    /// The tenant already has a deployment of that slug; nothing was written.
    #[error("the slug is taken")]
    SlugTaken,
    /// Another subscription of the tenant took up its one trial of the plan first; nothing was written.
    #[error("the tenant's trial of the plan is taken")]
    TrialTaken,
    /// The payment's reference stands for a payment of another invoice; nothing was written.
    #[error("the payment reference is taken")]
    ReferenceTaken,
    /// Somebody else changed the catalog's record first; nothing was written.
    #[error("the catalog's record was changed by someone else at the same moment")]
    CatalogConflict,
    /// The same caller has used the same idempotency key before; nothing was written.
    #[error("the idempotency key has been used")]
    Answered(Box<IdempotencyRecord>),
    /// Another request with the same idempotency key is being carried out; nothing was written.
    #[error("the idempotency key is in use")]
    KeyInUse,
    /// DynamoDB is short of capacity or out of reach, also after retries. Whether a write happened is unknown.
    #[error("DynamoDB did not answer: {0}")]
    Unavailable(String),
    /// A stored item is not what this code writes.
    #[error("a stored item is damaged: {0}")]
    Damaged(String),
    /// DynamoDB refuses this very request for what is in it, now and always; nothing was written.
    #[error("DynamoDB refused the request: {0}")]
    Refused(String),
    /// DynamoDB refuses us whatever the request is about: a permission, credentials or the table are missing.
    #[error("DynamoDB does not serve this stack: {0}")]
    Denied(String),
}

impl Store {
    /// A store on `table`.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), due_shards: keys::DEFAULT_DUE_SHARDS, counts: false }
    }

    /// The same store with its due index spread over another number of partitions.
    #[must_use]
    pub const fn with_due_shards(mut self, due_shards: u8) -> Self {
        self.due_shards = due_shards;
        self
    }

    /// Over how many partitions the due index is spread.
    #[must_use]
    pub const fn due_shards(&self) -> u8 {
        self.due_shards
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The client that it is reached with.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Opens the connection ahead of the first request, with the cheapest read there is. A failure is of no
    /// consequence: the first request then opens it.
    pub async fn warm(&self) {
        let key = keys::nobody();
        let read = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("PK = :pk AND SK = :sk")
            .expression_attribute_values(":pk", item::string(key.pk))
            .expression_attribute_values(":sk", item::string(key.sk))
            .send();
        if let Err(error) = read.await {
            tracing::warn!(error = error_chain(&error), "the connection could not be warmed");
        }
    }
}
