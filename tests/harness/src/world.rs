//! A test's whole world: a table, the product's server on it, and a clock that only the test moves.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use std::{fs, future, thread};

use arcadia_domain::{Deployment, Event, State, Timestamp};
use arcadia_functions::auth::ClaimNames;
use arcadia_functions::runtime::{App, Clock, Settings};
use arcadia_local::gateway;
use arcadia_local::issuer::{AUDIENCE, ISSUER, Issuer, KEY_FILE};
use arcadia_store::{Store, schema};
use aws_sdk_dynamodb::Client;
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::client::Http;
use super::project::temporary;
use super::proxy::Proxy;
use super::table::Contents;
use super::{dynamodb, table, unique};

/// When every test begins.
pub const START: &str = "2027-01-15T10:00:00Z";
/// When what depends on the calendar begins, too: on a month's last day, on a leap day, a second before a year's end.
pub const STARTS: [&str; 4] = [START, "2027-01-31T10:00:00Z", "2028-02-29T10:00:00Z", "2027-12-31T23:59:59Z"];
/// Where a deployment runs when its creator does not say.
pub const DEFAULT_REGION: &str = "eu-central-1";
/// The tenant that most tests are about.
pub const ACME: &str = "acme";

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct TestClock(Mutex<Timestamp>);

/// A table of its own, a server on it, a client of that.
#[derive(Debug)]
pub struct World {
    /// The time, as the server sees it.
    pub clock: Arc<TestClock>,
    /// What the server asks of DynamoDB.
    pub dynamodb: Proxy,
    http: Http,
    direct: Client,
    table: String,
    /// What the server's functions run on.
    pub app: App,
    /// `platform_admin`'s token.
    pub admin: String,
    /// A token of one of acme's users.
    pub user: String,
    /// `data_plane`'s token.
    pub data_plane: String,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no holder of the lock panics")
    }
}

impl TestClock {
    /// Moves the time, to and fro.
    pub fn shift(&self, by: TimeDelta) {
        *self.0.lock().expect("no holder of the lock panics") += by;
    }

    /// A time that lies ahead, as callers write it.
    pub fn ahead(&self, by: TimeDelta) -> String {
        (self.now() + by).to_rfc3339()
    }
}

impl World {
    /// Makes a table and starts a server on it; both live as long as the test's runtime.
    pub async fn start() -> Self {
        Self::start_with(dynamodb::endpoint(), table::PATIENCE).await
    }

