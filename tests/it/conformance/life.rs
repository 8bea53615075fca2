//! One life on both sides. Requests are chosen from the simulated world; time passes equally on both sides.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use arcadia_domain::{
    Authority, DEFAULT_OPERATION_RATE, DeploymentId, Matching, Operation, OperationCommand, OperationFilter,
    OperationId, OperationOutcome, OperationResult, Precision, Scope, StartOperation,
};
use arcadia_functions::auth::Principal;
use arcadia_functions::billing::sweep::{self, Report};
use arcadia_functions::http::Answer;
use arcadia_functions::http::problem::Problem;
use arcadia_functions::operations::take::{Taken, Taker};
use arcadia_functions::runtime::Clock as _;
use arcadia_functions::{Error, ROUTES, Route};
use arcadia_store::item::Item;
use aws_sdk_dynamodb::Client;
use chrono::TimeDelta;
use serde_json::Value;
use tokio::time::Instant;

use super::records::{Names, Records, difference, typed};
use super::requests::Sending;
use crate::harness::client::send;
use crate::harness::world::user;
use crate::harness::{self, Reply, dynamodb, table};
use crate::simulation::api::{Execution, Request};
use crate::simulation::run::key;
use crate::simulation::sweep::Sweep;
use crate::simulation::wishes::{Act, OPERATION, Wish};
use crate::simulation::world::{Defect, World};
use crate::simulation::{catalog, store};

/// The number of requests, sweeps and changes of the catalog in a life.
const STEPS: usize = 40;
/// The machine of the simulated world that handles everything.
const MACHINE: usize = 0;
/// The number of random requests of which one is sent.
const CHOICES: usize = 60;
/// How long a real sweep may take.
const SWEEP_LIMIT: Duration = Duration::from_secs(300);
/// The beginning of the message about a difference.
pub const DIFFERENCE: &str = "the simulator and the functions differ";

/// One life on both sides.
pub struct Life {
    simulated: World,
    real: harness::World,
    /// A client past the functions and their proxy.
    direct: Client,
    sent: Vec<Sent>,
    simulated_records: Records<Item>,
    real_records: Records<Value>,
    /// The number of writes of the simulated table at the last comparison, and the page of the real one.
    simulated_writes: u64,
    real_page: String,
    /// Reads the real table.
    http: reqwest::Client,
    /// Tokens of tenants' users.
    tokens: HashMap<String, String>,
    /// The first real answer under each key.
    answers: HashMap<String, String>,
    tally: Tally,
}

/// A request that was sent.
struct Sent {
    request: Request,
    /// The value of its `Idempotency-Key`.
    key: Option<String>,
    /// The same request over HTTP; `None` for a command that only an operation gives.
    over_http: Option<Sending>,
}

/// The part of an answer that both sides have.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    status: u16,
    code: Option<String>,
    version: Option<u64>,
    location: Option<String>,
    replayed: bool,
}

/// The number of times that each thing happened.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests that succeeded, by kind.
    accepted: BTreeMap<&'static str, u64>,
    refused: u64,
    forbidden: u64,
    not_found: u64,
    catching_up: u64,
    key_reused: u64,
    replayed: u64,
    sweep_steps: u64,
    command_steps: u64,
    catalog_changes: u64,
}

impl Tally {
    /// Adds another tally to this one.
    pub fn add(&mut self, other: Self) {
        for (handler, count) in other.accepted {
            *self.accepted.entry(handler).or_default() += count;
        }
        self.refused += other.refused;
        self.forbidden += other.forbidden;
        self.not_found += other.not_found;
        self.catching_up += other.catching_up;
        self.key_reused += other.key_reused;
        self.replayed += other.replayed;
        self.sweep_steps += other.sweep_steps;
        self.command_steps += other.command_steps;
        self.catalog_changes += other.catalog_changes;
    }

