//! Updates of invoices that a commit has not read: credits, balance, later due dates and giving up. The commit is conditional on the
//! deployment's version, and the deployment lists the status and the amount due of its invoices. Lists of invoices are
//! in [`super::invoice_list`].

use arcadia_domain::{
    Aggregate, Change, Credit, Deployment, Entry, Event, EventKind, InvoiceNumber, InvoiceStatus, OpenInvoice,
    Timestamp,
};
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};

use super::item::{number, string, to_item};
use super::keys::{self, InvoiceEntry, Key};
use super::{Store, StoreError};

impl Store {
    /// The updates of the invoices that a commit has not read, one for each.
    pub(super) fn invoice_updates(
        &self,
        change: &Change,
        given_up: &[InvoiceNumber],
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let deployment = &change.after.deployment;
        let given_up = given_up.iter().map(|number| self.give_up(number, deployment));
        let entered = invoice_updates(change);
        let entered =
            entered.iter().map(|update| self.update_invoice(keys::invoice(deployment.id, update.number), update));
        given_up.chain(entered).collect()
    }

    /// The update that makes an open invoice uncollectible.
    fn give_up(&self, number_of_it: &InvoiceNumber, after: &Deployment) -> Result<TransactWriteItem, StoreError> {
        let status = InvoiceStatus::Uncollectible;
        let update = self
            .update(keys::invoice(after.id, number_of_it))
            .update_expression(
                "SET #record.#status = :uncollectible, #record.closed_at = :at, #record.version = :version, \
                GSI3PK = :partition",
            )
            .condition_expression("#record.#status = :open")
            .expression_attribute_values(":uncollectible", string(status.as_str()))
            .expression_attribute_values(
                ":partition",
                string(keys::invoice_status_partition(status, after.id, self.due_shards)),
            )
            .expression_attribute_values(":open", string(InvoiceStatus::Open.as_str()))
            .expression_attribute_values(":at", timestamp(after.updated_at)?)
            .expression_attribute_values(":version", number(after.version))
            .build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The update that adds credits and balance to an invoice, and makes it paid if nothing is due any more.
    fn update_invoice(&self, key: Key, update: &InvoiceUpdate<'_>) -> Result<TransactWriteItem, StoreError> {
        let InvoiceUpdate {
            number: number_of_it,
            was,
            is_settled,
            credited_cents,
            returned_cents,
            balance_cents,
            credits,
            due_at,
            ..
        } = update;
        let mut expression = "SET #record.version = :version".to_owned();
        let mut builder = self.update(key).expression_attribute_values(":version", number(update.version));
        builder = match was {
            Some(was) => builder
                .condition_expression("#record.#status = :was")
                .expression_attribute_values(":was", string(was.as_str())),
            // An invoice that is not owed is paid or written off, and stays so.
            None => builder
                .condition_expression("#record.#status = :settled OR #record.#status = :written_off")
                .expression_attribute_values(":settled", string(InvoiceStatus::Paid.as_str()))
                .expression_attribute_values(":written_off", string(InvoiceStatus::WrittenOff.as_str())),
        };
        let sums =
            [("credited_cents", credited_cents), ("returned_cents", returned_cents), ("balance_cents", balance_cents)];
        let added: Vec<_> = sums.into_iter().filter(|(_, cents)| **cents != 0).collect();
        // An amount of zero is not stored, so the attribute can be missing.
        for (name, cents) in &added {
            expression.push_str(&format!(", #record.{name} = if_not_exists(#record.{name}, :zero) + :{name}"));
            builder = builder.expression_attribute_values(format!(":{name}"), number(cents));
        }
        if !added.is_empty() {
            builder = builder.expression_attribute_values(":zero", number(0));
        }
        if !credits.is_empty() {
            let credits = credits.iter().map(|credit| to_item(credit).map(AttributeValue::M));
            let credits = AttributeValue::L(credits.collect::<Result<_, _>>()?);
            expression.push_str(", #record.credits = list_append(if_not_exists(#record.credits, :none), :credits)");
            builder = builder
                .expression_attribute_values(":credits", credits)
                .expression_attribute_values(":none", AttributeValue::L(Vec::new()));
        }
        if let Some(due_at) = *due_at {
            expression.push_str(", #record.due_at = :due_at");
            builder = builder.expression_attribute_values(":due_at", timestamp(due_at)?);
            if !is_settled {
                let entry = InvoiceEntry::new(due_at, number_of_it);
                expression.push_str(", GSI3SK = :entry");
                builder = builder.expression_attribute_values(":entry", string(entry.to_string()));
            }
        }
        if *is_settled {
            expression.push_str(", #record.#status = :paid, #record.closed_at = :at REMOVE GSI3PK, GSI3SK");
            builder = builder
                .expression_attribute_values(":paid", string(InvoiceStatus::Paid.as_str()))
                .expression_attribute_values(":at", timestamp(update.at)?);
        }
        let update = builder.update_expression(expression).build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The builder of an update of an invoice.
    fn update(&self, key: Key) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .key("PK", string(key.pk))
            .key("SK", string(key.sk))
            .expression_attribute_names("#record", "record")
            .expression_attribute_names("#status", "status")
    }
}

/// The entries of a change on one invoice that it has not read.
struct InvoiceUpdate<'a> {
    number: &'a InvoiceNumber,
    /// The status before the change; `None` if it was not owed.
    was: Option<InvoiceStatus>,
    /// Whether nothing is due any more.
    is_settled: bool,
    credited_cents: i64,
    returned_cents: i64,
    balance_cents: i64,
    credits: Vec<Credit>,
    /// The due date, if it has another one.
    due_at: Option<Timestamp>,
    /// The sequence of the first event that changes the invoice.
    version: u64,
    at: Timestamp,
}

