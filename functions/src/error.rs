//! All errors of a call, independent of the transport. [`crate::http::problem`] is the only place that maps them to
//! responses.

use arcadia_api::{BodyError, FieldError};
use arcadia_domain::Rejection;
use arcadia_store::StoreError;

/// An error of a call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request has no verified claims.
    #[error("the request has no verified identity")]
    Unauthenticated,
    /// The caller is not permitted to do this, whatever the state of the records.
    #[error("{detail}")]
    Forbidden {
        /// A stable code.
        code: &'static str,
        /// A sentence for the caller.
        detail: &'static str,
    },
    /// The record of this kind does not exist, or is not visible to the caller.
    #[error("the {0} does not exist")]
    NotFound(&'static str),
    /// The request cannot be read.
    #[error("{detail}")]
    Malformed {
        /// A stable code.
        code: &'static str,
        /// A sentence for the caller.
        detail: String,
    },
    /// The body has unknown fields.
    #[error("unknown fields in the body")]
    UnknownFields(Vec<FieldError>),
    /// Fields of the body are missing or invalid.
    #[error("invalid fields in the body")]
    InvalidFields(Vec<FieldError>),
    /// The body is not sent as JSON, or has a Content-Encoding.
    #[error("the content type is not JSON")]
    UnsupportedMediaType,
    /// The body is too long.
    #[error("the body is too long")]
    TooLarge,
    /// The record's version does not match `If-Match`.
    #[error("If-Match does not match the record's version {current:?}")]
    PreconditionFailed {
        /// The current version; `None` if the record does not exist.
        current: Option<u64>,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// A rule of the domain rejects the command.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The deployment has more due steps than one request takes.
    #[error("the deployment has more due steps than one request takes")]
    CatchingUp,
    /// The tenant has more deployments than one request can add up.
    #[error("the tenant has too many deployments for one request")]
    TooManyDeployments,
    /// The tenant has more invoices than one request can add up.
    #[error("the tenant has too many invoices for one request")]
    TooManyInvoices,
    /// The store failed or rejected the write.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect of this service.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Malformed(reason) => {
                Self::malformed("malformed_json", format!("the body is not a JSON object: {reason}"))
            }
            BodyError::Unknown(fields) => Self::UnknownFields(fields),
            BodyError::Invalid(fields) => Self::InvalidFields(fields),
        }
    }
}

impl Error {
    /// Builds an [`Error::Malformed`].
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Malformed { code, detail: detail.into() }
    }

    /// Whether a repeated request can get this error because the first one was carried out.
    #[must_use]
    pub const fn may_follow_success(&self) -> bool {
        match self {
            Self::PreconditionFailed { .. } | Self::Rejected(_) | Self::CatchingUp => true,
            Self::Store(error) => match error {
                StoreError::VersionConflict
                | StoreError::SlugTaken
                | StoreError::TrialTaken
                | StoreError::ReferenceTaken
                | StoreError::CatalogConflict
                | StoreError::TenantConflict
                | StoreError::QuotaExceeded
                | StoreError::TenantHeld
                | StoreError::CouponExhausted
                | StoreError::TooManyOperations
                | StoreError::Damaged(_)
                | StoreError::Refused(_) => true,
                StoreError::Answered(_)
                | StoreError::ResultTaken
                | StoreError::KeyInUse
                | StoreError::Unavailable(_)
                | StoreError::Unbuildable(_)
                | StoreError::BadMessage(_)
                | StoreError::Denied(_) => false,
            },
            Self::Unauthenticated
            | Self::Forbidden { .. }
            | Self::NotFound(_)
            | Self::Malformed { .. }
            | Self::UnknownFields(_)
            | Self::InvalidFields(_)
            | Self::UnsupportedMediaType
            | Self::TooLarge
            | Self::TooManyDeployments
            | Self::TooManyInvoices
            | Self::KeyReused
            | Self::Internal(_) => false,
        }
    }
}
