//! One life of a small world: clients that send and repeat requests, servers that handle them, sweeps that start and
//! crash, and time that jumps. All of it follows from the seed.

use std::collections::HashMap;

use arcadia_domain::Timestamp;
use arcadia_functions::Error;
use arcadia_functions::auth::Principal;
use arcadia_functions::http::{Answer, IdempotencyKey};
use arcadia_store::item::Item;
use arcadia_store::{Store, StoreError, error_chain};
use chrono::TimeDelta;
use lambda_http::http::Method;

use super::api::{Execution, Request};
use super::audit::certain;
use super::catalog;
use super::sweep::Sweep;
use super::wishes::Wish;
use super::world::{Counts, Defect, MACHINES, World};

/// The most concurrent handlings of requests.
const MAX_EXECUTIONS: usize = 5;
/// The most concurrent sweeps.
const MAX_SWEEPS: usize = 2;
/// The most times that a client sends a request whose outcome it does not know.
const MAX_SENDS: u32 = 4;
/// The most sweeps until nothing is due any more.
const MAX_LAST_SWEEPS: usize = 400;

/// A request as its client knows it.
struct Sent {
    request: Request,
    /// The number of times that the client will still send it.
    sends_left: u32,
    /// The number of its handlings in progress.
    running: u32,
    /// Whether the client has a final answer.
    is_settled: bool,
}

/// One life.
pub struct Run {
    world: World,
    sent: Vec<Sent>,
    /// Requests that will be sent again.
    again: Vec<usize>,
    executions: Vec<Execution>,
    sweeps: Vec<Sweep>,
    requests_left: usize,
    /// The answers under each key, and when they were decided.
    answers: HashMap<String, Vec<(Answer, Timestamp)>>,
}

impl Run {
    pub fn new(seed: u64, store: Store, defect: Option<Defect>, traces: bool) -> Self {
        let mut world = World::new(seed, store, defect, traces);
        for item in catalog::first(&mut world) {
            world.table.put(item);
        }
        let requests_left = 30 + world.random.below(51);
        let (sent, again, executions, sweeps) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { world, sent, again, executions, sweeps, requests_left, answers: HashMap::new() }
    }

    /// Lives it to its end, and checks that nothing is left to do there.
    pub fn finish(mut self) -> Counts {
        while self.requests_left > 0 || !self.again.is_empty() || !self.executions.is_empty() {
            self.step();
        }
        self.world.is_calm = true;
        while !self.sweeps.is_empty() {
            self.advance_sweep(0);
        }
        let lag = self.world.table.lag();
        self.world.table.catch_up(lag);
        // Longer than the error of every clock, and than a postponement.
        self.world.pass(TimeDelta::hours(2));
        let sweeps = (0..MAX_LAST_SWEEPS).find(|_| self.last_sweep() == 0);
        assert!(sweeps.is_some(), "there is always something to sweep");
        let events = self.world.audit.event_count();
        assert_eq!((self.last_sweep(), self.world.audit.event_count()), (0, events), "a sweep that has nothing to do");
        for id in self.world.audit.deployments() {
            let next = self.world.audit.aggregate(id).next_action();
            let is_due = next.is_some_and(|next| next.at <= self.world.clock(0));
            assert!(!is_due, "{id} was forgotten: {next:?}");
        }
        self.world.counts
    }

    /// The number of steps of an undisturbed sweep.
    fn last_sweep(&mut self) -> usize {
        let mut sweep = Sweep::new(&self.world, 0);
        while !sweep.advance(&mut self.world) {}
        let lag = self.world.table.lag();
        self.world.table.catch_up(lag);
        sweep.steps
    }

