//! The error of a malformed value. How it becomes a response is in `arcadia_functions::http`.

use std::borrow::Cow;

/// A text that is not a valid value: a stable code, and a phrase for the caller that follows the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct InvalidValue {
    /// A stable code such as `invalid_slug`.
    pub code: &'static str,
    /// What a valid value looks like.
    pub detail: Cow<'static, str>,
}

impl InvalidValue {
    /// An error with a fixed text.
    #[must_use]
    pub const fn new(code: &'static str, detail: &'static str) -> Self {
        Self { code, detail: Cow::Borrowed(detail) }
    }
}
