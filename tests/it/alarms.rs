//! The promise: the dashboard and the alarms use only metrics that are written, no alarm goes off on a first
//! deployment, and the topic is told when an alarm begins and when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use arcadia_store::metrics::{REJECTIONS, names};
use serde_json::{Value, json};

use crate::harness::contract::document;
use crate::harness::project::ROOT;
use crate::harness::yaml;

/// The AWS metrics that this stack uses, with their dimensions, from the documentation of each service.
const WRITTEN_BY_AWS: &[(&str, &str, &[&str])] = &[
    // https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    ("AWS/ApiGateway", "4xx", &["ApiId"]),
    ("AWS/ApiGateway", "5xx", &["ApiId"]),
    ("AWS/ApiGateway", "Count", &["ApiId"]),
    ("AWS/ApiGateway", "Latency", &["ApiId"]),
    // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits", &["TableName"]),
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits", &["TableName", "GlobalSecondaryIndexName"]),
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", &["TableName"]),
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", &["TableName", "GlobalSecondaryIndexName"]),
    ("AWS/DynamoDB", "ReadThrottleEvents", &["TableName"]),
    ("AWS/DynamoDB", "ReadThrottleEvents", &["TableName", "GlobalSecondaryIndexName"]),
    ("AWS/DynamoDB", "WriteThrottleEvents", &["TableName"]),
    ("AWS/DynamoDB", "WriteThrottleEvents", &["TableName", "GlobalSecondaryIndexName"]),
    // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-monitoring.html
    ("AWS/EventBridge/Pipes", "EventCount", &["PipeName"]),
    ("AWS/EventBridge/Pipes", "ExecutionFailed", &["PipeName"]),
    ("AWS/EventBridge/Pipes", "ExecutionPartiallyFailed", &["PipeName"]),
    ("AWS/EventBridge/Pipes", "ExecutionThrottled", &["PipeName"]),
    ("AWS/EventBridge/Pipes", "ExecutionTimeout", &["PipeName"]),
    // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    ("AWS/Lambda", "Errors", &["FunctionName"]),
    ("AWS/Lambda", "Invocations", &["FunctionName"]),
    ("AWS/Lambda", "IteratorAge", &["FunctionName"]),
    ("AWS/Lambda", "Throttles", &[]),
    // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", &["QueueName"]),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", &["QueueName"]),
];

/// The namespace of the product's own metrics, as the dashboard writes it.
const OWN: &str = "${Namespace}";

/// A metric of an alarm or a widget: namespace, name, and dimensions with their values.
type Metric = (String, String, Vec<(String, String)>);

fn resources() -> BTreeMap<String, Value> {
    let template = yaml::read("infra/aws/alarms.yaml");
    template["Resources"].as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The properties of each alarm, by name.
fn alarms() -> BTreeMap<String, Value> {
    let alarms = resources().into_iter().filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm");
    alarms.map(|(name, mut alarm)| (name, alarm["Properties"].take())).collect()
}

/// A string, or the name that it refers to in the dashboard's syntax.
fn text(value: &Value) -> String {
    let referred = || format!("${{{}}}", value["!Ref"].as_str().unwrap_or_else(|| panic!("{value}")));
    value.as_str().map_or_else(referred, str::to_owned)
}

fn metric(value: &Value) -> Metric {
    let dimensions = value["Dimensions"].as_array().into_iter().flatten();
    let dimensions = dimensions.map(|dimension| (text(&dimension["Name"]), text(&dimension["Value"])));
    (text(&value["Namespace"]), text(&value["MetricName"]), dimensions.collect())
}

/// The metrics of an alarm.
fn watched(alarm: &Value) -> Vec<Metric> {
    match alarm["Metrics"].as_array() {
        Some(queries) => {
            let metrics = queries.iter().map(|query| &query["MetricStat"]["Metric"]);
            metrics.filter(|metric| !metric.is_null()).map(metric).collect()
        }
        None => vec![metric(alarm)],
    }
}

/// The metrics of the widgets, and their search expressions.
fn shown() -> (Vec<Metric>, Vec<String>) {
    let body = resources()["Dashboard"]["Properties"]["DashboardBody"]["!Sub"].as_str().unwrap().to_owned();
    let body: Value = serde_json::from_str(&body).expect("the dashboard is JSON");
    let (mut metrics, mut searches) = (Vec::new(), Vec::new());
    for widget in body["widgets"].as_array().unwrap() {
        for line in widget["properties"]["metrics"].as_array().unwrap() {
            if let Some(search) = line[0]["expression"].as_str() {
                searches.push(search.to_owned());
                continue;
            }
            let texts: Vec<String> =
                line.as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned).collect();
            let dimensions = texts[2..].chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()));
            metrics.push((texts[0].clone(), texts[1].clone(), dimensions.collect()));
        }
    }
    (metrics, searches)
}