    /// The things that never happened; with `rare`, also among those that few lives have.
    pub fn missing(&self, rare: bool) -> Vec<&'static str> {
        let often = [
            ("a refusal", self.refused),
            ("a replayed answer", self.replayed),
            ("a step of a sweep", self.sweep_steps),
            ("a step before a command", self.command_steps),
            ("a change of the catalog", self.catalog_changes),
        ];
        let seldom = [
            ("a caller without permission", self.forbidden),
            ("a missing record", self.not_found),
            ("a deployment with too many due steps", self.catching_up),
            ("a key used for another request", self.key_reused),
        ];
        let kinds = kinds().map(|kind| (kind, self.accepted.get(kind).copied().unwrap_or_default()));
        let seldom = seldom.into_iter().chain(kinds).filter(|_| rare);
        often.into_iter().chain(seldom).filter(|(_, count)| *count == 0).map(|(what, _)| what).collect()
    }

    fn count(&mut self, wish: &Wish, told: &Told) {
        match (told.status, told.code.as_deref()) {
            (200..300, _) if told.replayed => self.replayed += 1,
            (200..300, _) => *self.accepted.entry(wish.kind()).or_default() += 1,
            (_, Some("catching_up")) => self.catching_up += 1,
            (_, Some("idempotency_key_reused")) => self.key_reused += 1,
            (403, _) => self.forbidden += 1,
            (404, _) => self.not_found += 1,
            _ => self.refused += 1,
        }
    }
}

