//! The place of a measurement: a table of its own on DynamoDB Local, and the product's functions on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arcadia_domain::Timestamp;
use arcadia_functions::auth::ClaimNames;
use arcadia_functions::runtime::{App, Clock, RealClock, Settings, local_client};
use arcadia_functions::{Route, find_route, respond};
use arcadia_store::{Store, schema};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Request};
use serde_json::{Value, json};

use crate::{Failure, dynamodb};

/// The tenant of the deployments.
pub const TENANT: &str = "acme";
/// The region of the deployments.
pub const REGION: &str = "eu-central-1";

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct SetClock(Mutex<Timestamp>);

/// A table, and the functions on it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The product, as its functions use it.
    pub app: App,
}

impl SetClock {
    /// A clock that shows `at`.
    pub const fn new(at: Timestamp) -> Self {
        Self(Mutex::new(at))
    }

    /// The clock's time.
    pub fn get(&self) -> Timestamp {
        *self.0.lock().expect("no holder of the lock panics")
    }

    /// Sets the time.
    pub fn set(&self, at: Timestamp) {
        *self.0.lock().expect("no holder of the lock panics") = at;
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        self.get()
    }
}

impl Place {
    /// Creates a new table on DynamoDB Local.
    pub async fn new(name: &str) -> Result<Self, Failure> {
        Self::new_at(name, Arc::new(RealClock)).await
    }

    /// The same, at the time of `clock`.
    pub async fn new_at(name: &str, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        Self::new_on(local_client(dynamodb::endpoint()), &crate::unique(name), clock).await
    }

    /// The same, with the caller's client.
    pub async fn new_on(client: Client, table: &str, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let place = Self::on(client, table, clock);
        schema::create_table(place.app.store.client(), place.app.store.table()).await?;
        Ok(place)
    }

    /// The functions on an existing table, at the time of `clock`.
    pub fn at(endpoint: &str, table: &str, clock: Arc<dyn Clock>) -> Self {
        Self::on(local_client(endpoint), table, clock)
    }

    /// The endpoint of DynamoDB Local.
    pub fn endpoint() -> &'static str {
        dynamodb::endpoint()
    }

    /// The functions with the caller's client.
    pub fn on(client: Client, table: &str, clock: Arc<dyn Clock>) -> Self {
        let claims = ClaimNames { tenant: "tenant_id".to_owned(), role: "role".to_owned() };
        let settings = Settings { default_region: REGION.parse().expect("a region's code"), claims };
        Self { app: App { store: Store::new(client, table), clock, settings } }
    }

    /// Calls a route as platform_admin and expects success.
    pub async fn call(&self, handler: &str, parameters: Value, body: Value) -> Result<Value, Failure> {
        let (status, body) = self.answer(route(handler), request(&event(handler, &parameters, &body))?).await?;
        if status >= 300 { Err(format!("{handler}: {status} {body}").into()) } else { Ok(body) }
    }

    /// A route's answer to a request.
    pub async fn answer(&self, route: &Route, request: Request) -> Result<(u16, Value), Failure> {
        let response = respond(&self.app, route, request).await;
        let Body::Text(text) = response.body() else { return Err("the answer has no text".into()) };
        Ok((response.status().as_u16(), serde_json::from_str(text)?))
    }

    /// Creates an active deployment. Returns its id.
    pub async fn create(&self, slug: &str) -> Result<String, Failure> {
        let body = json!({"tenant_id": TENANT, "slug": slug, "display_name": "The shop"});
        let made = self.call("create_deployment", json!({}), body).await?;
        Ok(made["deployment"]["id"].as_str().expect("a deployment has an id").to_owned())
    }

    /// Adds a plan `studio` and an add-on `storage_50gb` to the catalog, at this price each.
    pub async fn open_shop(&self, price_cents: i64) -> Result<(), Failure> {
        let studio = json!({"code": "studio"});
        self.call("put_plan", studio.clone(), json!({"name": "Studio"})).await?;
        let version = json!({"price_cents": price_cents, "currency": "USD", "interval": "month"});
        self.call("publish_plan_version", studio, version).await?;
        let addon =
            json!({"name": "Storage", "price_cents": price_cents, "currency": "USD", "quantity": 50, "unit": "GB"});
        self.call("put_addon", json!({"code": "storage_50gb"}), addon).await?;
        Ok(())
    }

    /// Creates an active deployment with a subscription and an add-on. Returns its id.
    pub async fn create_subscribed(&self, slug: &str) -> Result<String, Failure> {
        let id = self.create(slug).await?;
        let body = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
        self.call("subscribe_deployment", json!({"id": id}), body).await?;
        Ok(id)
    }
}

/// A route by its handler's name.
pub fn route(handler: &str) -> &'static Route {
    find_route(handler).expect("a route of that name")
}

/// The event that API Gateway sends to a function for a call of platform_admin. `parameters` are the path's.
pub fn event(handler: &str, parameters: &Value, body: &Value) -> Value {
    let Route { method, path, .. } = route(handler);
    let mut raw_path = (*path).to_owned();
    for (name, value) in parameters.as_object().into_iter().flatten() {
        raw_path = raw_path.replace(&format!("{{{name}}}"), value.as_str().expect("a parameter is a string"));
    }
    let route_key = format!("{method} {path}");
    json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": raw_path,
        "rawQueryString": "",
        "headers": {
            "accept": "application/json",
            "content-type": "application/json",
            "host": "api.example.com",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "pathParameters": parameters,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "authorizer": {"jwt": {"claims": {"sub": "ada@example.com", "role": "platform_admin"}, "scopes": null}},
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method.as_str(),
                "path": raw_path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "arcadia-bench",
            },
            "requestId": "bench",
            "routeKey": route_key,
            "stage": "$default",
            "time": "02/Jan/2026:03:04:05 +0000",
            "timeEpoch": 1_767_323_045_000_i64,
        },
        "body": body.to_string(),
        "isBase64Encoded": false,
    })
}

/// The request that Lambda's runtime makes from an event.
pub fn request(event: &Value) -> Result<Request, Failure> {
    Ok(lambda_http::request::from_str(&event.to_string())?)
}

/// The items of a partition whose sort keys have this prefix: one consistent Query.
pub async fn query(place: &Place, partition: &str, prefix: &str) -> Result<Vec<Item>, Failure> {
    let store = &place.app.store;
    let output = store
        .client()
        .query()
        .table_name(store.table())
        .consistent_read(true)
        .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
        .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()))
        .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
        .send()
        .await?;
    Ok(output.items.unwrap_or_default())
}
