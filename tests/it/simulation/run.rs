//! One life of a small world: clients that send requests and send them again, servers that handle them, sweeps that
//! come and crash, and time that jumps. All of it follows from the seed.

use std::collections::HashMap;

use arcadia_domain::{
    Addon, CatalogStatus, Coupon, CouponDuration, DunningPolicy, Interval, IntervalPrices, Plan, TenantId, Timestamp,
};
use arcadia_functions::Error;
use arcadia_functions::auth::Principal;
use arcadia_functions::http::{Answer, IdempotencyKey};
use arcadia_store::{Store, StoreError, error_chain, items, keys};
use chrono::TimeDelta;
use lambda_http::http::Method;

use super::api::{Execution, Request};
use super::audit::certain;
use super::sweep::Sweep;
use super::wishes::{ADDON, COUPONS, PLANS, Wish};
use super::world::{Counts, Defect, MACHINES, World};

/// The most handlings of requests at a time.
const MAX_EXECUTIONS: usize = 5;
/// The most sweeps at a time.
const MAX_SWEEPS: usize = 2;
/// How often a client sends a request that it knows no outcome of.
const MAX_SENDS: u32 = 4;
/// After so many sweeps at the latest, nothing is due any more.
const MAX_LAST_SWEEPS: usize = 400;

/// What a client knows of its request.
struct Sent {
    request: Request,
    /// How often it may send it still.
    sends_left: u32,
    /// How many handlings of it are under way.
    running: u32,
    /// Whether it has an answer that it takes for good.
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
    /// What was answered under each key, and when that was decided on.
    answers: HashMap<String, Vec<(Answer, Timestamp)>>,
}

impl Run {
    pub fn new(seed: u64, store: Store, defect: Option<Defect>, traces: bool) -> Self {
        let mut world = World::new(seed, store, defect, traces);
        stock(&mut world);
        let requests_left = 30 + world.random.below(51);
        let (sent, again, executions, sweeps) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { world, sent, again, executions, sweeps, requests_left, answers: HashMap::new() }
    }

    /// Lives it to the end, and checks that it comes to rest there.
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
        // Beyond every clock's error, and beyond what was put off for an hour.
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

    /// How many steps a sweep takes that nothing disturbs.
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
            54 => self.reprice(),
            55 => {
                let expired = self.world.table.expire(self.world.now);
                self.world.trace(|| format!("{expired} records that have expired are deleted"));
            }
            56..=90 if !self.sweeps.is_empty() => {
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

    /// A client sends something new or something again; some send it twice at once.
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
        // Now and then a client uses a key again for something else.
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

    /// All answers under one key are the same, as long as it counts.
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

    /// A client that knows no outcome sends the same again; one without a key may give up.
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

    /// A function dies between two requests. The client gets no answer; a sweep comes again.
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
        // No function runs for longer.
        while time > TimeDelta::hours(1) && !(self.executions.is_empty() && self.sweeps.is_empty()) {
            self.crash();
        }
    }

    /// The catalog changes; what was bought does not.
    fn reprice(&mut self) {
        let price_cents = i64::try_from(500 + self.world.random.below(1_000)).expect("a price");
        let now = self.world.now;
        if self.world.chance(3) {
            // A revision keeps how often the coupon was granted.
            let index = self.world.random.below(COUPONS.len());
            let old = self.world.table.get(&keys::coupon(&coupon(index, now).code)).expect("a coupon");
            let Coupon { revision, redemptions, .. } = items::to_coupon(old.clone()).expect("a coupon");
            let revised = Coupon { revision: revision + 1, redemptions, ..coupon(index, now) };
            self.world.table.put(items::from_coupon(&revised).expect("a coupon"));
        } else if self.world.chance(2) {
            self.world.table.put(items::from_addon(&addon(price_cents, now)).expect("an add-on"));
        } else {
            let index = self.world.random.below(PLANS.len());
            self.world.table.put(items::from_plan(&plan(index, 10 * price_cents, now)).expect("a plan"));
        }
    }
}

/// Puts a catalog into the table, and at times a policy of a tenant's own.
fn stock(world: &mut World) {
    let now = world.now;
    for index in 0..PLANS.len() {
        world.table.put(items::from_plan(&plan(index, 2_900, now)).expect("a plan"));
    }
    world.table.put(items::from_addon(&addon(750, now)).expect("an add-on"));
    for index in 0..COUPONS.len() {
        world.table.put(items::from_coupon(&coupon(index, now)).expect("a coupon"));
    }
    if world.chance(2) {
        let tenant_id: TenantId = "acme".parse().expect("a tenant");
        let policy = DunningPolicy { payment_terms_days: 3, suspended_after_days: 5, ..DunningPolicy::default() };
        world.table.put(items::from_dunning_policy(&tenant_id, &policy).expect("a policy"));
    }
}

fn plan(index: usize, price_cents: i64, now: Timestamp) -> Plan {
    let (interval, trial_days) = [(Interval::Month, 0), (Interval::Month, 14), (Interval::Year, 0)][index];
    let bare = Plan {
        code: PLANS[index].parse().expect("a code"),
        name: PLANS[index].parse().expect("a name"),
        status: CatalogStatus::Active,
        newest_version: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    bare.publish(price_cents, "USD".parse().expect("a currency"), interval, trial_days, now).0
}

fn addon(price_cents: i64, now: Timestamp) -> Addon {
    Addon {
        interval_prices: IntervalPrices::new(),
        code: ADDON.parse().expect("a code"),
        name: "Storage".parse().expect("a name"),
        price_cents,
        currency: "USD".parse().expect("a currency"),
        quantity: 50,
        unit: "GB".parse().expect("a unit"),
        status: CatalogStatus::Active,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

/// A third off for good, or an amount off twice for as many as can have it.
fn coupon(index: usize, now: Timestamp) -> Coupon {
    let is_amount = index == 1;
    Coupon {
        code: COUPONS[index].parse().expect("a code"),
        name: COUPONS[index].parse().expect("a name"),
        percent_basis_points: (!is_amount).then_some(3_333),
        amount_cents: is_amount.then_some(1_000),
        currency: is_amount.then(|| "USD".parse().expect("a currency")),
        duration: if is_amount { CouponDuration::Periods } else { CouponDuration::Forever },
        periods: is_amount.then_some(2),
        plans: if is_amount { vec![PLANS[0].parse().expect("a code")] } else { Vec::new() },
        max_redemptions: is_amount.then_some(2),
        redeem_by: None,
        status: CatalogStatus::Active,
        redemptions: 0,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

/// The key of a request, read as the product reads it.
fn key(name: &str, principal: &Principal, body: &str) -> IdempotencyKey {
    let mut request = lambda_http::Request::new(lambda_http::Body::Empty);
    *request.method_mut() = Method::POST;
    request.headers_mut().insert("idempotency-key", name.parse().expect("a header"));
    IdempotencyKey::from_request(&request, principal, body.as_bytes()).expect("a key").expect("a key")
}
