//! Lists as comma-separated values.

use arcadia_domain::{Invoice, InvoiceRow, OperationResult, Timestamp};
use csv::{Terminator, WriterBuilder};

use super::{Call, Csv};
use crate::Error;

const INVOICE_COLUMNS: [&str; 21] = [
    "number",
    "tenant_id",
    "slug",
    "deployment_id",
    "subscription_id",
    "status",
    "currency",
    "subtotal_cents",
    "tax_cents",
    "tax_rate_basis_points",
    "total_cents",
    "credited_cents",
    "returned_cents",
    "balance_cents",
    "paid_cents",
    "due_cents",
    "issued_at",
    "due_at",
    "closed_at",
    "billed_from",
    "billed_to",
];

/// Renders a page of invoices as CSV (RFC 4180), one invoice per line, if the caller accepts CSV. Amounts are in minor
/// units, times in UTC.
///
/// # Errors
/// [`Error`] if the page cannot be written.
pub fn invoices_as_csv(call: &Call, rows: &[InvoiceRow], next_cursor: Option<&str>) -> Result<Option<Csv>, Error> {
    if !call.wants_csv() {
        return Ok(None);
    }
    let text = table(INVOICE_COLUMNS, rows.iter().map(invoice_record))?;
    Ok(Some(Csv { text, next: next_cursor.map(|cursor| call.next_address(cursor)) }))
}

fn invoice_record(row: &InvoiceRow) -> [String; 21] {
    let InvoiceRow { tenant_id, slug, invoice } = row;
    let Invoice {
        number,
        deployment_id,
        subscription_id,
        status,
        currency,
        billed_from,
        billed_to,
        lines: _,
        total_cents,
        credited_cents,
        returned_cents,
        balance_cents,
        paid_cents,
        credits: _,
        payments: _,
        write_offs: _,
        issued_at,
        due_at,
        reopened_at: _,
        closed_at,
        version: _,
    } = invoice;
    [
        number.to_string(),
        text(tenant_id.as_str()),
        text(slug.as_str()),
        deployment_id.to_string(),
        subscription_id.to_string(),
        status.as_str().to_owned(),
        currency.to_string(),
        invoice.subtotal_cents().to_string(),
        invoice.tax_cents().to_string(),
        invoice.tax_rate_basis_points().to_string(),
        total_cents.to_string(),
        credited_cents.to_string(),
        returned_cents.to_string(),
        balance_cents.to_string(),
        paid_cents.to_string(),
        invoice.due_cents().to_string(),
        time(*issued_at),
        time(*due_at),
        closed_at.map(time).unwrap_or_default(),
        time(*billed_from),
        time(*billed_to),
    ]
}

const OPERATION_RESULT_COLUMNS: [&str; 9] =
    ["deployment_id", "tenant_id", "slug", "outcome", "version", "status", "code", "detail", "at"];

/// Renders a page of an operation's results as CSV, one deployment per line, if the caller accepts CSV.
///
/// # Errors
/// [`Error`] if the page cannot be written.
pub fn operation_results_as_csv(
    call: &Call,
    results: &[OperationResult],
    next_cursor: Option<&str>,
) -> Result<Option<Csv>, Error> {
    if !call.wants_csv() {
        return Ok(None);
    }
    let text = table(OPERATION_RESULT_COLUMNS, results.iter().map(operation_result_record))?;
    Ok(Some(Csv { text, next: next_cursor.map(|cursor| call.next_address(cursor)) }))
}

fn operation_result_record(result: &OperationResult) -> [String; 9] {
    let OperationResult { deployment_id, tenant_id, slug, outcome, version, problem, at, page: _ } = result;
    let problem = problem.as_ref();
    [
        deployment_id.to_string(),
        tenant_id.as_ref().map(|tenant_id| text(tenant_id.as_str())).unwrap_or_default(),
        slug.as_ref().map(|slug| text(slug.as_str())).unwrap_or_default(),
        outcome.to_string(),
        version.map(|version| version.to_string()).unwrap_or_default(),
        problem.map(|problem| problem.status.to_string()).unwrap_or_default(),
        problem.map(|problem| problem.code.clone()).unwrap_or_default(),
        problem.map(|problem| text(&problem.detail)).unwrap_or_default(),
        time(*at),
    ]
}

fn table<const N: usize>(columns: [&str; N], records: impl Iterator<Item = [String; N]>) -> Result<String, Error> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    let written = writer.write_record(columns).and_then(|()| {
        let mut records = records;
        records.try_for_each(|record| writer.write_record(record))
    });
    let bytes = written.ok().and_then(|()| writer.into_inner().ok());
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Error::Internal("a page could not be written as CSV".to_owned()))
}

/// Escapes text chosen by users, so that spreadsheets do not read it as a formula.
fn text(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        let records = [["a".to_owned(), text("=1+1")], ["say \"hi\",\nyou".to_owned(), text("acme")]];
        let written = table(["one", "two"], records.into_iter()).unwrap();
        assert_eq!(written, "one,two\r\na,'=1+1\r\n\"say \"\"hi\"\",\nyou\",acme\r\n");
    }
}
