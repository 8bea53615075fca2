//! The headers of a page's files.

use lambda_http::Body;
use lambda_http::http::{HeaderValue, Response, header};

/// Responds with a file of a page, under a content security policy. Browsers may cache it but must revalidate it each
/// time.
#[must_use]
pub fn page(content_type: &'static str, policy: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