/// The metrics that metric filters write.
fn filtered() -> BTreeSet<String> {
    let filters = resources().into_values().filter(|resource| resource["Type"] == "AWS::Logs::MetricFilter");
    let written = filters.flat_map(|filter| filter["Properties"]["MetricTransformations"].as_array().unwrap().clone());
    written.map(|metric| text(&metric["MetricName"])).collect()
}

/// The names of all of the product's own metrics, including one for each rejection code.
fn written() -> BTreeSet<String> {
    let schemas = document()["components"]["schemas"].as_object().unwrap();
    let codes = schemas.keys().filter_map(|name| name.strip_prefix("Problem."));
    let mut written: BTreeSet<String> = codes.map(|code| format!("{REJECTIONS}.{code}")).collect();
    written.extend(names());
    written.extend(filtered());
    written
}

/// Splits a name into tokens as CloudWatch does: a token begins at a capital after a small letter and at a digit; any
/// other character separates tokens. Source: "CloudWatch search expressions: Tokenization" in its user guide.
fn tokens(name: &str) -> BTreeSet<String> {
    let mut tokens =
        BTreeSet::from([name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()]);
    let (mut token, mut before) = (String::new(), ' ');
    for c in name.chars().chain([' ']) {
        let begins = !c.is_ascii_alphanumeric()
            || c.is_ascii_uppercase() && before.is_ascii_lowercase()
            || c.is_ascii_digit() != before.is_ascii_digit();
        if begins && !token.is_empty() {
            tokens.insert(std::mem::take(&mut token).to_lowercase());
        }
        if c.is_ascii_alphanumeric() {
            token.push(c);
        }
        before = c;
    }
    tokens
}

/// The metrics that a search term finds: a quoted term is a whole name, any other term is one token of a name.
fn finds(term: &str, names: &BTreeSet<String>) -> BTreeSet<String> {
    let found = |name: &&String| match term.strip_prefix('"').and_then(|term| term.strip_suffix('"')) {
        Some(exact) => **name == exact,
        None => tokens(name).contains(&term.to_lowercase()),
    };
    names.iter().filter(found).cloned().collect()
}

#[test]
fn every_search_finds_its_invoices() {
    assert_eq!(
        tokens("Project2-trial333"),
        ["2", "333", "project", "project2trial333", "trial"].map(str::to_owned).into()
    );
    let written = written();
    let mut words = BTreeSet::new();
    for search in shown().1 {
        let term = search.strip_prefix(&format!("SEARCH('{{\"{OWN}\"}} MetricName="));
        let term = term.and_then(|rest| rest.strip_suffix("', 'Sum', 300)")).unwrap_or_else(|| panic!("{search}"));
        let kinds = written.iter().filter(|name| name.starts_with(&format!("{term}.")));
        let kinds: BTreeSet<String> = kinds.cloned().collect();
        assert!(kinds.len() > 5, "{term}: {kinds:?}");
        assert_eq!(finds(term, &written), kinds, "{search}");
        assert_eq!(finds(&format!("\"{term}\""), &written), BTreeSet::new(), "a quoted term matches whole names only");
        words.insert(term.to_owned());
    }
    assert_eq!(words, ["Rejections", "Transitions"].map(str::to_owned).into());
}

