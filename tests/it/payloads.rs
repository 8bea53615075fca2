//! The promise: `infra/event` prints the event of an operation for `sam local invoke` and refuses what the operation does
//! not have; the payload of the stream in `infra/events` matches the present records.

use std::fs;
use std::process::Command;

use arcadia_functions::events::publish::publish;

use crate::harness::lambda;
use crate::harness::project::ROOT;

/// The error that `infra/event` ends with.
fn refusal(arguments: &[&str]) -> String {
    let output = Command::new(format!("{ROOT}/infra/event")).args(arguments).output().expect("infra/event");
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn an_operation_has_its_event() {
    let event = lambda::event(&["show_invoice", "number=20270115100000-5b0c4e8a9d27-EUR", "--default", "id=an id"]);
    assert_eq!(event["routeKey"], "GET /api/v1/deployments/{id}/invoices/{number}");
    assert_eq!(event["rawPath"], "/api/v1/deployments/an%20id/invoices/20270115100000-5b0c4e8a9d27-EUR");
    assert_eq!(event["pathParameters"]["id"], "an id");
    assert!(event["body"].is_null(), "{event}");
    assert_eq!(event["requestContext"]["authorizer"]["jwt"]["claims"]["tenant_id"], "acme");

    let event = lambda::event(&["list_deployments", "state=paused", "limit=10", "--as", "platform_admin"]);
    assert_eq!(event["rawQueryString"], "state=paused&limit=10");
    assert_eq!(event["requestContext"]["authorizer"]["jwt"]["claims"]["role"], "platform_admin");
    let event = lambda::event(&["void_invoice"]);
    assert_eq!(event["body"], r#"{"reason": "issued by mistake"}"#, "the first example");
}

#[test]
fn what_an_operation_does_not_have_is_refused() {
    let unknown = |name| format!("infra/event: there is no operation {name} in docs/openapi.json");
    assert_eq!(refusal(&["zzz"]), unknown("zzz") + "\n");
    assert_eq!(refusal(&["show_lifecyle"]), unknown("show_lifecyle") + "; there is show_lifecycle\n");
    assert_eq!(refusal(&["show_summary", "stat=paused"]), "infra/event: show_summary has no parameter stat\n");
    assert!(refusal(&["show_summary", "state"]).contains("state is not NAME=VALUE"));
}

#[test]
fn the_payload_of_the_stream_is_an_event_as_it_is_stored_now() {
    let text = fs::read_to_string(format!("{ROOT}/infra/events/publish_events.json")).expect("the payload");
    let events = publish(&serde_json::from_str(&text).expect("JSON")).expect("events of the payload");
    assert_eq!(events.len(), 1);
}
