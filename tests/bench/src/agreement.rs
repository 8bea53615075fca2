//! Checks that the contestants do the same work: they give the same answers, store the same items, and the product can
//! read the items of each. A contestant that did less would be faster without merit.

use std::fs;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::Failure;
use crate::contestants::Contestants;
use crate::place::{Place, TENANT, event};
use crate::process::{Process, Program};

/// An id that does not exist.
const NOBODY: &str = "01941f29-7c00-7000-8000-000000000000";
/// The number of digits of a shard in a key.
const SHARD_DIGITS: usize = 3;
/// The number of digits of a time in a key, down to the second.
const SECOND_DIGITS: usize = 14;

/// Fails with the difference if a contestant's behaviour differs from the product's.
pub async fn check(contestants: &Contestants) -> Result<(), Failure> {
    let [ours, peers @ ..] = contestants.all();
    let expected = walk(ours).await?;
    for peer in peers {
        let found = walk(peer).await?;
        for (expected, found) in expected.iter().zip(&found) {
            if expected != found {
                return Err(format!("{} differs:\n{found:#}\nfrom the product's\n{expected:#}", peer.name).into());
            }
        }
    }
    Ok(())
}

/// The requests that are sent to each contestant about the deployment `id`: the claims, the id, and the body.
fn requests(id: &str) -> Vec<(Value, &str, Value)> {
    let admin = || json!({"sub": "ada@example.com", "role": "platform_admin"});
    let user = || json!({"sub": "bob@example.com", "role": "tenant_user", "tenant_id": TENANT});
    let stranger = json!({"sub": "eve@example.com", "role": "tenant_user", "tenant_id": "other"});
    let to = |state: &str| json!({"to_state": state});
    let until = |state: &str| json!({"to_state": state, "resume_at": "2090-01-01T00:00:00Z"});
    let rehearsed = json!({"to_state": "paused", "resume_at": "2090-01-01T00:00:00Z", "dry_run": true});
    vec![
        (admin(), id, json!({"to_state": "paused", "reason": "holidays", "notes": "Back\nin two weeks."})),
        (user(), id, to("active")),
        (user(), id, to("archived")),
        (user(), id, to("past_due")),
        (user(), id, to("active")),
        (user(), id, rehearsed),
        (user(), id, until("paused")),
        (user(), id, until("active")),
        (user(), id, to("cancelled")),
        (user(), id, to("archived")),
        (user(), id, to("active")),
        (user(), id, json!({"to_state": "gone", "reason": " ", "resume_at": "soon"})),
        (user(), id, json!({"to_state": null, "dry_run": 1})),
        (user(), id, json!({})),
        (user(), id, json!({"to_state": "paused", "colour": "red"})),
        (stranger, id, to("paused")),
        (json!({"sub": "bank", "role": "payment_provider"}), id, to("paused")),
        (json!({"sub": "plane", "role": "data_plane"}), id, to("paused")),
        (json!({"sub": "ada@example.com"}), id, to("paused")),
        (json!({"sub": " ", "role": "platform_admin"}), id, to("paused")),
        (admin(), NOBODY, to("paused")),
        (admin(), id, to("paused")),
    ]
}

/// The answers and items of a function for all these requests, without the parts that differ in every run.
async fn walk(program: &Program) -> Result<Vec<Value>, Failure> {
    let place = Place::new("agreement").await?;
    let id = place.create("shop").await?;
    let (mut found, mut process, mut last) = (Vec::new(), None, Value::Null);
    for (claims, id, body) in requests(&id) {
        let mut event = event("transition_deployment", &json!({"id": id}), &body);
        event["requestContext"]["authorizer"]["jwt"]["claims"] = claims;
        let answer = if let Some(process) = &mut process {
            Process::call(process, &event).await?.answer
        } else {
            let (started, answered) = Process::start(program, &place, &event).await?;
            process = Some(started);
            answered.answer
        };
        let status = answer["statusCode"].clone();
        let body: Value = serde_json::from_str(answer["body"].as_str().ok_or("the answer has no body")?)?;
        let headers = ["content-type", "cache-control", "etag", "x-request-id"].map(|name| header(&answer, name));
        found.push(json!({"asked": event["body"], "status": status, "headers": headers, "body": alike(&body)}));
        if status == 200 {
            last = body["deployment"].clone();
        }
    }
    let calls = found.len();
    if let Some(process) = process {
        process.end().await?;
    }
    let log = fs::read_to_string(program.log())?;
    let lines =
        log.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line.get("level").is_some()));
    if lines.count() != calls {
        return Err(format!("{} does not log one line for each of {calls} calls:\n{log}", program.name).into());
    }
    found.push(Value::from(stored(&place, &id).await?));
    read_by_the_product(&place, &id, &last).await?;
    Ok(found)
}

