//! Problems: the only place that maps errors to responses (RFC 9457).

use arcadia_api::{FieldError, MAX_BODY_LEN};
use arcadia_domain::lifecycle::Barrier;
use arcadia_domain::{MAX_RUNNING_OPERATIONS, Rejection, State};
use arcadia_store::{MAX_SUMMED_DEPLOYMENTS, MAX_SUMMED_INVOICES, StoreError};
use lambda_http::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::Error;

/// `Retry-After` when DynamoDB is short of capacity, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// A problem response.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable code.
    pub code: &'static str,
    /// A sentence for the caller.
    pub detail: String,
    /// Additional members of the body.
    pub members: Map<String, Value>,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
    /// The record's current version after a failed `If-Match`, for `ETag`.
    pub current_version: Option<u64>,
}

impl Problem {
    /// A problem without additional members.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), members: Map::new(), retry_after_s: None, current_version: None }
    }

    /// The response body.
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
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "The request needs a valid bearer token.")
            }
            Error::Forbidden { code, detail } => Self::new(StatusCode::FORBIDDEN, code, sentence(detail)),
            Error::NotFound(what) => not_found(what),
            Error::Malformed { code, detail } => Self::new(StatusCode::BAD_REQUEST, code, sentence(detail)),
            Error::UnknownFields(errors) => fields(StatusCode::BAD_REQUEST, "unknown_field", errors),
            Error::InvalidFields(errors) => fields(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", errors),
            Error::UnsupportedMediaType => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the body as Content-Type: application/json, without a Content-Encoding.",
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
                    "If-Match does not match the record's current version. Read the record and decide again.",
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
                    "The deployment still has due billing steps. Send the request again.",
                )
            },
            Error::TooManyDeployments => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_many_deployments",
                format!("The tenant has more than {MAX_SUMMED_DEPLOYMENTS} deployments, the maximum for this request."),
            ),
            Error::TooManyInvoices => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_many_invoices",
                format!("The tenant has more than {MAX_SUMMED_INVOICES} invoices, the maximum for a statement."),
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
        Rejection::TenantHeld => store(&StoreError::TenantHeld),
        Rejection::SubscriptionRequired => conflict("subscription_required"),
        Rejection::PlanVersionNotPermitted { .. } => forbidden("plan_version_not_permitted"),
        Rejection::ScheduledByPlatform => forbidden("scheduled_by_platform"),
        Rejection::AlreadySubscribed => conflict("already_subscribed"),
        Rejection::NotSubscribed => conflict("not_subscribed"),
        Rejection::SubscriptionPaused => conflict("subscription_paused"),
        Rejection::NotSubscribable(_) => unprocessable("not_subscribable"),
        Rejection::UnknownPlan(_) => unprocessable("unknown_plan"),
        Rejection::UnknownPlanVersion { .. } => unprocessable("unknown_plan_version"),
        Rejection::PlanVersionClosed { .. } => conflict("plan_version_closed"),
        Rejection::OwnChangeScheduled { .. } => conflict("own_change_scheduled"),
        Rejection::CancellationScheduled => conflict("cancellation_scheduled"),
        Rejection::PriceChangeRunning { .. } => conflict("price_change_running"),
        Rejection::PlanRetired(_) => unprocessable("plan_retired"),
        Rejection::UnknownAddon(_) => unprocessable("unknown_addon"),
        Rejection::AddonRetired(_) => unprocessable("addon_retired"),
        Rejection::CurrencyMismatch { code, .. } => conflict("currency_mismatch").with("addon_code", code),
        Rejection::UnknownCoupon(_) => unprocessable("unknown_coupon"),
        Rejection::CouponRetired(_) => unprocessable("coupon_retired"),
        Rejection::CouponExpired(_) => conflict("coupon_expired"),
        Rejection::CouponExhausted(_) => conflict("coupon_exhausted"),
        Rejection::CouponNotForPlan { .. } => conflict("coupon_not_for_plan"),
        Rejection::CouponCurrency { .. } => conflict("currency_mismatch"),
        Rejection::DiscountExists(_) => conflict("discount_exists"),
        Rejection::NoDiscount => conflict("no_discount"),
        Rejection::CurrencyChange => unprocessable("currency_change"),
        Rejection::TooManyAddons => unprocessable("too_many_addons"),
        Rejection::TooManyReplacedAddons => unprocessable("too_many_replaced_addons"),
        Rejection::TooManyChanges => unprocessable("too_many_changes"),
        Rejection::AddonNotAttached => not_found("add-on"),
        Rejection::TrialUsed(_) => conflict("trial_used"),
        Rejection::NoTrial => conflict("no_trial"),
        Rejection::NoPendingChange => conflict("no_pending_change"),
        Rejection::NoPendingCancellation => conflict("no_pending_cancellation"),
        Rejection::TooManyOpenInvoices => conflict("too_many_open_invoices"),
        Rejection::InvoiceNotOpen { status, verb: _ } => conflict("invoice_not_open").with("invoice_status", status),
        Rejection::InvoiceVoid => conflict("invoice_void"),
        Rejection::UnknownCharge(_) => unprocessable("unknown_charge"),
        Rejection::CreditExceedsCharge { remaining_cents, .. } => {
            unprocessable("credit_exceeds_charge").with("remaining_cents", remaining_cents)
        }
        Rejection::NothingToCredit => conflict("nothing_to_credit"),
        Rejection::TooManyCredits => unprocessable("too_many_credits"),
        Rejection::RefundExceedsPaid { paid_cents } => conflict("refund_exceeds_paid").with("paid_cents", paid_cents),
        Rejection::InsufficientBalance { balance_cents, .. } => {
            conflict("insufficient_balance").with("balance_cents", balance_cents)
        }
        Rejection::TooMuchBalance => unprocessable("too_much_balance"),
        Rejection::UnknownPayment => not_found("payment"),
        Rejection::PaymentReversed => conflict("payment_reversed"),
        Rejection::TooManyWriteOffs => unprocessable("too_many_write_offs"),
        Rejection::NothingForgiven => conflict("nothing_forgiven"),
        Rejection::InvoiceJustOpened | Rejection::ResourceJustDeleted => store(&StoreError::VersionConflict),
        Rejection::PaymentCurrency(currency) => unprocessable("payment_currency").with("currency", currency),
        Rejection::Overpayment { due_cents } => unprocessable("overpayment").with("due_cents", due_cents),
        Rejection::PaymentReferenceReused => conflict("payment_reference_reused"),
        Rejection::TooManyPayments => unprocessable("too_many_payments"),
        Rejection::InvoiceHasPayments => conflict("invoice_has_payments"),
        Rejection::InvoiceBalanceUsed => conflict("invoice_balance_used"),
    }
}

