//! One request in one Lambda function, as `functions/src/execute.rs` and `respond.rs` handle it: read, take the steps of the
//! clock that are due, read what goes with it, decide, commit, and under an idempotency key look what became of it before. Each step is one request to the table.

use std::rc::Rc;

use arcadia_api::DeploymentView;
use arcadia_domain::{
    Aggregate, BalanceMovement, Change, DeploymentId, PaymentReference, Refund, ShortCode, Timestamp, create, decide,
};
use arcadia_functions::Error;
use arcadia_functions::auth::Principal;
use arcadia_functions::http::{Answer, IdempotencyKey};
use arcadia_store::{IdempotencyRecord, KEPT_FOR, MAX_READS, StoreError, items, keys};
use chrono::DateTime;
use serde_json::{Value, json};
use uuid::Uuid;

use super::catch_up::{CatchUp, Outcome, Policies};
use super::wishes::{ADDON, Act, Found, Wish, creation};
use super::world::{Defect, Message, SDK_ATTEMPTS, World};
use super::writer::{Writer, no_answer, stayed_torn};

/// A request that a client has sent, however often.
pub struct Request {
    pub wish: Wish,
    pub principal: Principal,
    pub key: Option<IdempotencyKey>,
}

/// The handling of a request.
pub struct Execution {
    /// Which request.
    pub request: usize,
    pub machine: usize,
    /// The commit that it has decided on.
    pub commit: Option<Uuid>,
    /// When its answer was decided on, by the clock of whoever did.
    pub made_at: Timestamp,
    phase: Phase,
    /// The moment that the deployment was brought up to, once it was read.
    now: Option<Timestamp>,
    policies: Policies,
    /// How often the request to the table that is under way was sent without an answer.
    sends: u32,
    /// How often what it reads was torn.
    torn: u32,
}

enum Phase {
    /// What is left to be read, the next one last, and what was.
    Reading(Vec<Read>, Box<Found>),
    /// The clock comes first; then the rest is read.
    CatchingUp(Box<CatchUp>, Vec<Read>, Box<Found>),
    Committing(Box<Writer>, Answer),
    /// Nothing had to be done, and the answer is kept.
    Keeping(Message, Answer),
    /// It is refused, unless it had been carried out before.
    Looking(Error),
    Over,
}

enum Read {
    Aggregate(DeploymentId),
    Invoice(keys::Key),
    Refund(keys::Key, PaymentReference),
    Resource(keys::Key),
    Offer(Option<ShortCode>),
    Coupon(keys::Key),
}

impl Execution {
    /// Begins to handle a request.
    pub fn new(world: &mut World, id: usize, machine: usize, request: &Request) -> Self {
        let reads = match &request.wish {
            Wish::Create { .. } => Vec::new(),
            Wish::Do(id, act) => {
                let mut reads = vec![Read::Aggregate(*id)];
                if let Some(reference) = act.refund() {
                    reads.insert(0, Read::Refund(keys::refund(*id, reference), reference.clone()));
                }
                if let Some(number) = act.invoice() {
                    reads.insert(0, Read::Invoice(keys::invoice(*id, number)));
                }
                match act {
                    Act::DeleteResource(resource) => reads.insert(0, Read::Resource(keys::resource(*id, *resource))),
                    Act::Subscribe { plan, .. } | Act::ChangePlan { plan, .. } => {
                        reads.insert(0, Read::Offer(Some(plan.clone())));
                    }
                    Act::Attach => reads.insert(0, Read::Offer(None)),
                    Act::GrantDiscount(code) => reads.insert(0, Read::Coupon(keys::coupon(code))),
                    Act::Transition { .. }
                    | Act::Update { .. }
                    | Act::AddResource
                    | Act::Detach(_)
                    | Act::WithdrawPlanChange
                    | Act::Cancel(_)
                    | Act::WithdrawCancellation
                    | Act::ExtendTrial { .. }
                    | Act::Pay { .. }
                    | Act::Void(_)
                    | Act::Charge { .. }
                    | Act::Grant { .. }
                    | Act::CreditNote { .. }
                    | Act::Refund { .. }
                    | Act::Reverse { .. }
                    | Act::WriteOff(_)
                    | Act::WithdrawWriteOff(_)
                    | Act::MoveDueDate { .. }
                    | Act::Postpone(_)
                    | Act::FollowTenant { .. }
                    | Act::RemoveDiscount => {}
                }
                reads
            }
        };
        let phase = Phase::Reading(reads, Box::default());
        let made_at = world.clock(machine);
        let (now, policies) = (None, Policies::new());
        Self { request: id, machine, commit: None, made_at, phase, now, policies, sends: 0, torn: 0 }
    }