    fn step(&mut self) {
        self.world.counts.steps += 1;
        let ms = i64::try_from(self.world.random.below(300)).expect("a small number");
        self.world.pass(TimeDelta::milliseconds(ms));
        match self.world.random.below(200) {
            0..=24 => self.send_something(),
            25..=30 => self.begin_sweep(),
            31..=42 => self.world.table.catch_up(1),
            43..=45 => self.world.deliver_late(),
            46..=49 => self.crash(),
            50..=52 => self.jump(),
            53 => self.world.set_clock(),
            54 => {
                let items = catalog::reprice(&mut self.world);
                self.put(items);
            }
            55 => {
                let items = catalog::change_rules(&mut self.world);
                self.put(items);
            }
            56 => {
                let expired = self.world.table.expire(self.world.now);
                self.world.trace(|| format!("{expired} records that have expired are deleted"));
            }
            57..=91 if !self.sweeps.is_empty() => {
                let index = self.world.random.below(self.sweeps.len());
                self.advance_sweep(index);
            }
            _ if !self.executions.is_empty() => {
                let index = self.world.random.below(self.executions.len());
                self.advance_execution(index);
            }
            _ => self.send_something(),
        }
    }

    /// A client sends a new request or repeats one; some send it twice at once.
    fn send_something(&mut self) {
        if self.executions.len() >= MAX_EXECUTIONS {
            return;
        }
        let is_new = self.requests_left > 0 && (self.again.is_empty() || self.world.chance(2));
        let id = if is_new {
            self.requests_left -= 1;
            self.new_request()
        } else if self.again.is_empty() {
            return;
        } else {
            let index = self.world.random.below(self.again.len());
            self.again.swap_remove(index)
        };
        self.handle(id);
        if self.world.chance(6) {
            self.handle(id);
        }
    }

    fn new_request(&mut self) -> usize {
        let id = self.sent.len();
        let wish = Wish::random(&mut self.world);
        let principal = wish.principal(&mut self.world);
        let is_keyed = wish.is_post() && !self.world.chance(3);
        // Now and then a client uses a key again for another request.
        let name = if id > 0 && self.world.chance(25) { self.world.random.below(id) } else { id };
        let key = is_keyed.then(|| key(&format!("key-{name}"), &principal, &format!("{wish:?}")));
        self.world.trace(|| format!("request {id} by {}: {wish:?}", principal.actor.id));
        if let Some(key) = &key {
            self.world.audit.keyed(id, &key.id);
        }
        self.world.counts.requests += 1;
        let request = Request { wish, principal, key };
        self.sent.push(Sent { request, sends_left: MAX_SENDS, running: 0, is_settled: false });
        id
    }

    fn handle(&mut self, id: usize) {
        let machine = self.world.random.below(MACHINES);
        let sent = &mut self.sent[id];
        sent.sends_left = sent.sends_left.saturating_sub(1);
        sent.running += 1;
        let execution = Execution::new(&mut self.world, id, machine, &sent.request);
        self.world.trace(|| format!("request {id} is handled at machine {machine}"));
        self.executions.push(execution);
    }

    fn advance_execution(&mut self, index: usize) {
        let execution = &mut self.executions[index];
        let id = execution.request;
        self.world.trace(|| format!("request {id} goes on"));
        let sent = &mut self.sent[id];
        let Some(outcome) = execution.advance(&mut self.world, &sent.request) else { return };
        let Execution { commit, made_at, .. } = self.executions.swap_remove(index);
        sent.running -= 1;
        let what = match &outcome {
            Ok(answer) => format!("{}{}", answer.status, if answer.replayed { " again" } else { "" }),
            Err(error) => error_chain(error),
        };
        self.world.trace(|| format!("request {id} is answered: {what}"));
        match outcome {
            Ok(answer) => {
                sent.is_settled = true;
                if let Some(commit) = commit.filter(|_| !answer.replayed) {
                    self.world.audit.acknowledged(commit);
                }
                let key = sent.request.key.as_ref().map(|key| key.id.clone());
                self.check_answer(key, answer, made_at);
            }
            Err(error) => self.refused(id, commit, &error),
        }
    }

