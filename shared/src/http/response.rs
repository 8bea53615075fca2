//! Answers.

use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use super::view::{DeploymentRowView, DeploymentView, InvoiceView, SubscriptionView};
use crate::domain::{Aggregate, Invoice};
use crate::store::DeploymentRow;

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
}

impl Answer {
    /// A plain answer.
    #[must_use]
    pub const fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body, version: None, location: None, replayed: false }
    }

    /// An answer that shows a deployment in its present version.
    #[must_use]
    pub const fn versioned(body: Value, version: u64) -> Self {
        Self { status: StatusCode::OK, body, version: Some(version), location: None, replayed: false }
    }

    /// An answer to a creation.
    pub fn created(body: Value, version: u64, location: impl Into<String>) -> Self {
        let (version, location) = (Some(version), Some(location.into()));
        Self { status: StatusCode::CREATED, body, version, location, replayed: false }
    }
}

/// A deployment as callers see it.
#[must_use]
pub fn deployment_view(aggregate: &Aggregate) -> Value {
    json!(DeploymentView::new(&aggregate.deployment, aggregate.next_action(), Some(aggregate.upcoming())))
}

/// A deployment as callers see it in a list, with what it has bought in short.
#[must_use]
pub fn deployment_row_view(row: &DeploymentRow) -> Value {
    let deployment = DeploymentView::new(&row.deployment, row.next_action, None);
    json!(DeploymentRowView { deployment, subscription: row.subscription.as_ref() })
}

/// The subscription of a deployment as callers see it, with its add-ons; null if there never was one.
#[must_use]
pub fn subscription_view(aggregate: &Aggregate) -> Value {
    json!(aggregate.subscription.as_ref().map(|subscription| SubscriptionView::new(subscription, &aggregate.addons)))
}

/// An invoice as callers see it.
#[must_use]
pub fn invoice_view(invoice: &Invoice) -> Value {
    json!(InvoiceView { invoice, due_cents: invoice.due_cents() })
}
