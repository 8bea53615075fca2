//! The stored form of an invoice. It does not repeat what its key says, nor in its lines what the invoice says: an
//! invoice of three lines and a payment stays within 1 KB, index keys included, because every KB of it is written four
//! times.

use arcadia_domain::{
    ChargeId, Credit, Currency, DisplayName, Invoice, InvoiceRow, InvoiceStatus, Line, LineKind, Payment, ShortCode,
    Slug, SubscriptionId, Timestamp, WriteOff,
};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::item::{Item, from_item, to_item};
use super::keys::{self, InvoiceEntry, Key};

#[derive(Debug, Serialize, Deserialize)]
struct InvoiceItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "GSI1PK")]
    gsi1_pk: String,
    #[serde(rename = "GSI1SK")]
    gsi1_sk: String,
    #[serde(rename = "GSI2PK")]
    gsi2_pk: String,
    #[serde(rename = "GSI2SK")]
    gsi2_sk: String,
    #[serde(rename = "GSI3PK", default, skip_serializing_if = "Option::is_none")]
    gsi3_pk: Option<String>,
    #[serde(rename = "GSI3SK", default, skip_serializing_if = "Option::is_none")]
    gsi3_sk: Option<String>,
    #[serde(rename = "type")]
    kind: Tag,
    record: StoredInvoice,
}

#[derive(Debug, Serialize, Deserialize)]
enum Tag {
    #[serde(rename = "invoice")]
    Tag,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredInvoice {
    slug: Slug,
    subscription_id: SubscriptionId,
    status: InvoiceStatus,
    currency: Currency,
    billed_from: Timestamp,
    billed_to: Timestamp,
    lines: Vec<StoredLine>,
    total_cents: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    credited_cents: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    returned_cents: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    balance_cents: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    paid_cents: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    credits: Vec<Credit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    payments: Vec<Payment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    write_offs: Vec<WriteOff>,
    issued_at: Timestamp,
    due_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reopened_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
    version: u64,
}

/// The stored form of a line. Its currency is the invoice's, and so is its span unless it has its own.
#[derive(Debug, Serialize, Deserialize)]
struct StoredLine {
    charge: ChargeId,
    kind: LineKind,
    code: ShortCode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<DisplayName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tax_rate_basis_points: Option<u32>,
    amount_cents: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Timestamp>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
pub(super) const fn is_zero(cents: &i64) -> bool {
    *cents == 0
}

/// Converts an invoice to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the invoice cannot be expressed.
pub fn from_invoice(row: &InvoiceRow, due_shards: u8) -> Result<Item, StoreError> {
    let InvoiceRow { tenant_id, slug, invoice } = row.clone();
    let Invoice {
        number,
        deployment_id,
        subscription_id,
        status,
        currency,
        billed_from,
        billed_to,
        lines,
        total_cents,
        credited_cents,
        returned_cents,
        balance_cents,
        paid_cents,
        credits,
        payments,
        write_offs,
        issued_at,
        due_at,
        reopened_at,
        closed_at,
        version,
    } = invoice;
    let issued = InvoiceEntry::new(issued_at, &number);
    let due = InvoiceEntry::new(due_at, &number);
    let Key { pk, sk } = keys::invoice(deployment_id, &number);
    let Key { pk: gsi1_pk, sk: gsi1_sk } = keys::invoice_of_tenant(&tenant_id, &issued);
    let Key { pk: gsi2_pk, sk: gsi2_sk } = keys::invoice_of_everyone(deployment_id, &issued, due_shards);
    let by_status = keys::invoice_by_status(status, deployment_id, &due, due_shards);
    let (gsi3_pk, gsi3_sk) = by_status.map(|key| (key.pk, key.sk)).unzip();
    let stored_line = |line: Line| {
        let Line { charge, kind, code, description, tax_rate_basis_points, amount_cents, currency: _, from, to } = line;
        let (from, to) = (Some(from).filter(|at| *at != billed_from), Some(to).filter(|at| *at != billed_to));
        StoredLine { charge, kind, code, description, tax_rate_basis_points, amount_cents, from, to }
    };
    let record = StoredInvoice {
        slug,
        subscription_id,
        status,
        currency,
        billed_from,
        billed_to,
        lines: lines.into_iter().map(stored_line).collect(),
        total_cents,
        credited_cents,
        returned_cents,
        balance_cents,
        paid_cents,
        credits,
        payments,
        write_offs,
        issued_at,
        due_at,
        reopened_at,
        closed_at,
        version,
    };
    to_item(&InvoiceItem { pk, sk, gsi1_pk, gsi1_sk, gsi2_pk, gsi2_sk, gsi3_pk, gsi3_sk, kind: Tag::Tag, record })
}

/// Reads an invoice.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is not an invoice.
pub fn to_invoice(item: Item) -> Result<InvoiceRow, StoreError> {
    let InvoiceItem { pk, sk, gsi1_pk, kind: Tag::Tag, record, .. } = from_item(item)?;
    let damaged =
        || StoreError::Damaged(format!("{pk} {sk} has no valid number, deployment or tenant of an invoice").into());
    let number = sk.strip_prefix(keys::INVOICE_PREFIX).and_then(|number| number.parse().ok());
    let deployment_id = keys::deployment_id(&pk);
    let tenant_id = keys::tenant_of_invoices(&gsi1_pk).ok_or_else(damaged)?;
    let StoredInvoice {
        slug,
        subscription_id,
        status,
        currency,
        billed_from,
        billed_to,
        lines,
        total_cents,
        credited_cents,
        returned_cents,
        balance_cents,
        paid_cents,
        credits,
        payments,
        write_offs,
        issued_at,
        due_at,
        reopened_at,
        closed_at,
        version,
    } = record;
    let line = |line: StoredLine| {
        let StoredLine { charge, kind, code, description, tax_rate_basis_points, amount_cents, from, to } = line;
        let (from, to) = (from.unwrap_or(billed_from), to.unwrap_or(billed_to));
        Line { charge, kind, code, description, tax_rate_basis_points, amount_cents, currency, from, to }
    };
    let invoice = Invoice {
        number: number.ok_or_else(damaged)?,
        deployment_id: deployment_id.ok_or_else(damaged)?,
        subscription_id,
        status,
        currency,
        billed_from,
        billed_to,
        lines: lines.into_iter().map(line).collect(),
        total_cents,
        credited_cents,
        returned_cents,
        balance_cents,
        paid_cents,
        credits,
        payments,
        write_offs,
        issued_at,
        due_at,
        reopened_at,
        closed_at,
        version,
    };
    Ok(InvoiceRow { tenant_id, slug, invoice })
}
