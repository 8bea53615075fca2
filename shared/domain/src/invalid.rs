//! What is wrong with a value that somebody sent.

/// Why a text is not the value it should be: a stable code and a sentence for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct InvalidValue {
    /// A stable code such as `invalid_slug`.
    pub code: &'static str,
    /// What is expected instead.
    pub detail: &'static str,
}
