//! An answer of the product.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer, read in full.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
    /// The body as JSON; null if it is none.
    pub body: Value,
}

impl Reply {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("a readable header")).unwrap_or_default()
    }

    /// All but what differs between any two answers.
    pub fn comparable(&self) -> (u16, HeaderMap, &str) {
        let mut headers = self.headers.clone();
        headers.remove("x-request-id");
        headers.remove("date");
        (self.status, headers, &self.text)
    }

    /// Insists on a success and returns the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/json");
        assert_ne!(self.header("x-request-id"), "", "every answer names its request");
        self.body
    }

    /// Insists on a problem in the form that all have, and returns the body.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_ne!(self.header("x-request-id"), "", "every answer names its request");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("urn:arcadia:problem:{code}"));
        for member in ["title", "detail"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {}", self.text);
        }
        self.body
    }

    /// Insists on a 422 that names exactly these fields, as pointer and code.
    #[track_caller]
    pub fn expect_fields(self, expected: &[(&str, &str)]) {
        let body = self.expect_problem(422, "validation_failed");
        assert_eq!(fields(&body), expected, "{body}");
    }
}

/// The fields that a problem complains of, as pointer and code.
pub fn fields(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().expect("a list of errors").iter();
    errors.map(|e| (e["pointer"].as_str().expect("a pointer"), e["code"].as_str().expect("a code"))).collect()
}