/// A header of an answer, by its name in any case.
fn header<'a>(answer: &'a Value, name: &str) -> Option<&'a Value> {
    let mut headers = answer["headers"].as_object()?.iter();
    headers.find_map(|(given, value)| given.eq_ignore_ascii_case(name).then_some(value))
}

/// The product shows the deployment as the function last answered it, and its events numbered without gaps.
async fn read_by_the_product(place: &Place, id: &str, last: &Value) -> Result<(), Failure> {
    let shown = place.call("show_deployment", json!({"id": id}), json!({})).await?;
    if same_times(&shown["deployment"]) != same_times(last) {
        return Err(format!("the product shows {shown:#}\nafter the answer\n{last:#}").into());
    }
    let events = place.call("list_events", json!({"id": id}), json!({})).await?;
    let sequences: Vec<u64> =
        events["events"].as_array().into_iter().flatten().filter_map(|e| e["sequence"].as_u64()).collect();
    let version = shown["deployment"]["version"].as_u64().unwrap_or_default();
    if !sequences.iter().copied().eq((1..=version).rev()) {
        return Err(format!("the events of version {version} are {sequences:?}").into());
    }
    Ok(())
}

/// The items of a deployment's partition, without the parts that differ in every run.
pub async fn stored(place: &Place, id: &str) -> Result<Vec<Value>, Failure> {
    let store = &place.app.store;
    let query = store.client().query().table_name(store.table()).consistent_read(true);
    let query = query.key_condition_expression("PK = :pk");
    let output = query.expression_attribute_values(":pk", AttributeValue::S(format!("DEPLOYMENT#{id}"))).send().await?;
    let plain = |item| alike(&plain(&AttributeValue::M(item)));
    Ok(output.items.unwrap_or_default().into_iter().map(plain).collect())
}

/// A stored value with its type.
fn plain(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => text.as_str().into(),
        AttributeValue::L(elements) => elements.iter().map(plain).collect(),
        AttributeValue::M(members) => {
            // Sorted, since a stored map has no order.
            let members: std::collections::BTreeMap<_, _> = members.iter().collect();
            members.into_iter().map(|(name, member)| (name.clone(), plain(member))).collect::<Map<_, _>>().into()
        }
        other => format!("{other:?}").into(),
    }
}

/// A value without the parts that always differ: times, ids, and shards, which follow from ids.
fn alike(value: &Value) -> Value {
    map_texts(value, &|text| {
        let parts = text.split('#').map(|part| {
            if Uuid::try_parse(part).is_ok() {
                "<id>"
            } else if DateTime::parse_from_rfc3339(part).is_ok() || is_number(part, SECOND_DIGITS) {
                "<time>"
            } else if is_number(part, SHARD_DIGITS) {
                "<shard>"
            } else {
                part
            }
        });
        parts.collect::<Vec<_>>().join("#")
    })
}

/// Returns whether a part of a key is a number with this many digits.
fn is_number(part: &str, digits: usize) -> bool {
    part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// A value in which equal times are written equally.
fn same_times(value: &Value) -> Value {
    map_texts(value, &|text| match text.parse::<DateTime<Utc>>() {
        Ok(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        Err(_) => text.to_owned(),
    })
}

fn map_texts(value: &Value, map: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => map(text).into(),
        Value::Array(elements) => elements.iter().map(|element| map_texts(element, map)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| (name.clone(), map_texts(member, map)));
            members.collect::<Map<_, _>>().into()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