    /// Goes on by one request to the table; tells the outcome when there is one.
    pub fn advance(&mut self, world: &mut World, request: &Request) -> Option<Result<Answer, Error>> {
        let outcome = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Reading(reads, found) => self.read(world, request, reads, found),
            Phase::CatchingUp(catch_up, reads, found) => self.catch_up(world, request, catch_up, reads, found),
            Phase::Committing(mut writer, answer) => match writer.advance(world) {
                None => {
                    self.phase = Phase::Committing(writer, answer);
                    return None;
                }
                Some(Ok(())) => Some(Ok(answer)),
                Some(Err(error)) => Some(Err(error.into())),
            },
            Phase::Keeping(message, answer) => self.keep(world, message, answer),
            Phase::Looking(error) => return self.look(world, request, error),
            Phase::Over => unreachable!("what is over does not go on"),
        };
        // As `respond` does.
        let Some(key) = &request.key else { return outcome };
        match outcome {
            Some(Err(Error::Store(StoreError::Answered(record)))) => Some(self.replay(world, key, *record)),
            Some(Err(error)) if error.may_follow_success() && world.defect != Some(Defect::NoReplay) => {
                self.phase = Phase::Looking(error);
                None
            }
            outcome => outcome,
        }
    }

    /// Notes that no answer came; tells if that was once too often.
    fn unanswered(&mut self) -> Option<Result<Answer, Error>> {
        self.sends += 1;
        if self.sends < SDK_ATTEMPTS {
            return None;
        }
        Some(Err(no_answer().into()))
    }

    fn read(
        &mut self,
        world: &mut World,
        request: &Request,
        mut reads: Vec<Read>,
        mut found: Box<Found>,
    ) -> Option<Result<Answer, Error>> {
        if !reads.is_empty() && !world.is_answered() {
            self.phase = Phase::Reading(reads, found);
            return self.unanswered();
        }
        self.sends = 0;
        let read = reads.pop();
        let is_aggregate = matches!(read, Some(Read::Aggregate(_)));
        if let Some(read) = read
            && let Err(read) = read.carry_out(world, request, &mut found)
        {
            self.torn += 1;
            reads.push(read);
            self.phase = Phase::Reading(reads, found);
            return (self.torn == MAX_READS).then(|| Err(stayed_torn().into()));
        }
        if is_aggregate && let Some(aggregate) = found.aggregate.take() {
            let now = world.clock(self.machine);
            self.now = Some(now);
            let catch_up = Box::new(CatchUp::new(aggregate, self.machine, now));
            return self.catch_up(world, request, catch_up, reads, found);
        }
        self.go_on(world, request, reads, found)
    }

    /// Takes the steps of the clock that are due, and then goes on.
    fn catch_up(
        &mut self,
        world: &mut World,
        request: &Request,
        mut catch_up: Box<CatchUp>,
        reads: Vec<Read>,
        mut found: Box<Found>,
    ) -> Option<Result<Answer, Error>> {
        let forgets = world.defect == Some(Defect::LateClock) && catch_up.steps == 0 && world.chance(2);
        let taken = catch_up.steps;
        let outcome = if forgets { Some(Outcome::UpToDate) } else { catch_up.advance(world, &mut self.policies) };
        world.counts.command_steps += (catch_up.steps - taken) as u64;
        match outcome {
            None => {
                self.phase = Phase::CatchingUp(catch_up, reads, found);
                None
            }
            Some(Outcome::UpToDate) => {
                found.aggregate = Some(catch_up.aggregate);
                self.go_on(world, request, reads, found)
            }
            Some(Outcome::Behind | Outcome::Failed(StoreError::VersionConflict)) => Some(Err(Error::CatchingUp)),
            Some(Outcome::Failed(error)) => Some(Err(error.into())),
        }
    }

    /// Reads what is left to be read, or decides.
    fn go_on(
        &mut self,
        world: &mut World,
        request: &Request,
        reads: Vec<Read>,
        found: Box<Found>,
    ) -> Option<Result<Answer, Error>> {
        if reads.is_empty() {
            return self.decide(world, request, *found);
        }
        if found.aggregate.is_none() && !matches!(reads.last(), Some(Read::Aggregate(_))) {
            return Some(Err(Error::NotFound));
        }
        self.phase = Phase::Reading(reads, found);
        None
    }

    fn decide(&mut self, world: &mut World, request: &Request, found: Found) -> Option<Result<Answer, Error>> {
        let now = self.now.unwrap_or_else(|| world.clock(self.machine));
        self.made_at = now;
        let actor = &request.principal.actor;
        let before = found.aggregate.clone();
        let policy = Some(found.offer.dunning_policy.unwrap_or_default());
        let decided = match &request.wish {
            Wish::Create { tenant_id, slug, trial_days } => {
                let command = creation(world, tenant_id, slug, *trial_days, now);
                create(command, actor, now).map(Some).map_err(Error::from)
            }
            Wish::Do(_, act) => act.command(world, found, now).and_then(|command| {
                let before = before.as_ref().ok_or(Error::NotFound)?;
                Ok(decide(before, command, actor, policy, now)?)
            }),
        };
        let change = match decided {
            Ok(Some(change)) => change,
            Ok(None) => {
                let answer = answer(request, before.as_ref(), None);
                let Some(key) = &request.key else { return Some(Ok(answer)) };
                let write = world.store.idempotency_write(&key.record(&answer, now)).expect("a record");
                let message = Message { token: None, writes: Rc::new(vec![write]), commit: None };
                self.phase = Phase::Keeping(message, answer);
                return None;
            }
            Err(error) => return Some(Err(error)),
        };
        let answer = answer(request, Some(&change.after), Some(&change));
        let record = request.key.as_ref().map(|key| key.record(&answer, now));
        let writer = Writer::new(world, self.machine, Some(self.request), change, record.as_ref());
        self.commit = Some(writer.commit.id);
        self.phase = Phase::Committing(Box::new(writer), answer);
        None
    }

    /// As `Store::put_idempotency_record` does.
    fn keep(&mut self, world: &mut World, message: Message, answer: Answer) -> Option<Result<Answer, Error>> {
        match world.send(&message) {
            None => {
                self.phase = Phase::Keeping(message, answer);
                self.unanswered()
            }
            Some(Ok(())) => Some(Ok(answer)),
            Some(Err(reasons)) => {
                let found =
                    reasons.first().and_then(|reason| reason.item().cloned()).expect("the record that is there");
                let record = IdempotencyRecord::from_item(found).expect("a record");
                Some(Err(StoreError::Answered(Box::new(record)).into()))
            }
        }
    }

    fn look(&mut self, world: &mut World, request: &Request, error: Error) -> Option<Result<Answer, Error>> {
        let key = request.key.as_ref().expect("a key to look by");
        if !world.is_answered() {
            self.phase = Phase::Looking(error);
            return self.unanswered();
        }
        let now = world.clock(self.machine);
        let record = world.table.get(&keys::idempotency(&key.id)).cloned();
        let record = record.map(|item| IdempotencyRecord::from_item(item).expect("a record"));
        let Some(record) = record.filter(|record| record.expires_at > now.timestamp()) else { return Some(Err(error)) };
        Some(self.replay(world, key, record))
    }

    fn replay(&mut self, world: &mut World, key: &IdempotencyKey, record: IdempotencyRecord) -> Result<Answer, Error> {
        world.counts.replays += 1;
        let expires_at = DateTime::from_timestamp(record.expires_at, 0).expect("a time");
        self.made_at = expires_at - KEPT_FOR;
        key.replay(record)
    }
}