    /// The same on an engine of the test's choice, with a server that waits `patience` for each of its answers.
    pub async fn start_with(endpoint: &'static str, patience: Duration) -> Self {
        let (direct, table) = (table::client(endpoint), unique());
        schema::create_table(&direct, &table).await.expect("a table");
        let dynamodb = Proxy::start(endpoint).await;
        let clock = Arc::new(TestClock(Mutex::new(START.parse().expect("a time"))));
        let app = App {
            store: Store::new(table::client_with(&dynamodb.endpoint, patience), &table),
            clock: Arc::<TestClock>::clone(&clock),
            settings: Settings {
                default_region: DEFAULT_REGION.parse().expect("a region"),
                claims: ClaimNames { tenant: "tenant_id".to_owned(), role: "role".to_owned() },
            },
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the address of a bound listener");
        tokio::spawn(gateway::serve(listener, app.clone(), Arc::clone(issuer()), future::pending()));
        Self {
            clock,
            dynamodb,
            http: Http::new(format!("http://{address}")),
            direct,
            table,
            app,
            admin: token("ada", "platform_admin", None),
            user: user(ACME),
            data_plane: token("plane", "data_plane", None),
        }
    }

    /// Reads the whole table.
    pub async fn contents(&self) -> Contents {
        table::contents(&self.direct, &self.table).await
    }

    /// A hash of all that the table holds; differs if that does. Much cheaper than [`World::contents`].
    pub async fn fingerprint(&self) -> u64 {
        table::fingerprint(&self.table).await
    }

    /// Reads the deployments that are stored.
    pub async fn stored(&self) -> Vec<Deployment> {
        table::deployments(&self.direct, &self.table).await
    }

    /// Describes the table.
    pub async fn describe_table(&self) -> aws_sdk_dynamodb::types::TableDescription {
        let described = self.direct.describe_table().table_name(&self.table).send().await.expect("a description");
        described.table.expect("a description")
    }

    /// Has acme's `slug` created; the answer's deployment.
    pub async fn create(&self, slug: &str) -> Value {
        let mut body = self.post("/deployments", &self.user, json!({"slug": slug})).await.expect(201);
        body["deployment"].take()
    }

    /// Has acme's `slug` created and brings it into `state` by moves of the map; its id.
    pub async fn create_in(&self, slug: &str, state: State) -> String {
        let (first, moves): (_, &[State]) = match state {
            State::Trial => (State::Trial, &[]),
            State::Active => (State::Active, &[]),
            State::PastDue => (State::Active, &[State::PastDue]),
            State::Paused => (State::Active, &[State::Paused]),
            State::Suspended => (State::Active, &[State::PastDue, State::Suspended]),
            State::Cancelled => (State::Active, &[State::Cancelled]),
            State::Archived => (State::Active, &[State::Cancelled, State::Archived]),
        };
        let trial_ends_at = (first == State::Trial).then(|| self.clock.ahead(TimeDelta::days(14)));
        let body = json!({"tenant_id": ACME, "slug": slug, "state": first, "trial_ends_at": trial_ends_at});
        let created = self.post("/deployments", &self.admin, body).await.expect(201);
        let id = id_of(&created["deployment"]);
        for to_state in moves {
            self.transition(&id, &self.admin, json!({"to_state": to_state})).await.expect(200);
        }
        id
    }

    /// Asks for a transition.
    pub async fn transition(&self, id: &str, token: &str, body: Value) -> super::Reply {
        self.post(&format!("/deployments/{id}/transition"), token, body).await
    }

    /// Reads a deployment's whole history through the API, oldest first.
    pub async fn events(&self, id: &str) -> Vec<Event> {
        let mut events = self.collect(&format!("/deployments/{id}/events?limit=100"), &self.admin, "events").await;
        events.reverse();
        events.into_iter().map(|event| serde_json::from_value(event).expect("an event")).collect()
    }

    /// Reads a list to its end, page by page.
    pub async fn collect(&self, path: &str, token: &str, name: &str) -> Vec<Value> {
        self.pages(path, token, name).await.into_iter().flatten().collect()
    }

    /// Reads the pages of a list.
    pub async fn pages(&self, path: &str, token: &str, name: &str) -> Vec<Vec<Value>> {
        const MAX_PAGES: usize = 100;
        let mut pages = Vec::new();
        let mut next = path.to_owned();
        while pages.len() < MAX_PAGES {
            let mut body = self.get(&next, token).await.expect(200);
            let Value::Array(records) = body[name].take() else { panic!("a list of {name}: {body}") };
            pages.push(records);
            match body["next_cursor"].as_str() {
                Some(cursor) => next = format!("{path}{}cursor={cursor}", if path.contains('?') { '&' } else { '?' }),
                None => return pages,
            }
        }
        panic!("{path} does not end");
    }
}

impl Deref for World {
    type Target = Http;

    fn deref(&self) -> &Http {
        &self.http
    }
}

/// Whatever a test was about: nothing in the product Scans.
impl Drop for World {
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_eq!(self.dynamodb.count("Scan"), 0, "the product sent a Scan");
        }
    }
}

/// The one issuer of all tests, since its key takes long to make.
pub fn issuer() -> &'static Arc<Issuer> {
    &issuer_and_key().0
}

/// The issuer's private key as PEM, with which a test signs what the issuer would not.
pub fn issuer_key() -> &'static str {
    &issuer_and_key().1
}

fn issuer_and_key() -> &'static (Arc<Issuer>, String) {
    static ISSUER: OnceLock<(Arc<Issuer>, String)> = OnceLock::new();
    ISSUER.get_or_init(|| {
        let directory = temporary().join(unique());
        let issuer = Issuer::open(&directory).expect("an RSA key");
        let key = fs::read_to_string(directory.join(KEY_FILE)).expect("the file of the key");
        fs::remove_dir_all(&directory).expect("a directory of the test");
        (Arc::new(issuer), key)
    })
}

/// A token of one of a tenant's users, called `bob`.
pub fn user(tenant: &str) -> String {
    token("bob", "tenant_user", Some(tenant))
}

/// A token, valid whatever the time is, with claims that a careless issuer might make too.
pub fn token(subject: &str, role: &str, tenant: Option<&str>) -> String {
    signed(&claims(subject, role, tenant))
}

/// The claims of [`token`].
pub fn claims(subject: &str, role: &str, tenant: Option<&str>) -> Value {
    const LAST_OF_9999_S: i64 = 253_402_300_799;
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "role": role, "iat": 0, "nbf": 0, "exp": LAST_OF_9999_S,
    });
    if let Some(tenant) = tenant {
        claims["tenant_id"] = tenant.into();
    }
    claims
}

/// A token of the tests' issuer.
pub fn signed(claims: &Value) -> String {
    issuer().sign(claims).expect("a token")
}

/// The id of a record.
pub fn id_of(record: &Value) -> String {
    record["id"].as_str().expect("a record has an id").to_owned()
}