impl Life {
    /// Begins the life of a seed with a catalog.
    pub async fn begin(seed: u64, defect: Option<Defect>, traces: bool) -> Self {
        let mut simulated = World::calm(seed, store(), defect, traces);
        simulated.audit.ignores_time = defect.is_some();
        let first = catalog::first(&mut simulated);
        let real = harness::World::start().await;
        let mut life = Self {
            simulated,
            real,
            direct: table::client(dynamodb::endpoint()),
            sent: Vec::new(),
            simulated_records: Records::new(),
            real_records: Records::new(),
            simulated_writes: 0,
            real_page: String::new(),
            http: table::http(),
            tokens: HashMap::new(),
            answers: HashMap::new(),
            tally: Tally::default(),
        };
        life.put(first).await;
        life
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// At the first difference between the two sides.
    pub async fn run(mut self) -> Tally {
        for _ in 0..STEPS {
            self.pass();
            match self.simulated.random.below(20) {
                0..=2 => self.sweep().await,
                3 => {
                    let items = catalog::reprice(&mut self.simulated);
                    self.put(items).await;
                }
                4 => {
                    let items = catalog::change_rules(&mut self.simulated);
                    self.put(items).await;
                }
                5..=7 => self.repeat().await,
                _ => self.request().await,
            }
        }
        self.tally.command_steps = self.simulated.counts.command_steps;
        self.tally
    }

    /// Lets time pass: moments, hours or days, or until just before or after a deployment is due.
    fn pass(&mut self) {
        let world = &mut self.simulated;
        let some = i64::try_from(1 + world.random.below(40)).expect("a small number");
        let known: Vec<DeploymentId> = world.audit.deployments().collect();
        let time = match world.random.below(14) {
            0 => TimeDelta::days(some),
            1 => TimeDelta::hours(some),
            2 => TimeDelta::days(3 * some),
            3..=5 if !known.is_empty() => {
                let id = *world.random.pick(&known);
                let near = i64::try_from(world.random.below(3)).expect("a small number") - 1;
                let next = world.audit.aggregate(id).next_action();
                next.map_or(TimeDelta::zero(), |next| next.at - world.now + TimeDelta::milliseconds(near))
            }
            _ => TimeDelta::milliseconds(7 * some),
        };
        // Ids of the same millisecond would have no order.
        world.pass(time.max(TimeDelta::milliseconds(1)));
        self.real.clock.shift(world.now - self.real.clock.now());
    }

    /// Puts records of the catalog or of a tenant into both tables.
    async fn put(&mut self, items: Vec<Item>) {
        self.simulated.trace(|| format!("{} records of the catalog or of a tenant", items.len()));
        self.tally.catalog_changes += u64::from(!items.is_empty());
        let name = self.real.app.store.table();
        for item in items {
            let put = self.direct.put_item().table_name(name).set_item(Some(item.clone()));
            put.send().await.expect("a write by the test");
            self.simulated.table.put(item);
        }
        self.compare("the catalog").await;
    }

    async fn sweep(&mut self) {
        self.simulated.trace(|| "a sweep".to_owned());
        let mut sweep = Sweep::new(&self.simulated, MACHINE);
        while !sweep.advance(&mut self.simulated) {}
        let real = sweep::sweep(&self.real.app, Instant::now() + SWEEP_LIMIT).await.expect("a sweep");
        let Report { due: _, steps, behind: _, postponed, unanswered, unfinished } = real;
        assert_eq!((postponed, unanswered, unfinished), (0, 0, false), "{real:?}");
        self.tally.sweep_steps += steps as u64;
        self.compare("a sweep").await;
        assert_eq!(sweep.steps, steps, "{DIFFERENCE} in the number of steps of a sweep");
    }

    /// Sends a new request; now and then under a used key.
    async fn request(&mut self) {
        let world = &mut self.simulated;
        // Most should change something and be of a rare kind.
        let sent = |request: &Request| {
            let kind = request.wish.kind();
            self.sent.iter().filter(|sent| sent.request.wish.kind() == kind).count()
        };
        let is_any = world.chance(3);
        let mut drawn: Vec<Request> = (0..CHOICES).map(|_| draw(world)).collect();
        drawn.retain(|request| is_any || Execution::would_change(world, request));
        let is_first = world.chance(3);
        let request = if is_first { drawn.into_iter().next() } else { drawn.into_iter().min_by_key(sent) };
        let Request { wish, principal, .. } = request.unwrap_or_else(|| draw(world));
        let id = self.sent.len();
        let is_keyed = wish.is_post() && !world.chance(3);
        let of_the_same = |sent: &&Sent| sent.request.principal == principal;
        let used: Vec<&String> = self.sent.iter().filter(of_the_same).filter_map(|sent| sent.key.as_ref()).collect();
        let name = match used.is_empty() || !world.chance(5) {
            true => format!("key-{id}"),
            false => (*world.random.pick(&used)).clone(),
        };
        let name = is_keyed.then_some(name);
        let key = name.as_ref().map(|name| key(name, &principal, &format!("{wish:?}")));
        if let Some(key) = &key {
            world.audit.keyed(id, &key.id);
        }
        let over_http = Sending::of(&wish).map(|sending| sending.translated(|text| self.translated(text)));
        self.sent.push(Sent { request: Request { wish, principal, key }, key: name, over_http });
        self.send(id).await;
    }

    /// Sends a request with a key again.
    async fn repeat(&mut self) {
        let keyed: Vec<usize> = (0..self.sent.len()).filter(|id| self.sent[*id].key.is_some()).collect();
        if keyed.is_empty() {
            return self.request().await;
        }
        // Most repetitions come soon.
        let last = keyed.len() - 1;
        let id = if self.simulated.chance(3) { *self.simulated.random.pick(&keyed) } else { keyed[last] };
        self.send(id).await;
    }

    /// Sends a request on both sides and compares what follows.
    async fn send(&mut self, id: usize) {
        let Request { wish, principal, .. } = &self.sent[id].request;
        let what = format!("request {id} by {}: {wish:?}", principal.actor.id);
        self.simulated.trace(|| what.clone());
        let outcome = self.simulate(id);
        let (reply, told) = match (&self.sent[id].request.wish, self.sent[id].over_http.clone()) {
            (_, Some(sending)) => {
                let reply = self.send_over_http(id, sending).await;
                let told = Told::of_reply(&reply);
                (Some(reply), told)
            }
            (Wish::Do(deployment_id, Act::Operation(command)), None) => {
                let real_id = self.translated(&deployment_id.to_string());
                (None, self.operate(real_id.parse().expect("an id"), command.clone()).await)
            }
            (wish, None) => unreachable!("no route and no operation: {wish:?}"),
        };
        self.compare(&what).await;
        let simulated = Told::of_outcome(&outcome).named(&self.simulated_records.names);
        let real = told.named(&self.real_records.names);
        let text = reply.as_ref().map(|reply| reply.text.as_str()).unwrap_or_default();
        assert!(simulated == real, "{DIFFERENCE} after {what}:\n  simulated: {simulated:?}\n  real: {real:?} {text}");
        self.tally.count(&self.sent[id].request.wish, &real);
        if let Some((key, reply)) = self.sent[id].request.key.as_ref().zip(reply)
            && real.code.is_none()
        {
            if real.replayed {
                assert_eq!(self.answers[&key.id], reply.text, "a replayed answer is another one");
            } else {
                self.answers.insert(key.id.clone(), reply.text);
            }
        }
    }

    /// A text with real ids in place of the simulated ones.
    fn translated(&self, text: &str) -> String {
        self.simulated_records.names.translate(text, &self.real_records.names)
    }

    fn simulate(&mut self, id: usize) -> Result<Answer, Error> {
        let (world, request) = (&mut self.simulated, &self.sent[id].request);
        let mut execution = Execution::new(world, id, MACHINE, request);
        loop {
            if let Some(outcome) = execution.advance(world, request) {
                return outcome;
            }
        }
    }

    async fn send_over_http(&mut self, id: usize, sending: Sending) -> Reply {
        let Sending { method, path, body } = sending;
        let token = self.token(id);
        let mut request = self.real.request(method, &path, &token);
        if let Some(key) = &self.sent[id].key {
            request = request.header("idempotency-key", key);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        send(request).await
    }

    fn token(&mut self, id: usize) -> String {
        let Principal { actor, scope } = &self.sent[id].request.principal;
        match (actor.authority, scope) {
            (_, Scope::Tenant(tenant_id)) => {
                let tenant_id = tenant_id.to_string();
                self.tokens.entry(tenant_id.clone()).or_insert_with(|| user(&tenant_id)).clone()
            }
            (Authority::DataPlane, Scope::All) => self.real.data_plane.clone(),
            (_, Scope::All) => self.real.admin.clone(),
        }
    }

    /// Gives the command of an operation to one deployment, as a worker of the operation does.
    async fn operate(&self, id: DeploymentId, command: OperationCommand) -> Told {
        let (app, now) = (&self.real.app, self.real.clock.now());
        let filter = OperationFilter { ids: Some(1), ..OperationFilter::default() };
        let rate_per_second = DEFAULT_OPERATION_RATE;
        let request = StartOperation { filter, command, reason: None, notes: None, rate_per_second };
        let matching = Matching { count: 1, is: Precision::Exact };
        let operation_id = OperationId::new(app.new_id(now));
        let operation = Operation::start(operation_id, request, matching, "ada".to_owned(), now);
        let taken = Taker::new(app, &operation).take(id).await.expect("an answer of DynamoDB");
        let told = Told { status: 200, code: None, version: None, location: None, replayed: false };
        match taken {
            Taken::Result(OperationResult { outcome: OperationOutcome::Refused, problem, .. }) => {
                let problem = problem.expect("a problem");
                Told { status: problem.status, code: Some(problem.code), ..told }
            }
            Taken::Result(OperationResult { version, .. }) => Told { version, ..told },
            // The next pass of the operation tries again.
            Taken::Unanswered => Told { status: 503, code: Some("catching_up".to_owned()), ..told },
            Taken::NotSelected => panic!("an operation passes over a deployment that it names"),
        }
    }

    /// Compares all records of the two tables.
    async fn compare(&mut self, what: &str) {
        // The index of DynamoDB Local has no lag.
        let lag = self.simulated.table.lag();
        self.simulated.table.catch_up(lag);
        if self.simulated.table.writes != self.simulated_writes {
            self.simulated_writes = self.simulated.table.writes;
            let items = self.simulated.table.items().map(|(key, item)| (key, item.clone()));
            self.simulated_records.update(items, typed);
        }
        let page = table::raw_scan(&self.http, self.real.app.store.table(), &Value::Null).await;
        if page != self.real_page {
            let (items, next) = table::typed_page(&page);
            assert!(next.is_null(), "a life has more records than a page");
            self.real_records.update(items.into_iter(), Value::clone);
            self.real_page = page;
        }
        if let Some(difference) = difference(&mut self.simulated_records, &mut self.real_records) {
            panic!("{DIFFERENCE} after {what}:\n{difference}");
        }
    }
}

/// The kinds of requests: the routes that change a deployment, and the commands of operations.
fn kinds() -> impl Iterator<Item = &'static str> {
    let changes_a_deployment =
        |route: &&Route| route.path.starts_with("/api/v1/deployments") && !route.method.is_safe();
    ROUTES.iter().filter(changes_a_deployment).map(|route| route.handler).chain([OPERATION])
}

/// A random request without a key.
fn draw(world: &mut World) -> Request {
    let wish = Wish::random(world);
    let principal = wish.principal(world);
    Request { wish, principal, key: None }
}

impl Told {
    fn of_outcome(outcome: &Result<Answer, Error>) -> Self {
        match outcome {
            Ok(Answer { status, version, location, replayed, body: _, csv: _ }) => Self {
                status: status.as_u16(),
                code: None,
                version: *version,
                location: location.clone(),
                replayed: *replayed,
            },
            Err(error) => {
                let Problem { status, code, .. } = Problem::from(error);
                let (status, code) = (status.as_u16(), Some(code.to_owned()));
                Self { status, code, version: None, location: None, replayed: false }
            }
        }
    }

    fn of_reply(reply: &Reply) -> Self {
        let location = Some(reply.header("location").to_owned()).filter(|location| !location.is_empty());
        Self {
            status: reply.status,
            code: reply.body["code"].as_str().map(str::to_owned),
            version: reply.header("etag").trim_matches('"').parse().ok(),
            location,
            replayed: reply.header("idempotent-replayed") == "true",
        }
    }

    /// The same with names in place of ids.
    fn named(self, names: &Names) -> Self {
        Self { location: self.location.map(|location| names.named(&location)), ..self }
    }
}