    /// Checks that all answers under one key are the same while it is valid.
    fn check_answer(&mut self, key: Option<String>, answer: Answer, made_at: Timestamp) {
        let Some(key) = key else { return };
        let answer = Answer { replayed: false, ..answer };
        let answers = self.answers.entry(key).or_default();
        for (other, at) in answers.iter().filter(|(_, at)| (made_at - *at).abs() < certain()) {
            assert_eq!(*other, answer, "two answers under one key, of {at} and {made_at}");
            assert_eq!(other.body.to_string(), answer.body.to_string());
        }
        answers.push((answer, made_at));
    }

    fn refused(&mut self, id: usize, commit: Option<uuid::Uuid>, error: &Error) {
        let sent = &mut self.sent[id];
        match error {
            Error::CatchingUp | Error::Store(StoreError::Unavailable(_) | StoreError::KeyInUse) => {
                return self.send_again(id);
            }
            Error::Store(StoreError::Damaged(_) | StoreError::Refused(_) | StoreError::Denied(_))
            | Error::Internal(_) => {
                panic!("request {id} met a mistake of ours: {}", error_chain(error))
            }
            _ => {}
        }
        sent.is_settled = true;
        if let Some(commit) = commit {
            self.world.audit.refused(commit, self.world.now);
        }
        if sent.request.key.is_some() && sent.running == 0 {
            self.world.audit.refused_for_good(id, self.world.now);
        }
    }

    /// A client that does not know the outcome repeats the request; one without a key may give up.
    fn send_again(&mut self, id: usize) {
        let sent = &self.sent[id];
        if sent.is_settled || sent.sends_left == 0 || (sent.request.key.is_none() && self.world.chance(2)) {
            return;
        }
        if !self.again.contains(&id) {
            self.again.push(id);
        }
    }

    fn begin_sweep(&mut self) {
        if self.sweeps.len() < MAX_SWEEPS {
            let machine = self.world.random.below(MACHINES);
            self.world.trace(|| format!("a sweep begins at machine {machine}"));
            self.sweeps.push(Sweep::new(&self.world, machine));
        }
    }

    fn advance_sweep(&mut self, index: usize) {
        let machine = self.sweeps[index].machine;
        self.world.trace(|| format!("the sweep at machine {machine} goes on"));
        if self.sweeps[index].advance(&mut self.world) {
            self.sweeps.swap_remove(index);
        }
    }

    /// A function crashes between two requests to the table. Its client gets no answer; another sweep comes later.
    fn crash(&mut self) {
        let count = self.executions.len() + self.sweeps.len();
        if count == 0 {
            return;
        }
        self.world.counts.crashes += 1;
        let index = self.world.random.below(count);
        if index < self.executions.len() {
            let id = self.executions.swap_remove(index).request;
            self.world.trace(|| format!("the handling of request {id} crashes"));
            self.sent[id].running -= 1;
            self.send_again(id);
        } else {
            self.sweeps.swap_remove(index - self.executions.len());
            self.world.trace(|| "a sweep crashes".to_owned());
        }
    }

    fn jump(&mut self) {
        let count = i64::try_from(1 + self.world.random.below(40)).expect("a small number");
        let time = match self.world.random.below(4) {
            0 => TimeDelta::minutes(count),
            1 => TimeDelta::hours(count),
            _ => TimeDelta::days(count),
        };
        self.world.trace(|| format!("{time} pass"));
        self.world.pass(time);
        // No function runs longer than that.
        while time > TimeDelta::hours(1) && !(self.executions.is_empty() && self.sweeps.is_empty()) {
            self.crash();
        }
    }

    /// The catalog or a tenant's rules change.
    fn put(&mut self, items: Vec<Item>) {
        self.world.trace(|| format!("{} records of the catalog or of a tenant change", items.len()));
        items.into_iter().for_each(|item| self.world.table.put(item));
    }
}

/// The key of a request, read as the product reads it.
pub fn key(name: &str, principal: &Principal, body: &str) -> IdempotencyKey {
    let mut request = lambda_http::Request::new(lambda_http::Body::Empty);
    *request.method_mut() = Method::POST;
    request.headers_mut().insert("idempotency-key", name.parse().expect("a header"));
    IdempotencyKey::from_request(&request, principal, body.as_bytes()).expect("a key").expect("a key")
}
