//! Problems: the one place that says what a caller is told when something went wrong (RFC 9457).

use arcadia_domain::lifecycle::Barrier;
use arcadia_domain::{Rejection, State};
use arcadia_store::{MAX_SUMMED_DEPLOYMENTS, MAX_SUMMED_INVOICES, StoreError};
use lambda_http::http::StatusCode;
use serde_json::{Map, Value, json};

use super::MAX_BODY_LEN;
use crate::Error;
use crate::error::FieldError;

/// When a caller who found DynamoDB short should come back, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// A problem, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// The stable code.
    pub code: &'static str,
    /// A sentence for the caller.
    pub detail: String,
    /// What else the body says.
    pub members: Map<String, Value>,
    /// When to come back, in seconds.
    pub retry_after_s: Option<u32>,
    /// The version that a record is in which `If-Match` does not name, for `ETag`.
    pub current_version: Option<u64>,
}

impl Problem {
    /// A problem with nothing to add.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), members: Map::new(), retry_after_s: None, current_version: None }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({
            "type": format!("urn:arcadia:problem:{}", self.code),
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let Value::Object(body) = &mut body {
            body.extend(self.members.clone());
        }
        body
    }

    fn with(mut self, name: &str, value: impl serde::Serialize) -> Self {
        self.members.insert(name.to_owned(), json!(value));
        self
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        match error {
            Error::Unauthenticated => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A valid bearer token is required.")
            }
            Error::Forbidden { code, detail } => Self::new(StatusCode::FORBIDDEN, code, sentence(detail)),
            Error::NotFound => not_found(),
            Error::Malformed { code, detail } => Self::new(StatusCode::BAD_REQUEST, code, sentence(detail)),
            Error::UnknownFields(errors) => fields(StatusCode::BAD_REQUEST, "unknown_field", errors),
            Error::InvalidFields(errors) => fields(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", errors),
            Error::UnsupportedMediaType => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body must be sent as Content-Type: application/json, and without a Content-Encoding.",
            ),
            Error::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "payload_too_large",
                format!("The body must be at most {MAX_BODY_LEN} bytes long."),
            ),
            Error::PreconditionFailed { current } => Self {
                current_version: *current,
                ..Self::new(
                    StatusCode::PRECONDITION_FAILED,
                    "precondition_failed",
                    "The record is not in a version that If-Match names.",
                )
            }
            .with("current_version", current),
            Error::KeyReused => key_reused(),
            Error::Rejected(rejection) => rejected(rejection),
            Error::CatchingUp => Self {
                retry_after_s: Some(RETRY_AFTER_S),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "catching_up",
                    "The deployment is being brought up to date with its billing. Send the request again.",
                )
            },
            Error::TooManyDeployments => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_many_deployments",
                format!("This adds up a tenant's deployments, up to {MAX_SUMMED_DEPLOYMENTS}; the tenant has more."),
            ),
            Error::TooManyInvoices => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_many_invoices",
                format!("A statement adds up a tenant's invoices, up to {MAX_SUMMED_INVOICES}; the tenant has more."),
            ),
            Error::Store(error) => store(error),
            Error::Internal(_) => internal(),
        }
    }
}

