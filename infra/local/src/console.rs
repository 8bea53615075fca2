//! `/console/`: the console's files. They are the same for everyone and hold nothing secret: what they show they ask of the
//! API, with the token that the console was opened with.

use axum::http::{HeaderValue, Response, StatusCode, header};
use lambda_http::Body;
use serde_json::json;

use crate::docs::page;
use crate::issuer::claim_names;

/// Where the console is.
pub const PATH: &str = "/console/";

/// Nothing of another origin is loaded or asked, and no script or style stands in a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Makes the table of files, each by its path below `infra/console/`.
macro_rules! files {
    ($($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../console/", $path)))),*]
    };
}

/// Every file that is served, and what is in it.
const FILES: &[(&str, &str)] = files![
    "index.html" "style.css" "act.js" "api.js" "fields.js" "format.js" "lifecycle.js" "main.js" "router.js" "session.js"
    "ui.js" "pages/catalog.js" "pages/clock.js" "pages/commands.js" "pages/deployment.js" "pages/deployments.js"
    "pages/history.js" "pages/invoice.js" "pages/invoices.js" "pages/invoice_commands.js" "pages/invoice_table.js" "pages/schedule.js" "pages/signin.js" "pages/tenant.js" "pages/tenants.js"
    "pages/subscription.js" "pages/today.js" "vendor/hooks.js" "vendor/htm.js" "vendor/preact.js"
];

/// What is at a path, if anything is.
pub fn find(path: &str) -> Option<Response<Body>> {
    if path == "/" || path == "/console" {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(PATH));
        return Some(response);
    }
    let name = path.strip_prefix(PATH)?;
    let name = if name.is_empty() { "index.html" } else { name };
    let (content_type, body) = if name == "config.json" {
        ("application/json", Body::from(config()))
    } else {
        let (name, text) = FILES.iter().find(|(file, _)| *file == name)?;
        (content_type(name), Body::from(*text))
    };
    Some(page(content_type, POLICY, body))
}

/// How the console signs in: the local program has no issuer to send anyone to, so its links bring a token.
fn config() -> String {
    let names = claim_names();
    json!({"issuer": null, "client_id": null, "scope": null, "claims": {"role": names.role, "tenant": names.tenant}})
        .to_string()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn served_files(directory: &Path, below: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                served_files(&entry.path(), &format!("{name}/"), found);
            } else if [".html", ".css", ".js"].iter().any(|end| name.ends_with(end)) {
                found.push(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_console_is_served_and_none_else() {
        let mut found = Vec::new();
        served_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../console"), "", &mut found);
        let mut listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        found.sort_unstable();
        listed.sort_unstable();
        assert_eq!(found, listed);
        for path in ["/console/../Cargo.toml", "/console/tsconfig.json", "/console/pages/", "/consoles", "/console/x"] {
            assert!(find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn whoever_comes_to_the_root_is_led_to_the_console() {
        for path in ["/", "/console"] {
            let response = find(path).unwrap();
            assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
            assert_eq!(response.headers()[header::LOCATION], PATH);
        }
        assert_eq!(find(PATH).unwrap().headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    }
}
