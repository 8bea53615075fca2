//! `/openapi.json` and `/docs`: the OpenAPI document, and a page to read it and try each operation. Both are public,
//! because they contain no secrets: the page takes a token only from its own URL, which the banner prints.

use std::io::{Cursor, Read};

use arcadia_console::page;
use axum::http::{HeaderValue, Response, header};
use lambda_http::Body;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::{CompressionMethod, ZipArchive};

/// Path of the page.
pub const PATH: &str = "/docs";

const DOCUMENT: &str = include_str!("../../../docs/openapi.json");
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Content security policy: nothing from other origins. Swagger UI sets styles in its script and uses data URLs for
/// images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
enum File {
    /// A file of this package.
    Own(&'static str),
    /// A file of Swagger UI, by its name in the archive.
    Vendored(&'static str),
}

/// Finds the response for a path; `None` if there is none.
pub fn find(path: &str) -> Option<Response<Body>> {
    let (content_type, file) = match path {
        "/openapi.json" => ("application/json", File::Own(DOCUMENT)),
        "/docs" | "/docs/" => ("text/html; charset=utf-8", File::Own(include_str!("docs/index.html"))),
        "/docs/page.js" => (SCRIPT, File::Own(include_str!("docs/page.js"))),
        "/docs/page.css" => (STYLE, File::Own(include_str!("docs/page.css"))),
        "/docs/swagger-ui-bundle.js" => (SCRIPT, File::Vendored("/dist/swagger-ui-bundle.js")),
        "/docs/swagger-ui.css" => (STYLE, File::Vendored("/dist/swagger-ui.css")),
        "/docs/favicon-32x32.png" => ("image/png", File::Vendored("/dist/favicon-32x32.png")),
        _ => return None,
    };
    let policy = HeaderValue::from_static(POLICY);
    match file {
        File::Own(text) => Some(page(content_type, policy, Body::from(text))),
        File::Vendored(name) => {
            let (bytes, is_gzip) = vendored(name)?;
            let mut response = page(content_type, policy, Body::from(bytes));
            if is_gzip {
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            Some(response)
        }
    }
}

/// A file of Swagger UI, and whether it is compressed with gzip. Deflated content of the archive is sent without
/// recompression.
fn vendored(name: &str) -> Option<(Vec<u8>, bool)> {
    /// RFC 1952: deflate, no flags, no time, unknown system.
    const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).ok()?;
    let index = archive.file_names().position(|file| file.is_ok_and(|file| file.ends_with(name)))?;
    let mut file = archive.by_index_raw(index).ok()?;
    let mut data = Vec::new();
    file.read_to_end(&mut data).ok()?;
    let is_gzip = file.compression() == CompressionMethod::DEFLATE;
    if is_gzip {
        let size = u32::try_from(file.size()).ok()?;
        data = [&GZIP_HEADER[..], &data, &file.crc32().to_le_bytes(), &size.to_le_bytes()].concat();
    }
    Some((data, is_gzip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_page_asks_for_is_there() {
        for path in ["/docs", "/openapi.json"] {
            assert!(find(path).is_some(), "{path}");
        }
        let page = include_str!("docs/index.html");
        let asked: Vec<&str> = page.split('"').filter(|text| text.starts_with('/')).collect();
        assert!(asked.len() >= 4, "{asked:?}");
        for path in asked {
            assert!(find(path).is_some_and(|file| !file.body().is_empty()), "{path}");
        }
        assert!(find("/docs/../openapi.json").is_none());
    }
}