#[test]
fn every_metric_of_the_alarms_and_the_dashboard_is_written() {
    let written = written();
    let (shown, _) = shown();
    let all: Vec<Metric> = alarms().values().flat_map(watched).chain(shown.iter().cloned()).collect();
    for (namespace, name, dimensions) in &all {
        if namespace == OWN {
            assert!(written.contains(name) && dimensions.is_empty(), "no code writes {name} {dimensions:?}");
        } else {
            let dimensions: Vec<&str> = dimensions.iter().map(|(name, _)| name.as_str()).collect();
            let known = WRITTEN_BY_AWS.iter().any(|known| *known == (namespace, name, &dimensions[..]));
            assert!(known, "AWS does not write {namespace} {name} by {dimensions:?}");
        }
    }
    let own: BTreeSet<&String> =
        shown.iter().filter(|(namespace, ..)| namespace == OWN).map(|(_, name, _)| name).collect();
    for name in written.iter().filter(|name| !name.contains('.')) {
        assert!(own.contains(name), "{name} is on no widget");
    }
    // The dashboard and the code use the same namespace.
    let root = yaml::template();
    let stack = json!({"!Ref": "AWS::StackName"});
    assert_eq!(root["Globals"]["Function"]["Environment"]["Variables"]["METRICS_NAMESPACE"], stack);
    assert_eq!(root["Resources"]["Alarms"]["Properties"]["Parameters"]["Namespace"], stack);
}

#[test]
fn throttles_and_capacity_of_the_table_and_of_every_index_are_watched() {
    let table = ("TableName".to_owned(), "${TableName}".to_owned());
    let indexes = yaml::template()["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"].take();
    let indexes = indexes.as_array().unwrap().iter().map(|index| text(&index["IndexName"]));
    let index = |name| vec![table.clone(), ("GlobalSecondaryIndexName".to_owned(), name)];
    let places: Vec<Vec<(String, String)>> = [vec![table.clone()]].into_iter().chain(indexes.map(index)).collect();
    assert_eq!(places.len(), 4);
    let watched: Vec<Metric> = alarms().values().flat_map(watched).collect();
    let shown = shown().0;
    for place in places {
        for kind in ["Read", "Write"] {
            let throttles = ("AWS/DynamoDB".to_owned(), format!("{kind}ThrottleEvents"), place.clone());
            let capacity = ("AWS/DynamoDB".to_owned(), format!("Consumed{kind}CapacityUnits"), place.clone());
            assert!(shown.contains(&throttles) && shown.contains(&capacity), "{kind} {place:?} is on no widget");
            assert!(watched.contains(&throttles), "no alarm on {kind} {place:?}");
        }
    }
}

#[test]
fn no_alarm_rings_before_there_are_data_and_each_reports_both_changes() {
    let topic = json!({"!If": ["HasAlarmTopic", [{"!Ref": "AlarmTopicArn"}], {"!Ref": "AWS::NoValue"}]});
    for (name, alarm) in alarms() {
        assert_eq!((&alarm["AlarmActions"], &alarm["OKActions"]), (&topic, &topic), "{name}");
        // A new alarm has insufficient data, and actions run only on a change of state. So an alarm that also reports
        // insufficient data is silent at first; an alarm that treats missing data as a breach would go off.
        let expected = if alarm["InsufficientDataActions"].is_null() {
            "notBreaching"
        } else {
            assert_eq!(alarm["InsufficientDataActions"], topic, "{name}");
            "missing"
        };
        assert_eq!(alarm["TreatMissingData"], expected, "{name}");
    }
    assert!(!alarms()["BillingDispatchStands"]["InsufficientDataActions"].is_null(), "a stopped schedule is reported");
}

