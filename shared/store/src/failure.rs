//! DynamoDB's errors: classified as retryable, as an error of the stack's setup or as permanent, with texts for logs.
//! No text made here has a request or response body in it. Retries are in [`super::transact`].

use std::error::Error as StdError;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use super::StoreError;

/// The longest text of an error, in characters.
pub const MAX_ERROR_CHARS: usize = 400;

/// DynamoDB's codes for retryable errors, both as error codes and as cancellation reasons.
pub(super) const SHORTAGE_CODES: &[&str] = &[
    "InternalFailure",
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingError",
    "ThrottlingException",
    // The error of a single write to an item that a transaction is writing.
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// DynamoDB's codes for an error of the stack's setup, which fails every request. Source: "Common errors" of the API
/// reference and "Error handling with DynamoDB" of the developer guide. Any other code is about the contents of the
/// request.
const SETUP_CODES: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InaccessibleEncryptionCredentialsException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "SignatureDoesNotMatch",
    "SubscriptionRequiredException",
    "UnknownOperationException",
    "UnrecognizedClientException",
];

/// An error and its causes, in one line of at most [`MAX_ERROR_CHARS`]. The SDK's own debug text would print the whole
/// raw response.
#[must_use]
pub fn error_chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    bounded(&text)
}

/// Classifies an SDK error as retryable, as an error of the stack's setup, or as permanent.
impl<E, R> From<SdkError<E, R>> for StoreError
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        let code = match &error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => None,
            SdkError::ServiceError(service) => service.err().code(),
            // The SDK could not build the request.
            _ => return Self::Denied(Box::new(error)),
        };
        match code {
            None => Self::Unavailable(Box::new(error)),
            Some(code) if SHORTAGE_CODES.contains(&code) => Self::Unavailable(Box::new(error)),
            Some(code) if SETUP_CODES.contains(&code) => Self::Denied(Box::new(error)),
            Some(code) => Self::Refused(refusal(code, error.message().unwrap_or_default()).into()),
        }
    }
}

/// The loggable text of a refused request: the code, and the part of the message without values. DynamoDB quotes the
/// whole request in the message ("1 validation error detected: Value '[...]' at 'transactItems' failed to satisfy
/// constraint: ...").
fn refusal(code: &str, message: &str) -> String {
    const VALUE_ENDS: &str = "' at '";
    let reason = match message.rsplit_once(VALUE_ENDS) {
        Some((_, constraint)) => format!("'{constraint}"),
        // A quoted text, or a text after a colon, can be a value.
        None => message.split([':', '\'', '"', '[', '{']).next().unwrap_or_default().trim_end().to_owned(),
    };
    bounded(&if reason.is_empty() { code.to_owned() } else { format!("{code}: {reason}") })
}

/// An error text of serde, without the quoted values of the record.
pub(super) fn without_values(text: &str) -> String {
    let parts = text.split('"').enumerate().map(|(index, part)| if index % 2 == 0 { part } else { "…" });
    bounded(&parts.collect::<Vec<_>>().join("\""))
}

/// The first [`MAX_ERROR_CHARS`] of a text.
fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_ERROR_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

    use super::*;

    fn refused(code: &str, message: &str) -> StoreError {
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        StoreError::from(SdkError::service_error(TransactWriteItemsError::generic(metadata), ()))
    }

    #[test]
    fn an_error_is_later_or_of_the_setup_or_of_this_request() {
        for code in SHORTAGE_CODES {
            assert!(matches!(refused(code, ""), StoreError::Unavailable(_)), "{code}");
        }
        for code in SETUP_CODES {
            assert!(matches!(refused(code, ""), StoreError::Denied(_)), "{code}");
        }
        for code in ["ValidationException", "ItemCollectionSizeLimitExceededException", "SomethingNew"] {
            assert!(matches!(refused(code, ""), StoreError::Refused(_)), "{code}");
        }
    }

    #[test]
    fn an_error_keeps_its_source_and_is_told_once_with_all_causes() {
        let throttled = refused("ThrottlingException", "too fast");
        assert!(throttled.source().is_some_and(|source| source.is::<SdkError<TransactWriteItemsError, ()>>()));
        let text = error_chain(&throttled);
        assert!(text.starts_with("DynamoDB did not answer: service error: "), "{text}");
        assert_eq!(text.matches("too fast").count(), 1, "{text}");
        let damaged = StoreError::Damaged("PLAN#studio #PLAN is not an event".into());
        assert_eq!(error_chain(&damaged), "a stored item is damaged: PLAN#studio #PLAN is not an event");
    }

    #[test]
    fn no_text_of_a_refusal_holds_what_was_sent() {
        let secret = "Ada's secret: {\"S\": \"x\"}, ";
        let sent = secret.repeat(10_000);
        for (message, told) in [
            (
                format!(
                    "1 validation error detected: Value '[{sent}]' at 'transactItems' failed to satisfy constraint: \
                     Member must have length less than or equal to 100"
                ),
                "'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100",
            ),
            (format!("The parameter cannot be converted to a numeric value: {sent}"), "cannot be converted"),
            ("Item size has exceeded the maximum allowed size".to_owned(), "maximum allowed size"),
            (format!("\"{sent}"), "ValidationException"),
        ] {
            let text = error_chain(&refused("ValidationException", &message));
            assert!(text.contains("ValidationException") && text.contains(told), "{text}");
            assert!(!text.contains("Ada") && text.len() < 200, "{text}");
        }
    }

    #[test]
    fn the_text_of_a_damaged_record_holds_nothing_of_it() {
        let error = r#"invalid type: string "Ada's \"shop\"", expected struct Plan"#;
        let text = without_values(error);
        assert!(text.starts_with("invalid type: string \"…\"") && text.ends_with("expected struct Plan"), "{text}");
        assert!(!text.contains("Ada"), "{text}");
        assert!(without_values(&"x".repeat(10_000)).chars().count() <= MAX_ERROR_CHARS + 1);
    }

    #[test]
    fn the_text_of_an_error_is_bounded_whatever_its_cause() {
        let error = refused("ThrottlingException", &"é".repeat(10_000));
        let text = error_chain(&error);
        assert!(text.contains("ThrottlingException"), "{text}");
        assert_eq!(text.chars().count(), MAX_ERROR_CHARS + 1);
    }
}
