//! Converts bodies of the functions to bodies of the server.

use axum::body::Body;

/// Converts a function's body to a body of the server.
pub(crate) fn into_body(body: lambda_http::Body) -> Body {
    match body {
        lambda_http::Body::Text(text) => Body::from(text),
        lambda_http::Body::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    }
}
