//! Requests as bytes, for those that no HTTP client would send.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Reply;
use super::client::Http;

/// Sends a request with the given lines of headers, each as it is, and reads the answer.
pub async fn send_raw(http: &Http, method: &str, path: &str, headers: &[Vec<u8>], body: &str) -> Reply {
    let address = http.base.strip_prefix("http://").expect("an address");
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n").into_bytes();
    for header in headers {
        request.extend_from_slice(header);
        request.extend_from_slice(b"\r\n");
    }
    let length = body.len();
    request.extend(format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").bytes());
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(&request).await.expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the server answers");
    parse(&String::from_utf8(answer).expect("text"))
}

fn parse(answer: &str) -> Reply {
    let (head, text) = answer.split_once("\r\n\r\n").expect("headers and a body");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header");
        let name: HeaderName = name.parse().expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    let body = serde_json::from_str(text).unwrap_or_default();
    Reply { status: status.parse().expect("a number"), headers, text: text.to_owned(), body }
}
