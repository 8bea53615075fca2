//! The table's stream, read as EventBridge Pipes reads it: records as JSON, and the filter that lets them pass.

use arcadia_store::{Store, StoreError};
use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, ShardIteratorType};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use serde_json::{Map, Value, json};

use super::yaml;

/// How often a stream is read to its end in wait of what was written before.
const MAX_READS: usize = 100;

/// A table's stream.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    arn: String,
}

impl Stream {
    /// Has the table of a store keep a stream from now on, as the template says.
    pub async fn open(endpoint: &str, store: &Store) -> Result<Self, StoreError> {
        let wanted = &yaml::template()["Resources"]["Table"]["Properties"]["StreamSpecification"]["StreamViewType"];
        let specification = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::from(wanted.as_str().expect("a stream's view")));
        let specification = specification.build().expect("a specification");
        let direct = super::table::client(endpoint);
        let update = direct.update_table().table_name(store.table()).stream_specification(specification);
        update.send().await?;
        let described = direct.describe_table().table_name(store.table()).send().await?;
        let arn = described.table.and_then(|table| table.latest_stream_arn).expect("a stream");
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .http_client(HttpClientBuilder::new().build_http())
            .endpoint_url(endpoint)
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "tests"));
        Ok(Self { client: Client::from_conf(config.build()), arn })
    }

    /// Reads it from the beginning until `count` of its records are as wanted, and then to its end.
    pub async fn records(&self, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        for _ in 0..MAX_READS {
            let records = self.read().await;
            if records.iter().filter(|record| wanted(record)).count() >= count {
                return records;
            }
        }
        panic!("the stream does not get to {count} records");
    }

    async fn read(&self) -> Vec<Value> {
        let described = self.client.describe_stream().stream_arn(&self.arn).send().await.expect("a stream");
        let description = described.stream_description.expect("a description");
        assert_eq!(description.last_evaluated_shard_id, None, "more shards than a test's table has");
        let mut records = Vec::new();
        for shard in description.shards() {
            let iterator = self.client.get_shard_iterator().stream_arn(&self.arn);
            let iterator = iterator.shard_id(shard.shard_id().expect("an id"));
            let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await;
            let mut next = iterator.expect("an iterator").shard_iterator;
            while let Some(iterator) = next {
                let page = self.client.get_records().shard_iterator(iterator).send().await.expect("records");
                next = page.next_shard_iterator.filter(|_| !page.records.as_deref().unwrap_or_default().is_empty());
                records.extend(page.records.unwrap_or_default().iter().map(to_json));
            }
        }
        records
    }
}

/// A record as Lambda and Pipes hand it over.
fn to_json(record: &Record) -> Value {
    let change = record.dynamodb().expect("what changed");
    let image = |image: &std::collections::HashMap<String, AttributeValue>| -> Value {
        image.iter().map(|(name, value)| (name.clone(), typed(value))).collect::<Map<_, _>>().into()
    };
    let mut json = json!({
        "eventID": record.event_id(),
        "eventName": record.event_name().expect("a name").as_str(),
        "eventVersion": record.event_version(),
        "eventSource": "aws:dynamodb",
        "awsRegion": record.aws_region(),
        "dynamodb": {
            "ApproximateCreationDateTime": change.approximate_creation_date_time().map(|at| at.secs()),
            "Keys": image(change.keys().expect("keys")),
            "SequenceNumber": change.sequence_number(),
            "SizeBytes": change.size_bytes(),
            "StreamViewType": change.stream_view_type().map(|view| view.as_str()),
        },
    });
    if let Some(new) = change.new_image() {
        json["dynamodb"]["NewImage"] = image(new);
    }
    assert!(change.old_image().is_none(), "the stream has new images only");
    json
}

fn typed(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(flag) => json!({"BOOL": flag}),
        AttributeValue::Null(is_null) => json!({"NULL": is_null}),
        AttributeValue::Ss(texts) => json!({"SS": texts}),
        AttributeValue::L(list) => json!({"L": list.iter().map(typed).collect::<Vec<_>>()}),
        AttributeValue::M(map) => {
            json!({"M": map.iter().map(|(name, value)| (name.clone(), typed(value))).collect::<Map<_, _>>()})
        }
        other => panic!("{other:?} is in no item"),
    }
}

/// Whether an event matches an EventBridge pattern of the operators that the template uses: every field of the pattern is
/// there and has one of the values listed, or begins with the prefix, or is absent if it must not exist.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    pattern.as_object().expect("a pattern is an object").iter().all(|(name, wanted)| match wanted {
        Value::Object(_) => matches(wanted, &event[name]),
        Value::Array(options) => options.iter().any(|option| is_option(option, event.get(name))),
        other => panic!("a pattern has objects and lists, not {other}"),
    })
}

fn is_option(option: &Value, value: Option<&Value>) -> bool {
    let Some(operator) = option.as_object() else { return value == Some(option) };
    assert_eq!(operator.len(), 1, "{option}");
    match (operator.get("prefix"), operator.get("exists")) {
        (Some(prefix), None) => {
            let prefix = prefix.as_str().expect("a prefix is a text");
            value.and_then(Value::as_str).is_some_and(|text| text.starts_with(prefix))
        }
        (None, Some(exists)) => *exists == json!(value.is_some()),
        _ => panic!("no such operator is known here: {option}"),
    }
}