impl Read {
    /// Reads; fails with itself if what it found was torn.
    fn carry_out(self, world: &mut World, request: &Request, found: &mut Found) -> Result<(), Self> {
        match self {
            Self::Aggregate(id) => {
                let aggregate = Some(world.read_present(id).ok_or(self)?);
                found.aggregate = aggregate.filter(|a| request.principal.scope.contains(&a.deployment.tenant_id));
            }
            Self::Invoice(key) => {
                let item = world.table.get(&key).cloned();
                found.invoice = item.map(|item| items::to_invoice(item).expect("an invoice").invoice);
            }
            Self::Refund(key, reference) => {
                let item = world.table.get(&key).cloned();
                let movement = item.map(|item| items::to_movement(item).expect("a refund"));
                found.refund =
                    movement.map(|BalanceMovement { amount_cents, currency, invoice, at: refunded_at, .. }| Refund {
                        reference,
                        amount_cents,
                        currency,
                        invoice,
                        refunded_at,
                    });
            }
            Self::Resource(key) => {
                found.resource = world.read(&key).map(|item| items::to_resource(item).expect("a resource"));
            }
            Self::Coupon(key) => {
                found.coupon = world.read(&key).map(|item| items::to_coupon(item).expect("a coupon"));
            }
            Self::Offer(plan) => {
                let table = &world.table;
                let addon = table.get(&keys::addon(&ADDON.parse().expect("a code")));
                found.offer.addons.extend(addon.map(|item| items::to_addon(item.clone()).expect("an add-on")));
                let (Some(plan), Some(aggregate)) = (plan, &found.aggregate) else { return Ok(()) };
                let tenant_id = &aggregate.deployment.tenant_id;
                let offer = &mut found.offer;
                offer.plan = table.get(&keys::plan(&plan)).map(|item| items::to_plan(item.clone()).expect("a plan"));
                offer.version = offer.plan.as_ref().and_then(|plan| plan.newest_version.clone());
                let claim = table.get(&keys::trial_claim(tenant_id, &plan));
                offer.trial_claimed_by = claim.map(|item| items::to_trial_claim(item.clone()).expect("a claim"));
                let policy = table.get(&keys::dunning_policy(tenant_id));
                offer.dunning_policy = policy.map(|item| items::to_dunning_policy(item.clone()).expect("a policy"));
            }
        }
        Ok(())
    }
}

/// The answer, in full only if it is kept.
fn answer(request: &Request, shown: Option<&Aggregate>, change: Option<&Change>) -> Answer {
    let Some(shown) = shown else { return Answer::ok(Value::Null) };
    let body =
        if request.key.is_some() { json!({"deployment": json!(DeploymentView::of(shown))}) } else { Value::Null };
    let version = shown.deployment.version;
    match change {
        Some(change) if change.before.is_none() => {
            Answer::created(body, version, format!("/api/v1/deployments/{}", shown.deployment.id))
        }
        _ => Answer::versioned(body, version),
    }
}
