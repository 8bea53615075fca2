//! Invoices across deployments: a tenant's, or everyone's.
//!
//! What is owed is known to deployments, so a tenant's or a deployment's open and uncollectible invoices are found in their
//! rows; everyone's stand in the due index by status. All other lists go by the time of issue: a tenant's in the tenant
//! index, everyone's in the state index, a deployment's in its own partition.

use std::future::ready;
use std::str::FromStr;

use arcadia_domain::{
    DeploymentId, DeploymentRow, InvalidValue, Invoice, InvoiceRow, InvoiceStatus, OpenInvoice, Scope, TenantId,
    Timestamp,
};

use super::item::Item;
use super::keys::{self, InvoiceEntry, Key};
use super::pages::{Page, Part, sifted};
use super::schema::{DUE_INDEX, STATE_INDEX, TENANT_INDEX};
use super::{Store, StoreError, items};

/// What invoices can be listed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedStatus {
    /// They wait for payment.
    Open,
    /// They wait for payment, and were due.
    Overdue,
    /// They were settled.
    Paid,
    /// They were taken back.
    Void,
    /// They were given up, and are still owed.
    Uncollectible,
}

impl ListedStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Open, Self::Overdue, Self::Paid, Self::Void, Self::Uncollectible];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::Open | Self::Paid | Self::Void | Self::Uncollectible => self.status().as_str(),
        }
    }

    /// The status that invoices have.
    const fn status(self) -> InvoiceStatus {
        match self {
            Self::Open | Self::Overdue => InvoiceStatus::Open,
            Self::Paid => InvoiceStatus::Paid,
            Self::Void => InvoiceStatus::Void,
            Self::Uncollectible => InvoiceStatus::Uncollectible,
        }
    }
}

impl FromStr for ListedStatus {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let detail = "must be open, overdue, paid, void or uncollectible";
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or(InvalidValue { code: "invalid_status", detail })
    }
}

/// Which invoices to list, whoever's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvoiceFilter {
    /// Only those in this status.
    pub status: Option<ListedStatus>,
    /// Only those due before this moment.
    pub due_before: Option<Timestamp>,
    /// Only those issued at this moment or later.
    pub issued_from: Option<Timestamp>,
    /// Only those issued before this moment.
    pub issued_to: Option<Timestamp>,
    /// The present: what was due until then is overdue.
    pub now: Timestamp,
}

impl InvoiceFilter {
    /// Whether deployments themselves know which invoices these are.
    #[must_use]
    pub const fn is_of_owed(&self) -> bool {
        matches!(self.status, Some(ListedStatus::Open | ListedStatus::Overdue | ListedStatus::Uncollectible))
    }

    /// What is overdue longest comes first; of all else, what is newest.
    fn oldest_first(&self) -> bool {
        self.status == Some(ListedStatus::Overdue)
    }

    fn wants(&self, invoice: &Invoice) -> bool {
        self.status.is_none_or(|status| status.status() == invoice.status)
            && self.wants_due(invoice.due_at)
            && self.issued_from.is_none_or(|from| invoice.issued_at >= from)
            && self.issued_to.is_none_or(|to| invoice.issued_at < to)
    }

    fn wants_due(&self, due_at: Timestamp) -> bool {
        self.due_before.is_none_or(|before| due_at < before)
            && (self.status != Some(ListedStatus::Overdue) || due_at <= self.now)
    }

    /// Reads an invoice, if it is wanted.
    fn read(&self, item: Item) -> Result<Option<InvoiceRow>, StoreError> {
        Ok(Some(items::to_invoice(item)?).filter(|row| self.wants(&row.invoice)))
    }

    /// Those that a deployment owes and that may be wanted, by when they are due.
    fn owed_by(&self, row: &DeploymentRow) -> Vec<(InvoiceEntry, Key)> {
        let deployment = &row.deployment;
        let owed = match self.status {
            Some(ListedStatus::Uncollectible) => &deployment.uncollectible_invoices,
            _ => &deployment.open_invoices,
        };
        let entry = |owed: &OpenInvoice| {
            (InvoiceEntry::new(owed.due_at, &owed.number), keys::invoice(deployment.id, &owed.number))
        };
        owed.iter().filter(|owed| self.wants_due(owed.due_at)).map(entry).collect()
    }
}

/// The most invoices of a tenant that one request adds up.
pub const MAX_SUMMED_INVOICES: usize = 10_000;

