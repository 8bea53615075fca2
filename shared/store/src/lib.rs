//! The DynamoDB table: how records are stored, read and committed. Rules are in [`arcadia_domain`], not here.
//!
//! # Layout
//! [`keys`] has every key string, [`items`] the stored form of every record, [`schema`] the table's definition, and
//! [`stream`] reads the records of the table's stream. [`Store::load`] reads an aggregate with one Query,
//! [`Store::commit`] writes a [`arcadia_domain::Change`] with one TransactWriteItems, and `queries` reads the lists.

mod accounts;
mod attention;
mod catalog;
mod commit;
mod deployment_item;
mod failure;
mod figures;
mod fold;
mod idempotency;
mod invoice_item;
mod invoice_list;
mod invoices;
pub mod item;
pub mod items;
pub mod keys;
mod limits;
mod load;
mod manifest;
pub mod metrics;
mod operations;
mod pages;
mod policies;
mod present;
mod queries;
mod reread;
mod schedule;
pub mod schema;
pub mod stream;
mod sweep;
mod tenants;
mod transact;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;

pub use attention::NeedsAttention;
pub use catalog::{Offer, Replacement, Wanted};
pub use commit::{Companion, judge};
pub use failure::{MAX_ERROR_CHARS, error_chain};
pub use figures::{Difference, figures_of};
pub use idempotency::{IdempotencyRecord, KEPT_FOR};
pub use invoice_list::{InvoiceFilter, ListedStatus, MAX_SUMMED_INVOICES};
pub use limits::{LiveCount, NewQuota, TenantLimits};
pub use manifest::manifest;
pub use pages::Page;
pub use present::Present;
pub use queries::{DeploymentFilter, EventRange};
pub use reread::MAX_READS;
pub use schedule::{MAX_SUMMED_DEPLOYMENTS, ScheduleFilter};
pub use sweep::{DuePage, DueRow, POSTPONED_SINCE};
pub use transact::{CommitId, MAX_ATTEMPTS, Verdict};

/// The table, with the client that reaches it.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    table: String,
    due_shards: u8,
    counts: bool,
}

/// The cause of an error: the error of a library, or a sentence where a library's would hold a value of a record.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a read or write of the store failed. [`error_chain`] prints it with its causes.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer changed the deployment first. Nothing was written.
    #[error("another writer changed the deployment at the same moment")]
    VersionConflict,
    /// The tenant already has a deployment with that slug. Nothing was written.
    #[error("the tenant already has a deployment with this slug")]
    SlugTaken,
    /// Another subscription used the tenant's one trial of the plan first. Nothing was written.
    #[error("the tenant has already had its trial of the plan")]
    TrialTaken,
    /// The payment's reference is already used for another payment. Nothing was written.
    #[error("the payment reference is already used for another payment")]
    ReferenceTaken,
    /// Another writer changed the catalog's record first. Nothing was written.
    #[error("another writer changed the catalog at the same moment")]
    CatalogConflict,
    /// Another writer changed the tenant first. Nothing was written.
    #[error("another writer changed the tenant at the same moment")]
    TenantConflict,
    /// The coupon was granted as often as it can be. Nothing was written.
    #[error("the coupon has been granted as often as it can be")]
    CouponExhausted,
    /// The tenant has as many live deployments as its quota allows. Nothing was written.
    #[error("the tenant has as many live deployments as its quota allows")]
    QuotaExceeded,
    /// The tenant was held after the rules of the new deployment were read.
    #[error("the tenant is held")]
    TenantHeld,
    /// The caller has used the idempotency key before. Nothing was written.
    #[error("the idempotency key has been used")]
    Answered(Box<IdempotencyRecord>),
    /// Another request with the same idempotency key is in progress. Nothing was written.
    #[error("another request with the idempotency key is in progress")]
    KeyInUse,
    /// The operation already has a result for the deployment. Nothing was written.
    #[error("the operation already has a result for the deployment")]
    ResultTaken,
    /// As many operations run as can run at a time. Nothing was written.
    #[error("as many operations run as can run at a time")]
    TooManyOperations,
    /// DynamoDB is short of capacity or cannot be reached, even after retries. Whether a write happened is unknown.
    #[error("DynamoDB did not answer")]
    Unavailable(#[source] Cause),
    /// A stored item cannot be read, or a record cannot be expressed as an item.
    #[error("a stored item is damaged")]
    Damaged(#[source] Cause),
    /// A request of ours cannot be built: a mistake in the code, whatever is stored.
    #[error("a request cannot be built")]
    Unbuildable(#[from] BuildError),
    /// A message that reached us is not of the form that we send.
    #[error("a message cannot be read")]
    BadMessage(#[source] Cause),
    /// DynamoDB refuses the contents of this request, permanently. Nothing was written.
    #[error("DynamoDB refused the request")]
    Refused(#[source] Cause),
    /// DynamoDB refuses every request of this stack: a permission, the credentials or the table are missing.
    #[error("DynamoDB does not serve this stack")]
    Denied(#[source] Cause),
}

impl Store {
    /// A store on `table`.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), due_shards: keys::DEFAULT_DUE_SHARDS, counts: false }
    }

    /// The same store with another number of due shards.
    #[must_use]
    pub const fn with_due_shards(mut self, due_shards: u8) -> Self {
        self.due_shards = due_shards;
        self
    }

    /// The number of partitions of the due index.
    #[must_use]
    pub const fn due_shards(&self) -> u8 {
        self.due_shards
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The client that reaches the table.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Opens the connection before the first request, with one cheap Query. A failure is only logged: the first request
    /// then opens the connection.
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
