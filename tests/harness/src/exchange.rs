//! A request to DynamoDB, and its answer.

use serde_json::Value;

/// A request that went to DynamoDB.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Such as `Query`.
    pub operation: String,
    /// What it asked for.
    pub body: Value,
}

/// A request that DynamoDB answered.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Such as `Query`.
    pub operation: String,
    /// What it asked for.
    pub request: Value,
    /// What DynamoDB answered.
    pub answer: Value,
}
