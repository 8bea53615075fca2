//! A catalog to buy from, and what is done with a subscription.

use arcadia_api::{DeploymentView, SubscriptionView};
use arcadia_domain::{Aggregate, DeploymentId, Event, Scope, SubscriptionStatus, Timestamp, replay};
use arcadia_functions::runtime::Clock as _;
use arcadia_store::Store;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::send;
use super::world::id_of;
use super::{Reply, World, dynamodb, table};

impl World {
    pub async fn put(&self, path: &str, token: &str, body: Value) -> Reply {
        send(self.request(Method::PUT, path, token).json(&body)).await
    }

    /// Sets the time.
    pub fn set_time(&self, at: &str) {
        let at: Timestamp = at.parse().expect("a time");
        self.clock.shift(at - self.clock.now());
    }

    /// Puts a plan into the catalog and publishes a version of it for each of `versions`.
    pub async fn sell_plan(&self, code: &str, versions: &[Value]) {
        self.put(&format!("/plans/{code}"), &self.admin, json!({"name": code})).await.expect(201);
        for version in versions {
            self.publish(code, version.clone()).await.expect(201);
        }
    }

    /// Publishes a version of a plan: USD and monthly, unless `version` says otherwise.
    pub async fn publish(&self, code: &str, version: Value) -> Reply {
        let body = merged(json!({"currency": "USD", "interval": "month"}), version);
        self.post(&format!("/plans/{code}/versions"), &self.admin, body).await
    }

    /// Puts an add-on into the catalog or over what is there: 50 GB for 750 cents, unless `addon` says otherwise.
    pub async fn sell_addon(&self, code: &str, addon: Value) -> Value {
        let body = json!({"name": code, "price_cents": 750, "currency": "USD", "quantity": 50, "unit": "GB"});
        let reply = self.put(&format!("/addons/{code}"), &self.admin, merged(body, addon)).await;
        assert!([200, 201].contains(&reply.status), "{}", reply.text);
        reply.body["addon"].clone()
    }

    /// Puts a coupon into the catalog or over what is there: 20 % off without an end, unless `coupon` says otherwise. A
    /// null takes a field away.
    pub async fn sell_coupon(&self, code: &str, coupon: Value) -> Value {
        let body = json!({"name": code, "percent_basis_points": 2_000, "duration": "forever"});
        let reply = self.put(&format!("/coupons/{code}"), &self.admin, merged(body, coupon)).await;
        assert!([200, 201].contains(&reply.status), "{}", reply.text);
        reply.body["coupon"].clone()
    }

    /// Has `platform_admin` grant the discount of a coupon.
    pub async fn grant_discount(&self, id: &str, coupon: &str) -> Reply {
        self.post(&format!("/deployments/{id}/subscription/discount"), &self.admin, json!({"coupon": coupon})).await
    }

    /// Sells `studio` at 29.00 and `team` at 99.00 USD a month, `euro` at 27.00 EUR a month, `yearly` at 290.00 USD a
    /// year, and the add-ons `storage_50gb` at 7.50 USD and `euro_seats` at 3.33 EUR.
    pub async fn open_shop(&self) {
        self.sell_plan("studio", &[json!({"price_cents": 2_900})]).await;
        self.sell_plan("team", &[json!({"price_cents": 9_900})]).await;
        self.sell_plan("euro", &[json!({"price_cents": 2_700, "currency": "EUR"})]).await;
        self.sell_plan("yearly", &[json!({"price_cents": 29_000, "interval": "year"})]).await;
        self.sell_addon("storage_50gb", json!({})).await;
        self.sell_addon("euro_seats", json!({"price_cents": 333, "currency": "EUR", "quantity": 1, "unit": "seats"}))
            .await;
    }

    /// Asks for a subscription as acme's user does.
    pub async fn subscribe(&self, id: &str, body: Value) -> Reply {
        self.post(&format!("/deployments/{id}/subscribe"), &self.user, body).await
    }

