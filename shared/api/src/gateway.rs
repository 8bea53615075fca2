//! The answers that API Gateway gives before or instead of a function: `{"message": "…"}`, without a problem.

/// An answer of API Gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The text of `message`.
    pub message: &'static str,
    /// The reason, for the caller.
    pub reason: &'static str,
}

/// Every answer that API Gateway gives on a route of the product, by status. There is no 404: paths without a route are
/// answered by the product, with a problem.
pub const GATEWAY_ANSWERS: &[GatewayAnswer] = &[
    answer(400, "Bad Request", "the request is not valid HTTP, such as one with a malformed header"),
    answer(401, "Unauthorized", "the token is missing, expired, or of another issuer or audience"),
    answer(403, "Forbidden", "the host or the scope of the token does not allow the call"),
    answer(413, "Request Entity Too Large", "the body exceeds 10 MB"),
    answer(
        429,
        "Too Many Requests",
        "there are too many calls at once; nothing was executed, so send the request again later",
    ),
    answer(500, "Internal Server Error", "the function failed; the outcome of the request is unknown"),
    answer(503, "Service Unavailable", "the function did not answer in time; the outcome of the request is unknown"),
];

const fn answer(status: u16, message: &'static str, reason: &'static str) -> GatewayAnswer {
    GatewayAnswer { status, message, reason }
}

/// Finds API Gateway's own answer with a status.
#[must_use]
pub fn gateway_answer(status: u16) -> Option<&'static GatewayAnswer> {
    GATEWAY_ANSWERS.iter().find(|answer| answer.status == status)
}
