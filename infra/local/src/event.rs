//! Builds the event that API Gateway makes of a request (HTTP API, payload format 2.0). Routing, tokens and sockets are
//! in [`crate::gateway`].

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arcadia_domain::Timestamp;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Media types whose bodies are passed as text; all others are passed as base64.
const TEXT_TYPES: &[&str] = &["application/json", "application/javascript", "application/xml"];

/// The parts of an event that are not in the request itself.
#[derive(Debug)]
pub struct Context<'a> {
    /// The request id.
    pub request_id: &'a str,
    /// Time of the request.
    pub now: Timestamp,
    /// IP address of the client.
    pub source_ip: IpAddr,
    /// Path of the matched route, with `{name}` for parameters.
    pub route_path: &'a str,
    /// The path parameters, decoded.
    pub path_parameters: &'a BTreeMap<&'a str, String>,
    /// The claims of the token.
    pub claims: &'a HashMap<String, String>,
}

/// Error of building an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventError {
    /// `Host` is missing, repeated or not a valid host.
    Host,
    /// A header contains characters other than visible ASCII.
    Header,
}

/// Builds the event of a request with its complete body.
///
/// # Errors
/// [`EventError`] for headers that the runtime in a function could not read.
pub fn build(parts: &Parts, body: &[u8], context: &Context<'_>) -> Result<Value, EventError> {
    let Context { request_id, now, source_ip, route_path, path_parameters, claims } = context;
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let query = parts.uri.query().unwrap_or_default();
    let domain = host_name(&parts.headers)?;
    let mut headers = joined_headers(&parts.headers)?;
    let cookies = headers.remove("cookie");
    // API Gateway overwrites these headers, whatever the caller sent.
    headers.insert("x-forwarded-for".to_owned(), source_ip.to_string());
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    let route_key = format!("{method} {route_path}");
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "authorizer": {"jwt": {"claims": claims, "scopes": null}},
            "domainName": domain,
            "domainPrefix": domain.split('.').next(),
            "http": {
                "method": method,
                "path": path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": source_ip.to_string(),
                "userAgent": headers.get("user-agent"),
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": now.format("%d/%b/%Y:%H:%M:%S %z").to_string(),
            "timeEpoch": now.timestamp_millis(),
        },
        "headers": headers,
        "isBase64Encoded": false,
    });
    if !path_parameters.is_empty() {
        event["pathParameters"] = json!(path_parameters);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query_parameters(query));
    }
    if let Some(cookies) = cookies {
        event["cookies"] = cookies.split(';').map(str::trim).collect();
    }
    if !body.is_empty() {
        let text = is_text(&parts.headers).then(|| std::str::from_utf8(body).ok()).flatten();
        event["isBase64Encoded"] = json!(text.is_none());
        event["body"] = text.map_or_else(|| json!(STANDARD.encode(body)), Value::from);
    }
    Ok(event)
}

/// Percent-decodes; `None` if the encoding is invalid or the result is not UTF-8.
#[must_use]
pub fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    // The library leaves invalid escapes unchanged.
    let is_escape =
        |rest: &str| rest.get(..2).is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    percent_encoding::percent_decode_str(text).decode_utf8().ok()
}

/// The host name in `Host`. It is validated because the runtime in a function panics on an invalid one; API Gateway
/// rejects all names but its own.
fn host_name(headers: &HeaderMap) -> Result<&str, EventError> {
    let mut values = headers.get_all(header::HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(EventError::Host) };
    let host = value.to_str().map_err(|_| EventError::Host)?;
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        Some(_) | None => (host, None),
    };
    let port_is_fine = port.is_none_or(|port| port.parse::<u16>().is_ok() && !port.starts_with('+'));
    if port_is_fine && is_host_name(name) { Ok(name) } else { Err(EventError::Host) }
}

fn is_host_name(name: &str) -> bool {
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    if name.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    // A last label that begins with a digit would be parsed as an IPv4 address, and `xn--` as punycode.
    let ends_like_a_number =
        name.rsplit('.').next().is_none_or(|label| label.starts_with(|c: char| c.is_ascii_digit()));
    !ends_like_a_number
        && name.split('.').all(|label| {
            !label.is_empty()
                && !label.to_ascii_lowercase().starts_with("xn--")
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

/// All headers, with repeated values joined by commas. Names are already in lower case.
fn joined_headers(headers: &HeaderMap) -> Result<BTreeMap<String, String>, EventError> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let value = value.to_str().map_err(|_| EventError::Header)?;
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|values| {
                values.push(',');
                values.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    Ok(joined)
}

/// Query parameters, with repeated values joined by commas. Functions use the raw query instead.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode(&text).map(Cow::into_owned).unwrap_or(text)
    };
    let mut parameters = BTreeMap::<String, String>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value);
        parameters.entry(decode(name)).and_modify(|values| *values = format!("{values},{value}")).or_insert(value);
    }
    parameters
}

fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    !headers.contains_key(header::CONTENT_ENCODING)
        && (media_type.starts_with("text/") || TEXT_TYPES.contains(&media_type.as_str()))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use lambda_http::request::RequestContext;
    use lambda_http::{Body, RequestExt};

    use super::*;

    fn parts(uri: &str, headers: &[(&str, &[u8])]) -> Parts {
        let mut request = Request::builder().method("POST").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn event(parts: &Parts, body: &[u8]) -> Result<Value, EventError> {
        let claims = HashMap::from([("sub".to_owned(), "ada".to_owned())]);
        let path_parameters = BTreeMap::from([("id", "a b".to_owned())]);
        let context = Context {
            request_id: "r-1",
            now: Timestamp::UNIX_EPOCH,
            source_ip: Ipv4Addr::LOCALHOST.into(),
            route_path: "/things/{id}",
            path_parameters: &path_parameters,
            claims: &claims,
        };
        build(parts, body, &context)
    }

    #[test]
    fn lambda_http_reads_the_event_as_one_of_an_http_api() {
        let headers: &[(&str, &[u8])] = &[
            ("Host", b"localhost:3000"),
            ("Content-Type", b"application/json"),
            ("X-Twice", b"a"),
            ("X-Twice", b"b"),
            ("Cookie", b"k=1; l=2"),
            ("X-Forwarded-Proto", b": no scheme"),
        ];
        let event = event(&parts("/things/a%20b?x=1&x=2&y=%20+", headers), b"{\"n\":1}").unwrap();
        assert_eq!(event["routeKey"], "POST /things/{id}");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": "  "}));
        assert_eq!(event["cookies"], json!(["k=1", "l=2"]));
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.headers()["x-twice"], "a,b");
        assert_eq!(request.path_parameters().first("id"), Some("a b"));
        assert_eq!(request.query_string_parameters().all("x"), Some(vec!["1", "2"]));
        assert!(matches!(request.body(), Body::Text(text) if text == "{\"n\":1}"));
        let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else { panic!("no context") };
        assert_eq!(context.request_id.as_deref(), Some("r-1"));
        let claims = &context.authorizer.as_ref().unwrap().jwt.as_ref().unwrap().claims;
        assert_eq!(claims["sub"], "ada");
    }

    #[test]
    fn bodies_are_text_only_by_type_and_content() {
        for (content_type, body, text) in [
            ("application/json; charset=utf-8", b"{}".as_slice(), true),
            ("text/plain", b"x", true),
            ("application/json", b"\xff", false),
            ("application/merge-patch+json", b"{}", false),
            ("application/x-www-form-urlencoded", b"{}", false),
        ] {
            let headers: &[(&str, &[u8])] = &[("host", b"localhost"), ("content-type", content_type.as_bytes())];
            let event = event(&parts("/", headers), body).unwrap();
            assert_eq!(event["isBase64Encoded"], !text, "{content_type}");
            let request = lambda_http::request::from_str(&event.to_string()).unwrap();
            assert_eq!(request.body().as_ref(), body, "{content_type}");
        }
        let event = event(&parts("/", &[("host", b"localhost")]), b"").unwrap();
        assert_eq!(event.get("body"), None);
    }

    #[test]
    fn hosts_that_the_runtime_cannot_parse_are_refused_and_it_parses_all_others() {
        for good in ["localhost", "localhost:3000", "127.0.0.1:1", "[::1]", "[::1]:80", "api.example-1.com", "a_b"] {
            let event = event(&parts("/a", &[("host", good.as_bytes())]), b"").unwrap();
            assert!(lambda_http::request::from_str(&event.to_string()).is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "u@h",
            "%",
            "%zz",
            "a:99999",
            "a:",
            "a:+1",
            ":80",
            "[::1",
            "[x]",
            "::1",
            "1.2.3",
            "1.2.3.999",
            "a.0x7",
            "a..b",
            ".",
            "xn--a",
            "XN--zz.com",
            "<",
            "h\u{e4}",
        ] {
            let found = event(&parts("/a", &[("host", bad.as_bytes())]), b"");
            assert_eq!(found.err(), Some(EventError::Host), "{bad:?}");
        }
        assert_eq!(event(&parts("/a", &[]), b"").err(), Some(EventError::Host));
        let twice: &[(&str, &[u8])] = &[("host", b"a"), ("host", b"a")];
        assert_eq!(event(&parts("/a", twice), b"").err(), Some(EventError::Host));
    }

    #[test]
    fn headers_beyond_ascii_are_refused() {
        for bad in ["\u{e4}".as_bytes(), b"\xff"] {
            let headers: &[(&str, &[u8])] = &[("host", b"localhost"), ("x-note", bad)];
            assert_eq!(event(&parts("/", headers), b"").err(), Some(EventError::Header));
        }
    }

    #[test]
    fn strange_paths_and_queries_reach_the_runtime_without_a_panic() {
        for uri in ["/a/../b", "//a", "/a;b=c", "/%2e%2e/x", "/a%00b", "/a?%zz=%", "/a?x=%ff", "/a?&&==&", "/{x}\""] {
            let event = event(&parts(uri, &[("host", b"localhost")]), b"").unwrap();
            let request = lambda_http::request::from_str(&event.to_string());
            assert!(request.is_ok(), "{uri}");
        }
    }

    #[test]
    fn percent_encoding_is_undone_or_refused() {
        for (text, decoded) in [
            ("plain", Some("plain")),
            ("a%20b", Some("a b")),
            ("%C3%A4", Some("\u{e4}")),
            ("a%2fb", Some("a/b")),
            ("%", None),
            ("%2", None),
            ("%+1", None),
            ("%zz", None),
            ("%\u{e4}", None),
            ("%ff", None),
        ] {
            assert_eq!(percent_decode(text).as_deref(), decoded, "{text}");
        }
    }
}