fn store(error: &StoreError) -> Problem {
    match error {
        StoreError::VersionConflict => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            "Another request changed the deployment at the same time. Nothing was changed; read it and decide again.",
        ),
        StoreError::SlugTaken => {
            Problem::new(StatusCode::CONFLICT, "slug_taken", "The tenant already has a deployment with this slug.")
        }
        StoreError::TrialTaken => {
            Problem::new(StatusCode::CONFLICT, "trial_used", "The tenant has already used its trial of the plan.")
        }
        StoreError::ReferenceTaken => Problem::new(
            StatusCode::CONFLICT,
            "payment_reference_reused",
            "The reference is already used for another payment.",
        ),
        StoreError::CatalogConflict => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            "Another request changed the catalog at the same time. Nothing was changed; read it and decide again.",
        ),
        StoreError::CouponExhausted => {
            Problem::new(StatusCode::CONFLICT, "coupon_exhausted", "The coupon has been granted as often as it can be.")
        }
        StoreError::TenantConflict => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            "Another request changed the tenant at the same time. Nothing was changed; read it and decide again.",
        ),
        StoreError::QuotaExceeded => Problem::new(
            StatusCode::CONFLICT,
            "quota_exceeded",
            "The tenant has as many live deployments as its quota allows. Archive one, or ask for a higher quota.",
        ),
        StoreError::TenantHeld => Problem::new(
            StatusCode::CONFLICT,
            "tenant_held",
            "The tenant is on hold: until it is released, its deployments cannot be created or resumed.",
        ),
        StoreError::TooManyOperations => Problem::new(
            StatusCode::CONFLICT,
            "too_many_operations",
            format!("{MAX_RUNNING_OPERATIONS} operations run, the maximum. Wait for one to end, or stop one."),
        ),
        StoreError::Answered(_) => key_reused(),
        StoreError::KeyInUse => Problem {
            retry_after_s: Some(RETRY_AFTER_S),
            ..Problem::new(
                StatusCode::CONFLICT,
                "idempotency_key_in_use",
                "A request with this Idempotency-Key is in progress. Send the request again later.",
            )
        },
        StoreError::Unavailable(_) => Problem {
            retry_after_s: Some(RETRY_AFTER_S),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service is temporarily short of capacity. Send the request again.",
            )
        },
        StoreError::Damaged(_)
        | StoreError::ResultTaken
        | StoreError::Unbuildable(_)
        | StoreError::BadMessage(_)
        | StoreError::Refused(_)
        | StoreError::Denied(_) => internal(),
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
        "This Idempotency-Key was used for another request. Nothing was changed; use a new key for a new request.",
    )
}

fn not_found(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", format!("The {what} does not exist."))
}

fn internal() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The service failed. The error has been logged.")
}

/// Turns a phrase into a sentence.
fn sentence(phrase: &str) -> String {
    let mut chars = phrase.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
