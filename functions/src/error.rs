//! Everything that can go wrong with a call, free of any transport. [`crate::http::problem`] is the one place that
//! says what the caller is told.

use arcadia_domain::Rejection;
use arcadia_store::StoreError;

/// Why a call was not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are no verified claims.
    #[error("the call carries no verified identity")]
    Unauthenticated,
    /// The caller may not do this, whatever the state of the records.
    #[error("{detail}")]
    Forbidden {
        /// A stable code.
        code: &'static str,
        /// A sentence for the caller.
        detail: &'static str,
    },
    /// There is no such record, or none that the caller may know of.
    #[error("not found")]
    NotFound,
    /// The request cannot be read.
    #[error("{detail}")]
    Malformed {
        /// A stable code.
        code: &'static str,
        /// A sentence for the caller.
        detail: String,
    },
    /// The body has fields that do not exist.
    #[error("unknown fields in the body")]
    UnknownFields(Vec<FieldError>),
    /// Fields of the body are missing or ill-formed.
    #[error("invalid fields in the body")]
    InvalidFields(Vec<FieldError>),
    /// The body is not JSON by its content type.
    #[error("the content type is not JSON")]
    UnsupportedMediaType,
    /// The body is too long.
    #[error("the body is too long")]
    TooLarge,
    /// The record is not in the version that the caller insists on.
    #[error("the record is in version {current:?}")]
    PreconditionFailed {
        /// The version it is in, if it is there.
        current: Option<u64>,
    },
    /// The idempotency key stands for another request.
    #[error("the idempotency key has been used for another request")]
    KeyReused,
    /// A rule forbids it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The clock is further behind with the deployment than one request catches up.
    #[error("the deployment is several steps of the clock behind")]
    CatchingUp,
    /// The tenant has more deployments than one request adds up.
    #[error("the tenant has too many deployments for one request")]
    TooManyDeployments,
    /// The tenant has more invoices than one request adds up.
    #[error("the tenant has too many invoices for one request")]
    TooManyInvoices,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own mistake.
    #[error("internal error: {0}")]
    Internal(String),
}

/// What is wrong with one field of a body.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// Where, as an RFC 6901 JSON pointer.
    pub pointer: String,
    /// A stable code.
    pub code: &'static str,
    /// A sentence for the caller.
    pub detail: String,
}

impl Error {
    /// A request that cannot be read.
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Malformed { code, detail: detail.into() }
    }

    /// Whether it can be what a repetition of a request meets that has been carried out.
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
                | StoreError::Damaged(_)
                | StoreError::Refused(_) => true,
                StoreError::Answered(_) | StoreError::KeyInUse | StoreError::Unavailable(_) | StoreError::Denied(_) => {
                    false
                }
            },
            Self::Unauthenticated
            | Self::Forbidden { .. }
            | Self::NotFound
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