    /// Has acme's `slug` created and subscribed; its id.
    pub async fn create_subscribed(&self, slug: &str, body: Value) -> String {
        let id = id_of(&self.create(slug).await);
        self.subscribe(&id, body).await.expect(201);
        id
    }

    /// Attaches an add-on; its id on the subscription.
    pub async fn attach(&self, id: &str, code: &str) -> String {
        let path = format!("/deployments/{id}/subscription/addons");
        let body = self.post(&path, &self.user, json!({"addon_code": code})).await.expect(201);
        id_of(&body["addon"])
    }

    /// Asks for a change of plan as acme's user does.
    pub async fn change(&self, id: &str, body: Value) -> Reply {
        self.change_as(&self.user, id, body).await
    }

    /// Asks for a change of plan as the bearer of a token does.
    pub async fn change_as(&self, token: &str, id: &str, body: Value) -> Reply {
        self.post(&format!("/deployments/{id}/subscription/change"), token, body).await
    }

    /// Cancels a subscription as acme's user does.
    pub async fn cancel(&self, id: &str, effective: &str) -> Reply {
        let path = format!("/deployments/{id}/subscription/cancellation");
        self.post(&path, &self.user, json!({"effective": effective})).await
    }

    /// Pays all that is open of a deployment, as `platform_admin`; each payment is an event.
    pub async fn settle_open_invoices(&self, id: &str) {
        for open in self.show(id).await["deployment"]["open_invoices"].as_array().expect("a list") {
            let number = open["number"].as_str().expect("a number");
            let body = json!({
                "reference": format!("paid-{number}"), "amount_cents": open["due_cents"], "currency": open["currency"],
            });
            let path = format!("/deployments/{id}/invoices/{number}/payments");
            self.post(&path, &self.admin, body).await.expect(200);
        }
    }

    /// Shows a deployment.
    pub async fn show(&self, id: &str) -> Value {
        self.get(&format!("/deployments/{id}"), &self.user).await.expect(200)
    }

    /// Shows a deployment's subscription.
    pub async fn subscription(&self, id: &str) -> Value {
        self.show(id).await["subscription"].take()
    }

    /// Reads a deployment as the functions do.
    pub async fn load(&self, id: &str) -> Aggregate {
        let table = self.describe_table().await.table_name.expect("a name");
        let store = Store::new(table::client(dynamodb::endpoint()), table);
        let id: DeploymentId = id.parse().expect("an id");
        store.load(&Scope::All, id).await.expect("a stored deployment").expect("a deployment")
    }

    /// Insists that a deployment's events are numbered without gaps and fold into what is stored and shown, and that
    /// its subscription's status follows its state.
    pub async fn check(&self, id: &str) -> Aggregate {
        let events: Vec<Event> = self.events(id).await;
        let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, (1..=events.len() as u64).collect::<Vec<_>>());
        let stored = self.load(id).await;
        assert_eq!(replay(stored.deployment.id, &events).as_ref(), Ok(&stored));
        let shown = self.get(&format!("/deployments/{id}"), &self.admin).await.expect(200);
        assert_eq!(shown["deployment"], json!(DeploymentView::of(&stored)));
        assert_eq!(shown["subscription"], json!(SubscriptionView::of(&stored)));
        if let Some(live) = stored.live_subscription() {
            assert_eq!(live.status, SubscriptionStatus::of(stored.deployment.state), "{id}");
        }
        stored
    }
}

/// `body` with the fields of `other` put over it.
pub fn merged(mut body: Value, other: Value) -> Value {
    if let (Value::Object(body), Value::Object(other)) = (&mut body, other) {
        body.extend(other);
    }
    body
}

/// The members of every object of a list, as a list for each.
pub fn column(list: &Value, name: &str) -> Vec<Value> {
    list.as_array().expect("a list").iter().map(|record| record[name].clone()).collect()
}
