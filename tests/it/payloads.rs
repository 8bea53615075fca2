//! The promise: the payloads of `infra/events`, which `sam local invoke` sends to each function, match the present
//! routes and records.

use std::fs;

use arcadia_functions::ROUTES;
use arcadia_functions::events::publish::publish;
use serde_json::Value;

use crate::harness::project::ROOT;

fn payload(name: &str) -> Value {
    let text = fs::read_to_string(format!("{ROOT}/infra/events/{name}.json"));
    serde_json::from_str(&text.unwrap_or_else(|error| panic!("{name}: {error}"))).expect("JSON")
}

#[test]
fn every_route_has_its_payload() {
    for route in ROUTES {
        let key = format!("{} {}", route.method, route.path);
        let payload = payload(route.handler);
        assert_eq!((&payload["routeKey"], &payload["requestContext"]["routeKey"]), (&key.clone().into(), &key.into()));
    }
}

#[test]
fn the_payload_of_the_stream_is_an_event_as_it_is_stored_now() {
    let events = publish(&payload("publish_events")).expect("events of the payload");
    assert_eq!(events.len(), 1);
}
