//! The IAM permissions that requests to DynamoDB need, and the form that every request has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::exchange::Seen;

/// Actions, each with the table, index or queue that it is on.
pub type Permissions = BTreeSet<(String, String)>;

/// The permissions of functions, by their handlers.
pub type ByHandler = BTreeMap<String, Permissions>;

/// The permissions that a function needs for requests. Every function warms its connection by a Query of the table.
pub fn needed(requests: &[Seen]) -> Permissions {
    let warm = ("dynamodb:Query".to_owned(), "table".to_owned());
    requests.iter().flat_map(permissions).chain([warm]).collect()
}

fn permissions(seen: &Seen) -> Vec<(String, String)> {
    let on = |part: &Value| part.as_str().unwrap_or("table").to_owned();
    if seen.operation != "TransactWriteItems" {
        return vec![(format!("dynamodb:{}", seen.operation), on(&seen.body["IndexName"]))];
    }
    let items = seen.body["TransactItems"].as_array().expect("writes").iter();
    let kinds = items.flat_map(|item| item.as_object().expect("a write").keys());
    let action = |kind: &String| match kind.as_str() {
        "ConditionCheck" => "dynamodb:ConditionCheckItem".to_owned(),
        other => format!("dynamodb:{other}Item"),
    };
    kinds.map(|kind| (action(kind), on(&Value::Null))).collect()
}

/// Insists on the form of requests. A transaction, if there is one, writes `written` items.
pub fn check_requests(requests: &[Seen], written: usize, what: &str) {
    for Seen { operation, body } in requests {
        match operation.as_str() {
            "TransactWriteItems" => {
                assert_eq!(body["TransactItems"].as_array().map(Vec::len), Some(written), "{what}");
                assert!(body["ClientRequestToken"].is_string(), "{what}");
            }
            // A caller sees its own last write; an index cannot be read consistently.
            "Query" => assert_eq!(body["ConsistentRead"] == true, body["IndexName"].is_null(), "{what}: {body}"),
            "GetItem" => assert_eq!(body["ConsistentRead"], true, "{what}"),
            "BatchGetItem" | "PutItem" => {}
            other => panic!("{what} sent a {other}"),
        }
    }
}