impl Store {
    /// Every invoice of a tenant, newest first; `None` if there are more than [`MAX_SUMMED_INVOICES`]. One Query of the tenant
    /// index for each thousand, or each megabyte.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn all_invoices_of_tenant(&self, tenant_id: &TenantId) -> Result<Option<Vec<Invoice>>, StoreError> {
        let partition = keys::tenant_invoices_partition(tenant_id);
        let part = |after: Option<InvoiceEntry>| {
            let keys = keys::invoice_entries(None, None, after.as_ref(), false);
            Part { index: TENANT_INDEX, keys, oldest_first: false }
        };
        let read = |item| Ok(items::to_invoice(item)?.invoice);
        self.whole(&partition, MAX_SUMMED_INVOICES, part, read).await
    }

    /// A page of what deployments owe, by due date: what is overdue longest first, or else what is due last. One BatchGetItem
    /// for each page of entries.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn owed_invoices(
        &self,
        rows: &[DeploymentRow],
        filter: &InvoiceFilter,
        limit: usize,
        after: Option<InvoiceEntry>,
    ) -> Result<Page<InvoiceRow, InvoiceEntry>, StoreError> {
        let mut owed: Vec<_> = rows.iter().flat_map(|row| filter.owed_by(row)).collect();
        owed.sort_unstable_by(|(a, _), (b, _)| if filter.oldest_first() { a.cmp(b) } else { b.cmp(a) });
        let entries = |after: Option<InvoiceEntry>| {
            let follows = |entry: &InvoiceEntry| {
                after.as_ref().is_none_or(|after| if filter.oldest_first() { entry > after } else { entry < after })
            };
            let rest = owed.iter().filter(|(entry, _)| follows(entry)).take(limit + 1).cloned().collect();
            ready(Ok(Page::cut(rest, limit, false, |(entry, _): &(InvoiceEntry, Key)| entry.clone())))
        };
        let is_sifted = filter.issued_from.or(filter.issued_to).is_some();
        self.filled(limit, after, is_sifted, entries, |_, item| filter.read(item)).await
    }

    /// A page of a tenant's invoices, the newest first: a Query of the tenant index, and more only to fill a page up.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn invoices_of_tenant(
        &self,
        tenant_id: &TenantId,
        filter: &InvoiceFilter,
        limit: usize,
        after: Option<InvoiceEntry>,
    ) -> Result<Page<InvoiceRow, InvoiceEntry>, StoreError> {
        let partition = &keys::tenant_invoices_partition(tenant_id);
        let query = |after: Option<InvoiceEntry>, size| async move {
            let keys = keys::invoice_entries(filter.issued_from, filter.issued_to, after.as_ref(), false);
            self.index_page(&Part { index: TENANT_INDEX, keys, oldest_first: false }, partition, size).await
        };
        sifted(limit, after, query, |item| filter.read(item), issued).await
    }

    /// A page of a deployment's invoices, the newest first: a consistent Query of its partition, and more only to fill a
    /// page up.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn invoices_of_deployment(
        &self,
        id: DeploymentId,
        filter: &InvoiceFilter,
        limit: usize,
        after: Option<InvoiceEntry>,
    ) -> Result<Page<InvoiceRow, InvoiceEntry>, StoreError> {
        let query = |after: Option<InvoiceEntry>, size| async move {
            let range = keys::invoices_before(after.as_ref().map(InvoiceEntry::number));
            let (items, more) = self.partition_page(keys::partition(id), range, size - 1, &Scope::All).await?;
            let last = items.last().filter(|_| more).cloned().map(items::to_invoice).transpose()?;
            Ok((items, last.as_ref().map(issued)))
        };
        sifted(limit, after, query, |item| filter.read(item), issued).await
    }

    /// A page of everyone's invoices: by due date if they are of a status in which something is, or was, due, the newest
    /// first otherwise. A Query of each partition of an index and a BatchGetItem, and more only to fill a page up.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn invoices_of_everyone(
        &self,
        filter: &InvoiceFilter,
        limit: usize,
        after: Option<InvoiceEntry>,
    ) -> Result<Page<InvoiceRow, InvoiceEntry>, StoreError> {
        let oldest_first = filter.oldest_first();
        let by_status = filter.status.map(ListedStatus::status).filter(|status| *status != InvoiceStatus::Paid);
        let (index, partition, from, to): (_, Box<dyn Fn(u8) -> String + Send + Sync>, _, _) = match by_status {
            Some(status) => {
                let due_to = if oldest_first { Some(filter.now) } else { None };
                let to = filter.due_before.into_iter().chain(due_to).min();
                (DUE_INDEX, Box::new(move |shard| keys::invoices_by_status_partition(status, shard)), None, to)
            }
            None => (STATE_INDEX, Box::new(keys::invoices_partition), filter.issued_from, filter.issued_to),
        };
        let partitions = &(0..self.due_shards).map(partition).collect::<Vec<_>>();
        let entries = |after: Option<InvoiceEntry>| async move {
            let keys = keys::invoice_entries(from, to, after.as_ref(), oldest_first);
            self.merged(&Part { index, keys, oldest_first }, partitions, limit).await
        };
        let by_issue = filter.issued_from.or(filter.issued_to).is_some();
        let is_sifted =
            if by_status.is_some() { by_issue } else { filter.status.is_some() || filter.due_before.is_some() };
        self.filled(limit, after, is_sifted, entries, |_, item| filter.read(item)).await
    }
}

/// Where an invoice stands by the time of its issue.
fn issued(row: &InvoiceRow) -> InvoiceEntry {
    InvoiceEntry::new(row.invoice.issued_at, &row.invoice.number)
}
