//! Bodies of the functions, as the server sends them.

use axum::body::Body;

/// A body as the server sends it.
pub(crate) fn into_body(body: lambda_http::Body) -> Body {
    match body {
        lambda_http::Body::Text(text) => Body::from(text),
        lambda_http::Body::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    }
}
