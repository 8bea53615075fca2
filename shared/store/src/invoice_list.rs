//! Lists of invoices: of a deployment, of a tenant, and of all tenants. Writes of invoices are in [`super::invoices`].
//!
//! Deployments list their open and uncollectible invoices themselves, so those of a tenant or a deployment are found in
//! deployment rows, and those of all tenants in the due index by status. All other lists are in the order of issue: in
//! the tenant index for a tenant, in the state index for all tenants, and in the deployment's own partition.

use std::future::ready;

use arcadia_domain::{
    BalanceMovement, DeploymentId, DeploymentRow, Invoice, InvoiceNumber, InvoiceRow, InvoiceStatus, OpenInvoice,
    PaymentReference, Refund, TenantId, Timestamp,
};

use super::item::Item;
use super::keys::{self, InvoiceEntry, Key};
use super::pages::{Page, Part, sifted};
use super::schema::{DUE_INDEX, STATE_INDEX, TENANT_INDEX};
use super::{Store, StoreError, items};

arcadia_domain::named! {
    /// The status by which invoices can be listed.
    pub enum ListedStatus("invalid_status") {
        /// Open: waiting for payment.
        Open = "open",
        /// Open and past its due date.
        Overdue = "overdue",
        /// Paid.
        Paid = "paid",
        /// Void.
        Void = "void",
        /// Uncollectible: given up, and still owed.
        Uncollectible = "uncollectible",
        /// Written off: forgiven.
        WrittenOff = "written_off",
    }
}

impl ListedStatus {
    /// The status of such an invoice.
    const fn status(self) -> InvoiceStatus {
        match self {
            Self::Open | Self::Overdue => InvoiceStatus::Open,
            Self::Paid => InvoiceStatus::Paid,
            Self::Void => InvoiceStatus::Void,
            Self::Uncollectible => InvoiceStatus::Uncollectible,
            Self::WrittenOff => InvoiceStatus::WrittenOff,
        }
    }
}

/// A filter of invoices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvoiceFilter {
    /// Only invoices in this status.
    pub status: Option<ListedStatus>,
    /// Only invoices due before this moment.
    pub due_before: Option<Timestamp>,
    /// Only invoices issued at this moment or later.
    pub issued_from: Option<Timestamp>,
    /// Only invoices issued before this moment.
    pub issued_to: Option<Timestamp>,
    /// The present time, which decides whether an invoice is overdue.
    pub now: Timestamp,
}

impl InvoiceFilter {
    /// Whether deployment rows list these invoices.
    #[must_use]
    pub const fn is_of_owed(&self) -> bool {
        matches!(self.status, Some(ListedStatus::Open | ListedStatus::Overdue | ListedStatus::Uncollectible))
    }

    /// Overdue invoices are listed oldest first, all others newest first.
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

    /// Reads an invoice; `None` if the filter leaves it out.
    fn read(&self, item: Item) -> Result<Option<InvoiceRow>, StoreError> {
        Ok(Some(items::to_invoice(item)?).filter(|row| self.wants(&row.invoice)))
    }

    /// The invoices that a deployment owes and that the filter may want, by due date.
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

/// The most invoices of a tenant that one statement adds up.
pub const MAX_SUMMED_INVOICES: usize = 10_000;

impl Store {
    /// All invoices of a tenant, newest first; `None` if there are more than [`MAX_SUMMED_INVOICES`]. One Query of the
    /// tenant index for each thousand invoices or each megabyte.
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

    /// All movements of balance of a tenant that no invoice has, oldest first; `None` if there are more than
    /// [`MAX_SUMMED_INVOICES`]. One Query of the tenant index for each thousand or each megabyte.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn all_movements_of_tenant(
        &self,
        tenant_id: &TenantId,
    ) -> Result<Option<Vec<BalanceMovement>>, StoreError> {
        let partition = keys::tenant_movements_partition(tenant_id);
        let part = |after: Option<String>| Part {
            index: TENANT_INDEX,
            keys: keys::movements_after(after.as_deref()),
            oldest_first: true,
        };
        self.whole(&partition, MAX_SUMMED_INVOICES, part, items::to_movement).await
    }

    /// Whether a payment on another invoice of the deployment has this reference: one consistent GetItem. A commit finds
    /// that out by its condition; a dry run needs to look.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn is_reference_taken(
        &self,
        id: DeploymentId,
        reference: &PaymentReference,
        number: &InvoiceNumber,
    ) -> Result<bool, StoreError> {
        let paid = self.get(keys::payment(id, reference)).await?.map(items::to_paid_invoice).transpose()?;
        Ok(paid.is_some_and(|paid| paid != *number))
    }

    /// The refund of a deployment with this reference: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_refund(
        &self,
        id: DeploymentId,
        reference: &PaymentReference,
    ) -> Result<Option<Refund>, StoreError> {
        let Some(item) = self.get(keys::refund(id, reference)).await? else { return Ok(None) };
        let BalanceMovement { amount_cents, currency, invoice, at: refunded_at, .. } = items::to_movement(item)?;
        Ok(Some(Refund { reference: reference.clone(), amount_cents, currency, invoice, refunded_at }))
    }

    /// A page of the invoices that deployments owe, by due date: the earliest first if overdue invoices are listed,
    /// else the latest first. One BatchGetItem for each page of entries.
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

    /// A page of a tenant's invoices, newest first: one Query of the tenant index, and more only to fill the page.
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

    /// A page of a deployment's invoices, newest first: one consistent Query of its partition, and more only to fill
    /// the page.
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
            let (items, more) = self.partition_page(keys::partition(id), range, size - 1).await?;
            let last = items.last().filter(|_| more).cloned().map(items::to_invoice).transpose()?;
            Ok((items, last.as_ref().map(issued)))
        };
        sifted(limit, after, query, |item| filter.read(item), issued).await
    }

    /// A page of all tenants' invoices: by due date if filtered by a status other than paid, else newest first. One
    /// Query for each partition of an index and one BatchGetItem, and more only to fill the page.
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

/// The position of an invoice in a list in the order of issue.
fn issued(row: &InvoiceRow) -> InvoiceEntry {
    InvoiceEntry::new(row.invoice.issued_at, &row.invoice.number)
}
