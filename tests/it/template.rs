//! The promise: `template.yaml` deploys exactly the code's routes and table, and every function has exactly the
//! permissions that its calls need.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use arcadia_functions::ROUTES;
use arcadia_store::schema::TTL_ATTRIBUTE;
use aws_sdk_dynamodb::types::{AttributeDefinition, KeySchemaElement, Projection};
use regex_lite::Regex;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::contract::document;
use crate::harness::permissions::{ByHandler, Permissions};
use crate::harness::project::ROOT;
use crate::harness::{World, yaml};

/// The properties of the template's functions.
fn all_functions() -> impl Iterator<Item = Value> {
    let Value::Object(resources) = yaml::template()["Resources"].take() else { panic!("template.yaml has resources") };
    let functions = resources.into_iter().map(|(_, resource)| resource);
    let functions = functions.filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    functions.map(|mut function| function["Properties"].take())
}

/// The functions of the API's routes: all that are called over HTTP except the console.
fn functions() -> Vec<Value> {
    all_functions().filter(|properties| calls(properties).next().is_some() && !is_console(properties)).collect()
}

/// Returns whether a function is the console, the only one with another binary.
fn is_console(properties: &Value) -> bool {
    properties["CodeUri"] == "infra/console-server"
}

/// The events that call a function over HTTP.
fn calls(properties: &Value) -> impl Iterator<Item = &Value> {
    let events = properties["Events"].as_object().into_iter().flat_map(|events| events.values());
    events.filter(|event| event["Type"] == "HttpApi").map(|event| &event["Properties"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list")).iter().map(text).collect()
}

/// The permissions of each function that is called over HTTP.
pub fn permissions() -> ByHandler {
    permissions_of(functions())
}

/// The permissions of all other functions.
pub fn scheduled_permissions() -> ByHandler {
    permissions_of(all_functions().filter(|properties| calls(properties).next().is_none()))
}

fn permissions_of(functions: impl IntoIterator<Item = Value>) -> ByHandler {
    let mut permissions = ByHandler::new();
    for function in functions {
        // A function without policies may only log.
        let policies = function["Policies"].as_array().into_iter().flatten();
        let statements = policies.flat_map(|policy| policy["Statement"].as_array().expect("statements"));
        let mut permitted = Permissions::new();
        for statement in statements {
            assert_eq!(statement["Effect"], "Allow");
            let resources = match &statement["Resource"] {
                Value::Array(resources) => resources.clone(),
                one => vec![one.clone()],
            };
            for action in texts(&statement["Action"]) {
                permitted.extend(resources.iter().map(|resource| (action.clone(), named_by(resource))));
            }
        }
        permissions.insert(text(&function["Handler"]), permitted);
    }
    permissions
}

/// The resource that an ARN names: the table, an index of it, or another resource of the template.
fn named_by(arn: &Value) -> String {
    let resource = arn["!GetAtt"].as_str();
    let resource = resource.and_then(|text| text.strip_suffix(".Arn").or_else(|| text.strip_suffix(".StreamArn")));
    let index = arn["!Sub"].as_str().and_then(|text| text.strip_prefix("${Table.Arn}/index/"));
    let name = resource.or(index).unwrap_or_else(|| panic!("{arn} is neither a resource of the template nor an index"));
    if name == "Table" { "table".to_owned() } else { name.to_owned() }
}

#[test]
fn every_route_has_exactly_one_function_and_every_function_a_route() {
    let mut deployed: Vec<[String; 3]> = Vec::new();
    for function in functions() {
        for call in calls(&function) {
            deployed.push([text(&function["Handler"]), text(&call["Method"]).to_uppercase(), text(&call["Path"])]);
            assert_eq!(call["ApiId"], json!({"!Ref": "Api"}), "{call}");
        }
    }
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let routes = ROUTES.iter().flat_map(|route| {
        let taken = methods.iter().filter(|method| route.takes(method));
        taken.map(|method| [route.handler.to_owned(), method.to_string(), route.path.to_owned()])
    });
    let mut routes: Vec<[String; 3]> = routes.collect();
    deployed.sort();
    routes.sort();
    assert_eq!(deployed, routes);
}

#[test]
fn every_route_is_behind_the_authorizer() {
    let auth = &yaml::template()["Resources"]["Api"]["Properties"]["Auth"];
    let default = text(&auth["DefaultAuthorizer"]);
    assert!(auth["Authorizers"][&default]["JwtConfiguration"].is_object());
    for function in functions() {
        for call in calls(&function) {
            assert_eq!(call["Auth"], Value::Null, "{}: a route with its own authorizer", function["Handler"]);
        }
    }
}

#[test]
fn one_function_is_open_to_everyone_and_it_may_do_nothing() {
    let open: Vec<Value> = all_functions().filter(|function| function["CodeUri"] != Value::Null).collect();
    let [console] = &open[..] else { panic!("{} functions are of another binary", open.len()) };
    assert!(is_console(console) && console["Policies"].is_null() && console["Role"].is_null(), "{console}");
    let mut paths = Vec::new();
    for call in calls(console) {
        assert_eq!(call["ApiId"], json!({"!Ref": "Api"}), "{call}");
        assert_eq!(call["Auth"], json!({"Authorizer": "NONE"}), "{call}");
        // An event without method and path takes every request without a route.
        paths.push(call["Path"].as_str().unwrap_or("$default").to_owned());
        assert_eq!(call["Method"].as_str(), call["Path"].as_str().map(|_| "GET"), "{call}");
    }
    paths.sort();
    assert_eq!(paths, ["$default", "/", "/console", "/console/{file+}"]);
    assert!(ROUTES.iter().all(|route| route.path.starts_with("/api/")), "the API's routes begin with /api/");
}

#[tokio::test]
async fn the_table_is_the_one_that_the_code_makes() {
    let world = World::start().await;
    let table = world.describe_table().await;
    let schema = |keys: &[KeySchemaElement]| -> Vec<Value> {
        keys.iter().map(|k| json!({"AttributeName": k.attribute_name, "KeyType": k.key_type.as_str()})).collect()
    };
    let attribute = |a: &AttributeDefinition| json!({"AttributeName": a.attribute_name, "AttributeType": a.attribute_type.as_str()});
    let projection = |p: &Projection| {
        assert!(p.non_key_attributes().is_empty());
        json!({"ProjectionType": p.projection_type.as_ref().unwrap().as_str()})
    };
    let indexes = table.global_secondary_indexes().iter().map(|index| {
        json!({
            "IndexName": index.index_name,
            "KeySchema": schema(index.key_schema()),
            "Projection": projection(index.projection().unwrap()),
        })
    });
    let properties = &yaml::template()["Resources"]["Table"]["Properties"];
    assert_eq!(properties["KeySchema"], Value::Array(schema(table.key_schema())));
    let attributes = table.attribute_definitions().iter().map(attribute).collect();
    assert_eq!(sorted(&properties["AttributeDefinitions"]), sorted(&Value::Array(attributes)));
    assert_eq!(sorted(&properties["GlobalSecondaryIndexes"]), sorted(&Value::Array(indexes.collect())));
    assert!(table.local_secondary_indexes().is_empty() && properties["LocalSecondaryIndexes"].is_null());
    let billing_mode = table.billing_mode_summary.unwrap().billing_mode.unwrap();
    assert_eq!(properties["BillingMode"], billing_mode.as_str());
    assert_eq!(properties["TimeToLiveSpecification"], json!({"AttributeName": TTL_ATTRIBUTE, "Enabled": true}));
}

#[test]
fn the_guide_explains_every_parameter_and_its_default() {
    let guide = fs::read_to_string(format!("{ROOT}/docs/deploying.md")).unwrap();
    let rows: Vec<&str> = guide.lines().filter(|line| line.starts_with("| `")).collect();
    for (name, parameter) in yaml::template()["Parameters"].as_object().unwrap() {
        assert!(parameter["Description"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no description");
        let row =
            rows.iter().find(|row| row.contains(&format!("`{name}`"))).unwrap_or_else(|| panic!("{name} is missing"));
        let default = &parameter["Default"];
        let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        assert!(["", "null"].contains(&default.as_str()) || row.contains(&default), "{name} is {default}: {row}");
    }
}

/// Resolves a name in a stack whose own name has the greatest length, 128 characters.
fn resolved(name: &Value) -> String {
    let stack_name = "s".repeat(128);
    let stack_id = format!("arn:aws:cloudformation:eu-central-1:123456789012:stack/{stack_name}/{}", uuid::Uuid::max());
    if let Some(text) = name["!Sub"].as_str() {
        return text.replace("${AWS::StackName}", &stack_name).replace("${BusName}", &stack_name);
    }
    if let Some(reference) = name["!Ref"].as_str() {
        assert!(["AWS::StackName", "BusName"].contains(&reference), "{name}");
        return stack_name;
    }
    let parts = name["!Join"][1].as_array().unwrap_or_else(|| panic!("{name} is a name that this test cannot resolve"));
    assert_eq!(name["!Join"][0], "");
    let part = |part: &Value| match part.as_str() {
        Some(text) => text.to_owned(),
        None => {
            assert_eq!(*part, json!({"!Select": [2, {"!Split": ["/", {"!Ref": "AWS::StackId"}]}]}));
            stack_id.split('/').nth(2).expect("the id of a stack").to_owned()
        }
    };
    parts.iter().map(part).collect()
}

/// The longest allowed name of each type of resource, and whether CloudFormation shortens the names that it generates,
/// so that the resource needs no name.
const NAMES: &[(&str, &str, usize, bool)] = &[
    ("AWS::Events::Archive", "ArchiveName", 48, false),
    ("AWS::Events::EventBus", "Name", 256, false),
    ("AWS::Logs::LogGroup", "LogGroupName", 512, false),
    ("AWS::Pipes::Pipe", "Name", 64, false),
    ("AWS::SQS::Queue", "QueueName", 80, false),
    ("AWS::CloudWatch::Alarm", "AlarmName", 255, true),
    ("AWS::CloudWatch::Dashboard", "DashboardName", 255, true),
    ("AWS::DynamoDB::Table", "TableName", 255, true),
    ("AWS::IAM::Role", "RoleName", 64, true),
    ("AWS::Serverless::Function", "FunctionName", 64, true),
];

#[test]
fn names_are_within_their_limits_for_the_longest_name_of_a_stack() {
    for file in ["template.yaml", "infra/aws/alarms.yaml", "infra/aws/events.yaml"] {
        for (id, resource) in yaml::read(file)["Resources"].as_object().unwrap() {
            let known = NAMES.iter().find(|(kind, ..)| resource["Type"] == *kind);
            let Some((kind, property, most, is_made)) = known else { continue };
            let name = &resource["Properties"][property];
            if name.is_null() {
                assert!(is_made, "{id}, a {kind}, needs a name");
                continue;
            }
            let name = resolved(name);
            assert!(name.len() <= *most, "{id}: {name} has {} of {most} characters", name.len());
            let is_fifo = resource["Properties"]["FifoQueue"] == true;
            assert_eq!(name.ends_with(".fifo"), is_fifo, "{id}: {name}");
        }
    }
}

/// The values that `samconfig.toml` sets in each environment, as SAM reads them: an unquoted value ends at its first
/// space.
#[test]
fn every_value_of_samconfig_arrives_as_it_stands() {
    let settings = fs::read_to_string(format!("{ROOT}/samconfig.toml")).expect("samconfig.toml");
    let template = yaml::template();
    let line = Regex::new(r#"^ +(?:"(.*)"|'(.*)'),$"#).expect("an expression");
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for found in settings.lines().filter_map(|text| line.captures(text)) {
        let text = found.get(1).or(found.get(2)).expect("one of both").as_str();
        let (name, value) = text.split_once('=').unwrap_or_else(|| panic!("{text} sets nothing"));
        let parameter = &template["Parameters"][name];
        assert!(parameter.is_object(), "there is no parameter {name}");
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        assert!(quoted.is_some() || !value.contains(' '), "SAM would end {text} at the space");
        if let Some(pattern) = parameter["AllowedPattern"].as_str() {
            assert!(Regex::new(pattern).expect("a pattern").is_match(quoted.unwrap_or(value)), "{text}: {pattern}");
        }
        *seen.entry(name).or_default() += 1;
    }
    let environments = settings.matches(".deploy.parameters]").count();
    for name in ["Stage", "TokenIssuer", "TokenAudience", "BillingSchedule"] {
        assert_eq!(seen.get(name), Some(&environments), "{name} is set in each environment");
    }
    // Macros in nested stacks, and deployment without confirmation, need these.
    assert_eq!(
        settings.matches(r#"capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]"#).count(),
        environments
    );
}

#[test]
fn other_origins_may_send_and_read_every_header_that_the_document_has() {
    let cors = &yaml::template()["Resources"]["Api"]["Properties"]["CorsConfiguration"];
    let document = document();
    let lower = |name: &str| name.to_lowercase();
    let responses = document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let responses = responses.flat_map(|operation| operation["responses"].as_object().unwrap().values());
    let answered = responses.flat_map(|response| response["headers"].as_object().into_iter().flatten());
    let answered: BTreeSet<String> = answered.map(|(name, _)| lower(name)).collect();
    let parameters = document["components"]["parameters"].as_object().unwrap().values();
    let mut sent: BTreeSet<String> = parameters.map(|parameter| lower(&text(&parameter["name"]))).collect();
    sent.extend(["accept", "authorization", "content-type"].map(str::to_owned));
    assert_eq!(texts(&cors["ExposeHeaders"]).into_iter().collect::<BTreeSet<_>>(), answered);
    assert_eq!(texts(&cors["AllowHeaders"]).into_iter().collect::<BTreeSet<_>>(), sent);
    let methods: BTreeSet<String> = ROUTES.iter().map(|route| route.method.to_string()).collect();
    let allowed: BTreeSet<String> =
        texts(&cors["AllowMethods"]).into_iter().filter(|method| method != "HEAD").collect();
    assert_eq!(allowed, methods);
}

/// The elements of a list, sorted, where order does not matter.
fn sorted(list: &Value) -> Vec<String> {
    let mut items: Vec<String> = list.as_array().unwrap().iter().map(Value::to_string).collect();
    items.sort();
    items
}
