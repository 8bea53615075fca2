//! Answers.

use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use super::view::{DeploymentRowView, DeploymentView, InvoiceRowView, InvoiceView, RowAmounts, SubscriptionView};
use crate::domain::{Aggregate, Invoice, Timestamp};
use crate::store::{DeploymentRow, InvoiceRow};

/// What a handler answers with when all went well.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
    /// The version of the deployment that the body shows, for `ETag`.
    pub version: Option<u64>,
    /// Where what was created can be found.
    pub location: Option<String>,
    /// Whether it was given before, and nothing has been done now.
    pub replayed: bool,
    /// What is sent in place of the body, if the caller asked for it.
    pub csv: Option<Csv>,
}

/// A page of a list as comma-separated values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv {
    /// The lines, with a header: RFC 4180.
    pub text: String,
    /// The address of the next page, if there may be more.
    pub next: Option<String>,
}

impl Answer {
    /// A plain answer.
    #[must_use]
    pub const fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body, version: None, location: None, replayed: false, csv: None }
    }

    /// The same as comma-separated values.
    #[must_use]
    pub fn with_csv(self, csv: Option<Csv>) -> Self {
        Self { csv, ..self }
    }

    /// An answer that shows a deployment in its present version.
    #[must_use]
    pub const fn versioned(body: Value, version: u64) -> Self {
        Self { status: StatusCode::OK, body, version: Some(version), location: None, replayed: false, csv: None }
    }

    /// An answer to a creation.
    pub fn created(body: Value, version: u64, location: impl Into<String>) -> Self {
        let (version, location) = (Some(version), Some(location.into()));
        Self { status: StatusCode::CREATED, body, version, location, replayed: false, csv: None }
    }
}

/// A deployment as callers see it.
#[must_use]
pub fn deployment_view(aggregate: &Aggregate) -> Value {
    json!(DeploymentView::new(&aggregate.deployment, aggregate.next_action(), Some(aggregate.upcoming())))
}

/// A deployment as callers see it in a list, with what it has bought in short.
#[must_use]
pub fn deployment_row_view(row: &DeploymentRow, amounts_at: Option<Timestamp>) -> Value {
    let deployment = DeploymentView::new(&row.deployment, row.next_action, None);
    let amounts = amounts_at.map(|now| RowAmounts::new(row, now));
    json!(DeploymentRowView { deployment, subscription: row.subscription.as_ref(), amounts })
}

/// The subscription of a deployment as callers see it, with its add-ons; null if there never was one.
#[must_use]
pub fn subscription_view(aggregate: &Aggregate) -> Value {
    json!(aggregate.subscription.as_ref().map(|subscription| SubscriptionView::new(subscription, &aggregate.addons)))
}

/// An invoice as callers see it in a list of several deployments.
#[must_use]
pub fn invoice_row_view(row: &InvoiceRow) -> Value {
    let InvoiceRow { tenant_id, slug, invoice } = row;
    json!(InvoiceRowView { tenant_id, slug, invoice: InvoiceView { invoice, due_cents: invoice.due_cents() } })
}

/// An invoice as callers see it.
#[must_use]
pub fn invoice_view(invoice: &Invoice) -> Value {
    json!(InvoiceView { invoice, due_cents: invoice.due_cents() })
}