/// The entries and later due dates of a change by invoice: one update for each, however many name it.
fn invoice_updates(change: &Change) -> Vec<InvoiceUpdate<'_>> {
    let Some(before) = &change.before else { return Vec::new() };
    let mut updates: Vec<InvoiceUpdate<'_>> = Vec::new();
    for event in &change.events {
        let at = event.occurred_at;
        if let EventKind::InvoiceDueDateChanged { number, due_at } = &event.kind
            && let Some(update) = update_of(&mut updates, change, before, event, number)
        {
            update.due_at = Some(due_at.to);
        }
        for entry in &event.entries {
            let (number, credit, returned, balance) = match entry {
                Entry::Credited { line, invoice: Some(number), lowered_cents, returned_cents } => {
                    let credit = Credit::of(line, *lowered_cents, *returned_cents, at);
                    (number, Some(credit), *returned_cents, 0)
                }
                Entry::BalanceUsed { number, amount_cents, currency: _ } => (number, None, 0, *amount_cents),
                Entry::Charged { .. }
                | Entry::Credited { .. }
                | Entry::BalanceReturned { .. }
                | Entry::BalanceGranted { .. }
                | Entry::BalancePaidBack { .. } => continue,
            };
            if let Some(update) = update_of(&mut updates, change, before, event, number) {
                update.credited_cents += credit.as_ref().map_or(0, |credit| credit.amount_cents);
                update.returned_cents += returned;
                update.balance_cents += balance;
                update.credits.extend(credit);
            }
        }
    }
    updates
}

/// The update of an invoice that an event of a change names, as far as it is made; `None` for the invoice that was read,
/// which is written whole.
fn update_of<'u, 'c>(
    updates: &'u mut Vec<InvoiceUpdate<'c>>,
    change: &'c Change,
    before: &Aggregate,
    event: &Event,
    number: &'c InvoiceNumber,
) -> Option<&'u mut InvoiceUpdate<'c>> {
    if change.invoice.as_ref().is_some_and(|read| read.number == *number) {
        return None;
    }
    let lists = |owed: &[OpenInvoice]| owed.iter().any(|owed| owed.number == *number);
    let index = updates.iter().position(|update| update.number == number).unwrap_or_else(|| {
        let was = if lists(&before.deployment.open_invoices) {
            Some(InvoiceStatus::Open)
        } else if lists(&before.deployment.uncollectible_invoices) {
            Some(InvoiceStatus::Uncollectible)
        } else {
            None
        };
        let after = &change.after.deployment;
        let is_owed = lists(&after.open_invoices) || lists(&after.uncollectible_invoices);
        updates.push(InvoiceUpdate {
            number,
            was,
            is_settled: was.is_some() && !is_owed,
            credited_cents: 0,
            returned_cents: 0,
            balance_cents: 0,
            credits: Vec::new(),
            due_at: None,
            version: event.sequence,
            at: event.occurred_at,
        });
        updates.len() - 1
    });
    updates.get_mut(index)
}

/// The stored form of a time.
fn timestamp(at: Timestamp) -> Result<AttributeValue, StoreError> {
    let at = serde_json::to_value(at).map_err(|error| StoreError::Damaged(error.into()))?;
    Ok(string(at.as_str().unwrap_or_default()))
}
