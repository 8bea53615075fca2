//! Answers requests for the console's paths.

use lambda_http::Body;
use lambda_http::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::files::{File, takes_gzip};
use crate::page::page;
use crate::sign_in::{Claims, SignIn, SignInError, config_json};

/// Path of the console.
pub const PATH: &str = "/console/";

/// Path of the page. There is only one, because an issuer redirects only to registered URLs. It does not end in a
/// slash, because API Gateway's routes cannot.
const INDEX: &str = "/console/index.html";

/// Content security policy: nothing from other origins, no inline scripts or styles. `connect-src` comes last, so that
/// an issuer's origins can be appended.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; connect-src 'self'";

/// The console's configuration.
#[derive(Debug, Clone)]
pub struct Console {
    /// The content security policy.
    policy: HeaderValue,
    /// Content of `config.json`.
    config: String,
}

impl Console {
    /// A console without sign-in: users bring a token.
    #[must_use]
    pub fn new(claims: &Claims) -> Self {
        Self { policy: HeaderValue::from_static(POLICY), config: config_json(claims, None).to_string() }
    }

    /// The console of the local program, which may run on a test clock.
    #[must_use]
    pub fn local(claims: &Claims, has_test_clock: bool) -> Self {
        let mut config = config_json(claims, None);
        config["local"] = json!({"test_clock": has_test_clock});
        Self { policy: HeaderValue::from_static(POLICY), config: config.to_string() }
    }

    /// A console with sign-in at an issuer.
    ///
    /// # Errors
    /// [`SignInError`] if the policy cannot name the issuer's origins.
    pub fn with_sign_in(claims: &Claims, sign_in: &SignIn) -> Result<Self, SignInError> {
        let origins = sign_in.origins()?.join(" ");
        let policy = HeaderValue::try_from(format!("{POLICY} {origins}")).map_err(|_| SignInError(origins))?;
        Ok(Self { policy, config: config_json(claims, Some(sign_in)).to_string() })
    }

    /// The response to a GET of a path; `None` if the console does not have the path. A HEAD gets the same response
    /// without its body.
    #[must_use]
    pub fn find(&self, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        if ["/", "/console", PATH].contains(&path) {
            return Some(redirect());
        }
        match path.strip_prefix(PATH)? {
            "config.json" => Some(page("application/json", self.policy.clone(), Body::from(self.config.as_str()))),
            name => File::find(name).map(|file| self.send(file, headers)),
        }
    }

    fn send(&self, file: &File, headers: &HeaderMap) -> Response<Body> {
        let is_known = file.is_known(headers);
        let is_gzip = takes_gzip(headers) && !is_known;
        let body = match (is_known, is_gzip) {
            (true, _) => Body::Empty,
            (false, true) => Body::from(file.gzip),
            (false, false) => Body::from(file.plain),
        };
        let mut response = page(file.content_type(), self.policy.clone(), body);
        let mut set = |name, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
        set(header::CACHE_CONTROL, file.cache_control());
        set(header::ETAG, file.tag);
        set(header::VARY, "Accept-Encoding");
        if is_gzip {
            set(header::CONTENT_ENCODING, "gzip");
        }
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response
    }
}

/// Redirects to the page. Browsers keep the fragment, and a token in it, across a redirect.
fn redirect() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(INDEX));
    response
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::files::FILES;

    fn claims() -> Claims {
        Claims { role: "role".to_owned(), tenant: "tenant_id".to_owned() }
    }

    fn find(path: &str) -> Option<Response<Body>> {
        Console::new(&claims()).find(path, &HeaderMap::new())
    }

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
        let listed: Vec<&str> =
            FILES.iter().map(|file| file.name.split_once('/').map_or(file.name, |(_, name)| name)).collect();
        found.sort_unstable();
        assert_eq!(found, listed);
        for path in [
            "/console/../Cargo.toml",
            "/console/tsconfig.json",
            "/console/shapes.d.ts",
            "/console/pages/",
            "/consoles",
            "/console/x",
            "/console/main.js",
            "/console/00000000000000000000000000000000/main.js",
            "//console/main.js",
        ] {
            assert!(find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_page_names_the_folder_of_the_files_that_browsers_keep() {
        let page = std::str::from_utf8(File::find("index.html").unwrap().plain).unwrap();
        let digest = page.split_once("src=\"").unwrap().1.split_once("/main.js").unwrap().0;
        assert!(digest.len() == 32 && digest.chars().all(|digit| digit.is_ascii_hexdigit()), "{digest}");
        for file in FILES {
            let (is_page, keep) = (file.name == "index.html", file.cache_control());
            assert!(is_page || file.name.starts_with(&format!("{digest}/")), "{}", file.name);
            assert_eq!(keep, if is_page { "no-cache" } else { "public, max-age=31536000, immutable" });
            let response = find(&format!("{PATH}{}", file.name)).unwrap();
            assert_eq!(response.headers()[header::CACHE_CONTROL], keep);
        }
        assert!(!page.contains('{'), "{page}");
    }

    #[test]
    fn the_first_view_is_less_than_60_kilobytes_compressed() {
        let source =
            |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../console").join(name));
        let mut names = ["index.html", "style.css", "main.js", "pages/today.js"].map(str::to_owned).to_vec();
        let mut next = 0;
        while let Some(name) = names.get(next).cloned() {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            for import in source(&name).unwrap().split(" from '").skip(1) {
                let path = import.split_once('\'').unwrap().0;
                let found = path.strip_prefix("../").map_or_else(
                    || format!("{folder}/{}", path.trim_start_matches("./")).trim_start_matches('/').to_owned(),
                    str::to_owned,
                );
                if !names.contains(&found) {
                    names.push(found);
                }
            }
            next += 1;
        }
        let is_first = |file: &&File| names.iter().any(|name| file.name.ends_with(&format!("/{name}")));
        let len: usize = FILES.iter().filter(is_first).map(|file| file.gzip.len()).sum();
        assert!((20_000..60_000).contains(&len), "{len} bytes: {names:?}");
    }

    #[test]
    fn the_root_redirects_to_the_page() {
        for path in ["/", "/console", PATH] {
            let response = find(path).unwrap();
            assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
            assert_eq!(response.headers()[header::LOCATION], INDEX);
        }
        assert_eq!(find(INDEX).unwrap().headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    }

    #[test]
    fn the_policy_and_the_configuration_name_the_issuer() {
        let sign_in = SignIn {
            issuer: "https://issuer.example/pool".to_owned(),
            client_id: "console".to_owned(),
            scope: "openid".to_owned(),
            token_origin: Some("https://sign-in.example".to_owned()),
        };
        let console = Console::with_sign_in(&claims(), &sign_in).unwrap();
        let response = console.find("/console/config.json", &HeaderMap::new()).unwrap();
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.ends_with("; connect-src 'self' https://issuer.example https://sign-in.example"), "{policy}");
        let Body::Text(text) = response.body() else { panic!("config.json is text") };
        assert_eq!(
            text,
            r#"{"issuer":"https://issuer.example/pool","client_id":"console","scope":"openid","claims":{"role":"role","tenant":"tenant_id"}}"#
        );
        let same = SignIn { token_origin: Some("https://issuer.example".to_owned()), ..sign_in.clone() };
        assert_eq!(same.origins(), Ok(vec!["https://issuer.example"]));
        let bad = SignIn { issuer: "https://*".to_owned(), ..sign_in };
        assert!(Console::with_sign_in(&claims(), &bad).is_err());
    }
}
