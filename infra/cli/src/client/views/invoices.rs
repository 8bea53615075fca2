//! Invoices and balances.

use arcadia_api::answer::{
    ChargeAnswer, InvoiceAnswer, InvoiceList, InvoiceRowList, RefundAnswer, SettledInvoiceAnswer,
};
use arcadia_api::{DeploymentView, InvoiceView};
use arcadia_domain::{Line, Refund, ReversalKind};

use super::{full_name, line_row, list};
use crate::client::text::{BOLD, Cell, DIM, Text, cell, date, minute, money, plain, state, status};

const HEADS: [&str; 7] = ["number", "status", "total", "due", "issued", "due on", "deployment"];

fn invoice_row(one: &InvoiceView<'_>) -> Vec<Cell> {
    let currency = one.invoice.currency;
    vec![
        plain(one.invoice.number.as_str()),
        status(one.invoice.status),
        plain(&money(one.invoice.total_cents, currency)).right(),
        cell(BOLD, &money(one.due_cents, currency)).right(),
        plain(&date(one.invoice.issued_at)),
        plain(&date(one.invoice.due_at)),
    ]
}

/// The invoices of a single deployment.
pub fn invoices(page: &InvoiceList<'_>) -> Text {
    list(&HEADS[..HEADS.len() - 1], &page.invoices, invoice_row)
}

/// Invoices across deployments.
pub fn invoice_rows(page: &InvoiceRowList<'_>) -> Text {
    list(&HEADS, &page.invoices, |one| {
        let mut row = invoice_row(&one.invoice);
        row.push(plain(&format!("{}/{}", one.tenant_id, one.slug)));
        row
    })
}

pub fn invoice(answer: &InvoiceAnswer<'_>) -> Text {
    let mut text = Text::default();
    append_invoice(&mut text, &answer.invoice);
    text
}

/// An invoice after a command, with its deployment.
pub fn settled(answer: &SettledInvoiceAnswer<'_>) -> Text {
    let mut text = Text::default();
    append_invoice(&mut text, &answer.invoice);
    append_deployment(&mut text, &answer.deployment);
    text
}

fn append_deployment(text: &mut Text, one: &DeploymentView<'_>) {
    text.line([cell(BOLD, &full_name(one)), plain(" is "), state(one.state)]);
}

pub(super) fn append_invoice(text: &mut Text, one: &InvoiceView<'_>) {
    let invoice = &*one.invoice;
    let amount = |cents: i64| plain(&money(cents, invoice.currency)).right();
    text.line([
        cell(BOLD, &format!("invoice {}", invoice.number)),
        plain(" is "),
        status(invoice.status),
        plain(&format!(", {} due on {}", money(one.due_cents, invoice.currency), date(invoice.due_at))),
    ]);
    // A credit note names the charge of a line.
    let with_charge = |line: &Line| [line_row(line), vec![cell(DIM, &line.charge.to_string())]].concat();
    let mut rows: Vec<Vec<Cell>> = invoice.lines.iter().map(with_charge).collect();
    rows.push(vec![cell(BOLD, &money(invoice.total_cents, invoice.currency)).right(), cell(BOLD, "total")]);
    rows.extend(invoice.credits.iter().map(|credit| {
        vec![
            amount(credit.amount_cents),
            plain("credited"),
            plain(&credit.charge.to_string()),
            cell(DIM, &minute(credit.credited_at)),
        ]
    }));
    if invoice.balance_cents > 0 {
        rows.push(vec![amount(invoice.balance_cents), plain("from balance")]);
    }
    rows.extend(invoice.payments.iter().map(|payment| {
        vec![
            amount(payment.amount_cents),
            plain(match payment.reversal.as_ref().map(|reversal| reversal.kind) {
                Some(ReversalKind::Mistake) => "reversed: a mistake",
                Some(ReversalKind::Chargeback) => "reversed: charged back",
                None => "paid",
            }),
            plain(payment.reference.as_str()),
            cell(DIM, &minute(payment.received_at)),
        ]
    }));
    if invoice.returned_cents > 0 {
        rows.push(vec![amount(invoice.returned_cents), plain("became balance")]);
    }
    if one.forgiven_cents > 0 {
        rows.push(vec![amount(one.forgiven_cents), plain("written off")]);
    }
    text.table(2, &rows);
}

/// A charge made once, and its invoice if it was issued at once.
pub fn charge(answer: &ChargeAnswer<'_>) -> Text {
    let mut text = Text::default();
    if let Some(invoice) = &answer.invoice {
        append_invoice(&mut text, invoice);
    } else {
        text.line([plain("charged with the next invoice:")]);
        let rows: Vec<Vec<Cell>> = answer.lines.iter().map(|line| line_row(line)).collect();
        text.table(2, &rows);
    }
    text
}

/// A refund with the balances and open invoices that it leaves.
pub fn refund(answer: &RefundAnswer<'_>) -> Text {
    balances(&answer.deployment, answer.refund.as_deref())
}

/// A deployment's balances and open invoices, with a refund if there is one.
pub fn balances(one: &DeploymentView<'_>, refund: Option<&Refund>) -> Text {
    let mut text = Text::default();
    if let Some(refund) = refund {
        let amount = money(refund.amount_cents, refund.currency);
        text.line([plain("refund "), cell(BOLD, refund.reference.as_str()), plain(&format!(" of {amount}"))]);
    }
    append_deployment(&mut text, one);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for balance in &*one.balances {
        rows.push(vec![plain(&money(balance.amount_cents, balance.currency)).right(), plain("balance")]);
    }
    for open in &*one.open_invoices {
        let due = format!("due on {}", date(open.due_at));
        let amount = plain(&money(open.due_cents, open.currency)).right();
        rows.push(vec![amount, plain(&due), plain(open.number.as_str())]);
    }
    if rows.is_empty() {
        text.line([cell(DIM, "no balance and no open invoice")]);
    }
    text.table(2, &rows);
    text
}