fn rejected(rejection: &Rejection) -> Problem {
    let unprocessable = |code| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, sentence(&rejection.to_string()));
    let forbidden = |code| Problem::new(StatusCode::FORBIDDEN, code, sentence(&rejection.to_string()));
    let conflict = |code| Problem::new(StatusCode::CONFLICT, code, sentence(&rejection.to_string()));
    let moves = |problem: Problem, from: &State, to: &State, allowed: &[State]| {
        problem.with("from", from).with("to", to).with("allowed_transitions", allowed)
    };
    match rejection {
        Rejection::InvalidTransition { from, to, allowed } => {
            moves(unprocessable("invalid_transition"), from, to, allowed)
        }
        Rejection::TransitionNotPermitted { from, to, barrier, allowed } => {
            let code = match barrier {
                Barrier::Role | Barrier::Owing => "transition_not_permitted",
                Barrier::Overdue => "invoice_overdue",
                Barrier::Held => "deployment_held",
            };
            moves(forbidden(code), from, to, allowed)
        }
        Rejection::LiveResources { count } => unprocessable("live_resources").with("live_resources", count),
        Rejection::OpenInvoices { count } => conflict("open_invoices").with("open_invoices", count),
        Rejection::Archived => unprocessable("deployment_archived"),
        Rejection::TooManyResources => unprocessable("too_many_resources"),
        Rejection::InvalidInitialState(_) => unprocessable("invalid_initial_state"),
        Rejection::InvalidField { field, code, detail } => {
            let error = FieldError { pointer: format!("/{field}"), code, detail: (*detail).to_owned() };
            fields(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", &[error])
        }
        Rejection::RoleNotPermitted => forbidden("role_not_permitted"),
        Rejection::FieldNotPermitted { .. } => forbidden("field_not_permitted"),
        Rejection::PlanVersionNotPermitted { .. } => forbidden("plan_version_not_permitted"),
        Rejection::ScheduledByPlatform => forbidden("scheduled_by_platform"),
        Rejection::AlreadySubscribed => conflict("already_subscribed"),
        Rejection::NotSubscribed => conflict("not_subscribed"),
        Rejection::SubscriptionPaused => conflict("subscription_paused"),
        Rejection::NotSubscribable(_) => unprocessable("not_subscribable"),
        Rejection::UnknownPlan(_) => unprocessable("unknown_plan"),
        Rejection::UnknownPlanVersion { .. } => unprocessable("unknown_plan_version"),
        Rejection::PlanRetired(_) => unprocessable("plan_retired"),
        Rejection::UnknownAddon(_) => unprocessable("unknown_addon"),
        Rejection::AddonRetired(_) => unprocessable("addon_retired"),
        Rejection::CurrencyMismatch { code, .. } => conflict("currency_mismatch").with("addon_code", code),
        Rejection::CurrencyChange => unprocessable("currency_change"),
        Rejection::TooManyAddons => unprocessable("too_many_addons"),
        Rejection::TooManyReplacedAddons => unprocessable("too_many_replaced_addons"),
        Rejection::TooManyChanges => unprocessable("too_many_changes"),
        Rejection::AddonNotAttached => not_found(),
        Rejection::TrialUsed(_) => conflict("trial_used"),
        Rejection::NoTrial => conflict("no_trial"),
        Rejection::NoPendingChange => conflict("no_pending_change"),
        Rejection::NoPendingCancellation => conflict("no_pending_cancellation"),
        Rejection::TooManyOpenInvoices => conflict("too_many_open_invoices"),
        Rejection::InvoiceNotOpen(status) => conflict("invoice_not_open").with("invoice_status", status),
        Rejection::InvoiceJustOpened | Rejection::ResourceJustDeleted => store(&StoreError::VersionConflict),
        Rejection::PaymentCurrency(currency) => unprocessable("payment_currency").with("currency", currency),
        Rejection::Overpayment { due_cents } => unprocessable("overpayment").with("due_cents", due_cents),
        Rejection::PaymentReferenceReused => conflict("payment_reference_reused"),
        Rejection::TooManyPayments => unprocessable("too_many_payments"),
        Rejection::InvoiceHasPayments => conflict("invoice_has_payments"),
    }
}

fn store(error: &StoreError) -> Problem {
    match error {
        StoreError::VersionConflict => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            "The deployment was changed by someone else at the same moment. Nothing was done; read it and decide anew.",
        ),
        StoreError::SlugTaken => {
            Problem::new(StatusCode::CONFLICT, "slug_taken", "The tenant already has a deployment of this slug.")
        }
        StoreError::TrialTaken => {
            Problem::new(StatusCode::CONFLICT, "trial_used", "The tenant has had its trial of the plan.")
        }
        StoreError::ReferenceTaken => {
            Problem::new(StatusCode::CONFLICT, "payment_reference_reused", "The reference stands for another payment.")
        }
        StoreError::CatalogConflict => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            "The catalog was changed by someone else at the same moment. Nothing was done; read it and decide anew.",
        ),
        StoreError::Answered(_) => key_reused(),
        StoreError::KeyInUse => Problem {
            retry_after_s: Some(RETRY_AFTER_S),
            ..Problem::new(
                StatusCode::CONFLICT,
                "idempotency_key_in_use",
                "A request with this Idempotency-Key is being carried out. Send it again.",
            )
        },
        StoreError::Unavailable(_) => Problem {
            retry_after_s: Some(RETRY_AFTER_S),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service is short of capacity for a moment. Send the request again.",
            )
        },
        StoreError::Damaged(_) | StoreError::Refused(_) | StoreError::Denied(_) => internal(),
    }
}

fn fields(status: StatusCode, code: &'static str, errors: &[FieldError]) -> Problem {
    let list: Vec<String> = errors.iter().map(|e| format!("{} {}", e.pointer, e.detail)).collect();
    Problem::new(status, code, sentence(&list.join("; "))).with("errors", errors)
}

fn key_reused() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "This Idempotency-Key was sent with another request before. Nothing was done; use a new key for a new request.",
    )
}

fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no such record.")
}

fn internal() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something is wrong on our side. It has been logged.")
}

/// Makes a sentence of a phrase.
fn sentence(phrase: &str) -> String {
    let mut chars = phrase.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
