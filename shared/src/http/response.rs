//! Answers.

use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::{Deployment, Template};

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
}

impl Answer {
    /// A plain answer.
    #[must_use]
    pub const fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body, version: None, location: None }
    }

    /// An answer that shows a deployment in its present version.
    #[must_use]
    pub const fn versioned(body: Value, version: u64) -> Self {
        Self { status: StatusCode::OK, body, version: Some(version), location: None }
    }

    /// An answer to a creation.
    #[must_use]
    pub fn created(body: Value, version: u64, location: impl Into<String>) -> Self {
        Self { status: StatusCode::CREATED, body, version: Some(version), location: Some(location.into()) }
    }
}

/// A deployment as callers see it.
#[must_use]
pub fn deployment_view(deployment: &Deployment) -> Value {
    let Deployment {
        id,
        tenant_id,
        slug,
        display_name,
        region,
        state,
        state_since,
        llm_mode,
        billing_action_suspended,
        template,
        trial_ends_at,
        resume_at,
        live_resources,
        open_invoices,
        version,
        created_at,
        updated_at,
    } = deployment;
    let (template_code, template_version) = template.as_ref().map(|Template { code, version }| (code, version)).unzip();
    json!({
        "id": id,
        "tenant_id": tenant_id,
        "slug": slug,
        "display_name": display_name,
        "region": region,
        "state": state,
        "state_since": state_since,
        "llm_mode": llm_mode,
        "billing_action_suspended": billing_action_suspended,
        "template_code": template_code,
        "template_version": template_version,
        "trial_ends_at": trial_ends_at,
        "resume_at": resume_at,
        "live_resources": live_resources,
        "open_invoices": open_invoices,
        "version": version,
        "created_at": created_at,
        "updated_at": updated_at,
    })
}