#[test]
fn the_guide_says_how_many_alarms_there_are_to_pay_for() {
    let guide = fs::read_to_string(format!("{ROOT}/docs/deploying.md")).unwrap();
    let words = guide.split_whitespace().collect::<Vec<_>>().join(" ");
    // AWS charges for an alarm by its number of metrics.
    let (alarms, metrics) = (alarms(), alarms().values().map(|alarm| watched(alarm).len()).sum::<usize>());
    let claim = format!("{} alarms on {metrics} metrics at 0.10", alarms.len());
    assert!(words.contains(&claim), "{claim}");
    assert!(
        yaml::template()["Resources"]["Api"]["Properties"]["DefaultRouteSettings"]["DetailedMetricsEnabled"].is_null()
    );
}

/// An alarm on DynamoDB's metrics keeps its state while they have no data, so it needs one metric that always has data.
#[test]
fn alarms_on_metrics_that_come_and_go_end() {
    for (name, alarm) in alarms() {
        let watched = watched(&alarm);
        if !watched.iter().any(|(namespace, ..)| namespace == "AWS/DynamoDB") {
            continue;
        }
        let expression = text(&alarm["Metrics"][0]["Expression"]);
        assert!(expression.starts_with("SUM([") && expression.ends_with(", none])"), "{name}: {expression}");
        assert_eq!(alarm["Metrics"][1], json!({"Id": "none", "ReturnData": false, "Expression": "0 * used"}), "{name}");
        assert!(watched.iter().any(|(_, metric, _)| metric == "ConsumedReadCapacityUnits"), "{name}");
    }
}

/// A line of the access log, with a value for each variable.
fn access_log_line(values: &[(&str, &str)]) -> Value {
    let format = yaml::template()["Resources"]["Api"]["Properties"]["AccessLogSettings"]["Format"].take();
    let mut line = text(&format);
    for (variable, value) in values {
        assert!(line.contains(&format!("$context.{variable}\"")), "{variable} is not logged");
        line = line.replace(&format!("$context.{variable}\""), &format!("{value}\""));
    }
    serde_json::from_str(&line).expect("a line is JSON")
}

/// Returns whether a line matches a metric filter's pattern of the form `{ $.field = "text" }`. An asterisk is any
/// text.
fn matches(filter: &str, line: &Value) -> bool {
    let pattern = text(&resources()[filter]["Properties"]["FilterPattern"]);
    let term =
        pattern.strip_prefix("{ $.").and_then(|rest| rest.strip_suffix("\" }")).expect("a pattern of the known form");
    let (field, expected) = term.split_once(" = \"").expect("a comparison");
    let found = line[field].as_str().unwrap_or_else(|| panic!("{field} is not logged"));
    match expected.strip_prefix('*').and_then(|expected| expected.strip_suffix('*')) {
        Some(part) => found.contains(part),
        None => found == expected,
    }
}

#[test]
fn fields_read_from_the_access_log_are_in_it_and_no_caller_can_forge_them() {
    let throttled = access_log_line(&[("status", "429")]);
    let unreachable =
        access_log_line(&[("status", "401"), ("authorizer.error", "OIDC discovery endpoint communication error")]);
    // Errors that a caller can cause: a missing, expired or forged token, a path that looks like an error.
    let refused: Vec<Value> = ["The incoming token has expired", "invalid number of segments", "-"]
        .map(|error| {
            let path = ("path", "/api/v1/communication error/429");
            access_log_line(&[("status", "401"), ("authorizer.error", error), path])
        })
        .into();
    assert!(matches("Throttled", &throttled) && !matches("Throttled", &unreachable));
    assert!(matches("AuthorizerFailures", &unreachable) && !matches("AuthorizerFailures", &throttled));
    assert!(refused.iter().all(|line| !matches("Throttled", line) && !matches("AuthorizerFailures", line)));
    // Metric filters need the standard log class.
    assert!(yaml::template()["Resources"]["AccessLogs"]["Properties"]["LogGroupClass"].is_null());
    // A burst of one caller does not raise the alarm: it takes a tenth of many calls, in three periods.
    let alarm = &alarms()["CallsAreThrottled"];
    assert_eq!(alarm["Metrics"][0]["Expression"], "IF(calls > 1000, 100 * throttled / calls, 0)");
    assert_eq!((&alarm["EvaluationPeriods"], &alarm["Threshold"]), (&json!(3), &json!(10)));
}
