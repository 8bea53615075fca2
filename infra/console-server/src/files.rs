//! The console's files, and how a request's headers affect the response.

use lambda_http::http::{HeaderMap, header};

/// A file.
#[derive(Debug)]
pub struct File {
    /// Path below `/console/`. It begins with the digest of all files, except for the page.
    pub name: &'static str,
    /// Entity tag: a digest of the content. It is weak, because both encodings share it.
    pub tag: &'static str,
    /// The content.
    pub plain: &'static [u8],
    /// The content compressed with gzip.
    pub gzip: &'static [u8],
}

/// All files.
pub const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

impl File {
    /// Finds a file by its name.
    pub fn find(name: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.name == name)
    }

    /// `Cache-Control`: files with a digest in their path are immutable.
    pub fn cache_control(&self) -> &'static str {
        if self.name.contains('/') { "public, max-age=31536000, immutable" } else { "no-cache" }
    }

    /// The media type.
    pub fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            _ => "text/javascript; charset=utf-8",
        }
    }

    /// Whether the client has the current content, by `If-None-Match` with weak comparison (RFC 9110, section 13.1.2).
    pub fn is_known(&self, headers: &HeaderMap) -> bool {
        let opaque = self.tag.trim_start_matches("W/");
        items(headers, &header::IF_NONE_MATCH).any(|tag| tag == "*" || tag.trim_start_matches("W/") == opaque)
    }
}

/// Whether the client accepts gzip by name with a weight above zero (RFC 9110, section 12.5.3).
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    items(headers, &header::ACCEPT_ENCODING).any(|item| {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim().strip_prefix("q=");
        let is_zero = weight.is_some_and(|weight| weight.chars().all(|digit| matches!(digit, '0' | '.')));
        coding.trim().eq_ignore_ascii_case("gzip") && !is_zero
    })
}

/// The items of a list header.
fn items<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use lambda_http::http::HeaderValue;

    use super::*;

    fn with(name: header::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn gzip_is_sent_to_whoever_takes_it_by_name() {
        for values in
            [&["gzip"][..], &["br, gzip"], &["GZIP;q=0.5"], &["gzip; q=1.0, *;q=0"], &["br", "deflate, gzip;q=0.001"]]
        {
            assert!(takes_gzip(&with(header::ACCEPT_ENCODING, values)), "{values:?}");
        }
        for values in [&[][..], &[""], &["br"], &["gzip;q=0"], &["gzip; q=0.000"], &["x-gzip"], &["*"]] {
            assert!(!takes_gzip(&with(header::ACCEPT_ENCODING, values)), "{values:?}");
        }
    }

    #[test]
    fn a_tag_is_known_whether_weak_or_strong_and_among_others() {
        let file = File { name: "x.js", tag: "W/\"ab\"", plain: b"", gzip: b"" };
        for values in [&["\"ab\""][..], &["W/\"ab\""], &["\"cd\", W/\"ab\""], &["\"cd\"", "\"ab\""], &["*"]] {
            assert!(file.is_known(&with(header::IF_NONE_MATCH, values)), "{values:?}");
        }
        for values in [&[][..], &["ab"], &["\"abc\""], &["\"cd\""]] {
            assert!(!file.is_known(&with(header::IF_NONE_MATCH, values)), "{values:?}");
        }
    }

    #[test]
    fn both_encodings_are_the_same_content_and_every_content_has_its_own_tag() {
        for file in FILES {
            let mut content = Vec::new();
            GzDecoder::new(file.gzip).read_to_end(&mut content).unwrap();
            assert!(content == file.plain, "{}", file.name);
            assert!(FILES.iter().all(|other| (other.tag == file.tag) == (other.plain == file.plain)), "{}", file.name);
        }
    }
}
