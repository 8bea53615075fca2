//! One request in one Lambda function, as `functions/src/respond.rs` and `execute.rs` handle it: admit the caller, read
//! the deployment, take its due steps, read the other records, decide, and commit. With an idempotency key, a refusal
//! reads the key's record first. Each step is at most one request to the table.
//!
//! It differs from the handlers in this on purpose: the body of an answer has the deployment alone, and only if the
//! answer is stored; a command of an operation is a request here, which stores no result and is not decided again after
//! a conflict; and a command is never decided without a step that DynamoDB refuses permanently, because this table
//! refuses none.

use std::collections::VecDeque;
use std::rc::Rc;

use arcadia_api::DeploymentView;
use arcadia_domain::{
    AnnouncePrice, BalanceMovement, Change, Command, DeploymentId, OperationCommand, PaymentReference, PlanTerms,
    Read as Known, Refund, ShortCode, TenantId, Timestamp, create, decide_with,
};
use arcadia_functions::Error;
use arcadia_functions::auth::Principal;
use arcadia_functions::http::{Answer, IdempotencyKey};
use arcadia_store::item::from_item;
use arcadia_store::{IdempotencyRecord, KEPT_FOR, MAX_READS, StoreError, items, keys};
use chrono::DateTime;
use serde_json::{Value, json};
use uuid::Uuid;

use super::catch_up::{CatchUp, Outcome, Policies};
use super::commands::{Found, creation};
use super::wishes::{ADDON, Act, Wish};
use super::world::{Defect, Message, SDK_ATTEMPTS, World};
use super::writer::{Writer, no_answer, stayed_torn};

/// A request that a client sends, once or several times.
pub struct Request {
    pub wish: Wish,
    pub principal: Principal,
    pub key: Option<IdempotencyKey>,
}

/// The handling of a request.
pub struct Execution {
    /// The index of the request.
    pub request: usize,
    pub machine: usize,
    /// The commit, once it is decided on.
    pub commit: Option<Uuid>,
    /// When its answer was decided on, by the clock of the machine that decided.
    pub made_at: Timestamp,
    phase: Phase,
    /// The time that due steps are taken at and the command is decided at.
    now: Timestamp,
    policies: Policies,
    /// The number of times that the present request to the table was sent without an answer.
    sends: u32,
    /// The number of torn reads.
    torn: u32,
}

enum Phase {
    /// The caller may not use the route.
    Forbidden(Error),
    /// The reads that are left, the next one first, and the records that were read.
    Reading(VecDeque<Read>, Box<Found>),
    /// Due steps come before the other reads.
    CatchingUp(Box<CatchUp>, VecDeque<Read>, Box<Found>),
    Committing(Box<Writer>, Answer),
    /// Nothing has to change, and the answer is stored under its key.
    Keeping(Message, Answer),
    /// It is refused, unless the record of its key shows that it was executed before.
    Looking(Error),
    Over,
}

/// A read of the table.
enum Read {
    Aggregate(DeploymentId),
    Invoice(keys::Key),
    Refund(keys::Key, PaymentReference),
    Resource(keys::Key),
    /// A plan, with the add-on, the tenant's policy and its claim on the trial of the plan.
    Offer(ShortCode),
    Addon,
    Coupon(keys::Key),
    /// The limits of the tenant's new deployments, with its rules.
    Limits,
    /// The tenant's dunning policy.
    Policy,
    /// A plan version that a subscription returns to, or one that replaces it.
    Version {
        code: ShortCode,
        /// The version to read.
        version: u32,
        /// The version that the subscription returns to.
        replaces: u32,
        /// When the replacements that were read take effect.
        from: Option<Timestamp>,
    },
}

/// The result of a decision.
enum Decided {
    Done(Option<Box<Change>>),
    /// The command has to be decided again, once these records are read.
    Needs(VecDeque<Read>),
}

impl Execution {
    /// Begins to handle a request.
    pub fn new(world: &mut World, id: usize, machine: usize, request: &Request) -> Self {
        let route = request.wish.route();
        let admitted = route.map_or(Ok(()), |route| route.audience.admit(request.principal.actor.authority));
        let phase = match admitted {
            Ok(()) => Phase::Reading(reads_of(&request.wish), Box::default()),
            Err(error) => Phase::Forbidden(error),
        };
        let (now, policies) = (world.clock(machine), Policies::new());
        Self { request: id, machine, commit: None, made_at: now, phase, now, policies, sends: 0, torn: 0 }
    }

    /// Continues by at most one request to the table; returns the outcome once there is one.
    pub fn advance(&mut self, world: &mut World, request: &Request) -> Option<Result<Answer, Error>> {
        let outcome = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Forbidden(error) => Some(Err(error)),
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
            Phase::Over => unreachable!("an execution that is over does not continue"),
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

    /// Whether a request would change something now, if no step were due. It writes nothing.
    pub fn would_change(world: &mut World, request: &Request) -> bool {
        let (now, mut found, mut reads) = (world.clock(0), Found::default(), reads_of(&request.wish));
        loop {
            while let Some(read) = reads.pop_front() {
                let Ok(next) = read.carry_out(world, request, &mut found) else { return false };
                next.into_iter().for_each(|next| reads.push_front(next));
                if matches!(request.wish, Wish::Do(..)) && found.aggregate.is_none() {
                    return false;
                }
            }
            match decision(world, request, &mut found, now) {
                Ok(Decided::Needs(more)) => reads = more,
                Ok(Decided::Done(change)) => return change.is_some(),
                Err(_) => return false,
            }
        }
    }

    /// Counts a request without an answer; returns an error after the last attempt.
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
        mut reads: VecDeque<Read>,
        mut found: Box<Found>,
    ) -> Option<Result<Answer, Error>> {
        if !reads.is_empty() && !world.is_answered() {
            self.phase = Phase::Reading(reads, found);
            return self.unanswered();
        }
        self.sends = 0;
        let Some(read) = reads.pop_front() else { return self.decide(world, request, found) };
        let is_aggregate = matches!(read, Read::Aggregate(_));
        match read.carry_out(world, request, &mut found) {
            Ok(next) => next.into_iter().for_each(|next| reads.push_front(next)),
            Err(torn) => {
                self.torn += 1;
                reads.push_front(torn);
                self.phase = Phase::Reading(reads, found);
                return (self.torn == MAX_READS).then(|| Err(stayed_torn().into()));
            }
        }
        if !is_aggregate {
            return self.go_on(world, request, reads, found);
        }
        let Some(aggregate) = found.aggregate.take() else { return Some(Err(Error::NotFound("deployment"))) };
        self.now = world.clock(self.machine);
        let catch_up = Box::new(CatchUp::new(aggregate, self.machine, self.now));
        self.catch_up(world, request, catch_up, reads, found)
    }

    /// Takes the due steps, then continues.
    fn catch_up(
        &mut self,
        world: &mut World,
        request: &Request,
        mut catch_up: Box<CatchUp>,
        reads: VecDeque<Read>,
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

    /// Decides, unless there is more to read.
    fn go_on(
        &mut self,
        world: &mut World,
        request: &Request,
        reads: VecDeque<Read>,
        found: Box<Found>,
    ) -> Option<Result<Answer, Error>> {
        if reads.is_empty() {
            return self.decide(world, request, found);
        }
        self.phase = Phase::Reading(reads, found);
        None
    }

    fn decide(&mut self, world: &mut World, request: &Request, mut found: Box<Found>) -> Option<Result<Answer, Error>> {
        self.made_at = self.now;
        let change = match decision(world, request, &mut found, self.now) {
            Ok(Decided::Done(change)) => change,
            Ok(Decided::Needs(reads)) => {
                self.phase = Phase::Reading(reads, found);
                return None;
            }
            Err(error) => return Some(Err(error)),
        };
        let answer = answer(request, &found, change.as_deref());
        let record = request.key.as_ref().map(|key| key.record(&answer, self.now));
        let Some(change) = change else {
            let Some(record) = record else { return Some(Ok(answer)) };
            let write = world.store.idempotency_write(&record).expect("a record");
            let message = Message { token: None, writes: Rc::new(vec![write]), commit: None };
            self.phase = Phase::Keeping(message, answer);
            return None;
        };
        let writer = Writer::new(world, self.machine, Some(self.request), *change, record.as_ref());
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
                let found = reasons.first().and_then(|reason| reason.item().cloned()).expect("the record that exists");
                let record = IdempotencyRecord::from_item(found).expect("a record");
                Some(Err(StoreError::Answered(Box::new(record)).into()))
            }
        }
    }

    fn look(&mut self, world: &mut World, request: &Request, error: Error) -> Option<Result<Answer, Error>> {
        let key = request.key.as_ref().expect("a key");
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

/// The records that the handler reads, in its order.
fn reads_of(wish: &Wish) -> VecDeque<Read> {
    let Wish::Do(id, act) = wish else { return VecDeque::from([Read::Limits]) };
    let invoice = act.invoice().map(|number| Read::Invoice(keys::invoice(*id, number)));
    let other = match act {
        Act::DeleteResource(resource) => Some(Read::Resource(keys::resource(*id, *resource))),
        Act::Subscribe { plan, .. } | Act::ChangePlan { plan, .. } => Some(Read::Offer(plan.clone())),
        Act::Attach => Some(Read::Addon),
        Act::GrantDiscount(code) => Some(Read::Coupon(keys::coupon(code))),
        Act::Refund { reference, .. } | Act::CreditNote { reference: Some(reference), .. } => {
            Some(Read::Refund(keys::refund(*id, reference), reference.clone()))
        }
        Act::Operation(OperationCommand::CopyTenantRules) => Some(Read::Limits),
        Act::Operation(_)
        | Act::CreditNote { reference: None, .. }
        | Act::Transition { .. }
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
        | Act::Reverse { .. }
        | Act::WriteOff(_)
        | Act::WithdrawWriteOff(_)
        | Act::MoveDueDate { .. }
        | Act::RemoveDiscount => None,
    };
    [Some(Read::Aggregate(*id)), invoice, other].into_iter().flatten().collect()
}

/// Decides a request. A first decision tells which records a second one needs, as in `Current::decide`.
fn decision(world: &mut World, request: &Request, found: &mut Found, now: Timestamp) -> Result<Decided, Error> {
    let actor = &request.principal.actor;
    let act = match &request.wish {
        Wish::Create { tenant_id, slug, trial_ends_at } => {
            let rules = found.limits.unwrap_or_default().rules();
            let command = creation(world, (tenant_id, slug, *trial_ends_at), rules, now);
            let opens_account = found.limits.is_none();
            let change = Change { opens_account, ..create(command, actor, now)? };
            return Ok(Decided::Done(Some(Box::new(change))));
        }
        Wish::Do(_, act) => act,
    };
    let (is_first, command) = match found.command.clone() {
        Some(command) => (false, command),
        None => (true, act.command(world, found, now)?),
    };
    let before = found.aggregate.as_ref().ok_or(Error::NotFound("deployment"))?;
    let known = Known { policy: found.policy, successor: found.successor.clone() };
    let change = decide_with(before, command.clone(), actor, known, now)?;
    found.command = Some(command);
    let mut needs = VecDeque::new();
    if let Some(change) = change.as_ref().filter(|_| is_first) {
        needs.extend(change.returns_to().map(|PlanTerms { plan_code, plan_version, .. }| Read::Version {
            code: plan_code.clone(),
            version: *plan_version,
            replaces: *plan_version,
            from: None,
        }));
        needs.extend((found.policy.is_none() && change.issues_invoice()).then_some(Read::Policy));
    }
    Ok(if needs.is_empty() { Decided::Done(change.map(Box::new)) } else { Decided::Needs(needs) })
}

impl Read {
    /// Reads; returns a further read that follows from what was found.
    ///
    /// # Errors
    /// Itself, if the read was torn.
    fn carry_out(self, world: &mut World, request: &Request, found: &mut Found) -> Result<Option<Self>, Self> {
        let tenant_id = || tenant_of(request, found);
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
            Self::Offer(plan) => found.read_offer(world, &plan),
            Self::Addon => found.read_addon(world),
            Self::Limits => {
                let item = world.table.get(&keys::tenant_limits(&tenant_id())).cloned();
                found.limits = item.map(|item| from_item(item).expect("limits"));
            }
            Self::Policy => found.policy = Some(world.policy_of(&tenant_id())),
            Self::Version { code, version, replaces, from } => {
                let Some(item) = world.table.get(&keys::plan_version(&code, version)) else { return Ok(None) };
                let read = items::to_plan_version(item.clone()).expect("a version");
                if let Some((version, effective_from)) = read.replaced_by.zip(read.effective_from) {
                    return Ok(Some(Self::Version { code, version, replaces, from: from.max(Some(effective_from)) }));
                }
                let terms = PlanTerms::from(&read);
                found.successor = from.map(|effective_from| AnnouncePrice { terms, replaces, effective_from });
            }
        }
        Ok(None)
    }
}

impl Found {
    /// As `Store::load_offer` does.
    fn read_offer(&mut self, world: &World, code: &ShortCode) {
        self.read_addon(world);
        let Some(aggregate) = &self.aggregate else { return };
        let tenant_id = &aggregate.deployment.tenant_id;
        let plan = world.table.get(&keys::plan(code));
        self.offer.plan = plan.map(|item| items::to_plan(item.clone()).expect("a plan"));
        self.offer.version = self.offer.plan.as_ref().and_then(|plan| plan.newest_version.clone());
        // A change of the plan needs the claim only during a trial.
        if aggregate.live_subscription().is_none_or(|live| live.in_trial()) {
            let claim = world.table.get(&keys::trial_claim(tenant_id, code));
            self.offer.trial_claimed_by = claim.map(|item| items::to_trial_claim(item.clone()).expect("a claim"));
        }
        self.policy = Some(world.policy_of(tenant_id));
    }

    fn read_addon(&mut self, world: &World) {
        let addon = world.table.get(&keys::addon(&ADDON.parse().expect("a code")));
        self.offer.addons.extend(addon.map(|item| items::to_addon(item.clone()).expect("an add-on")));
    }
}

/// The tenant that a request is about.
fn tenant_of(request: &Request, found: &Found) -> TenantId {
    match (&request.wish, &found.aggregate) {
        (Wish::Create { tenant_id, .. }, _) => tenant_id.clone(),
        (Wish::Do(..), aggregate) => aggregate.as_ref().expect("a deployment").deployment.tenant_id.clone(),
    }
}

/// The answer. It has a body only if it is stored.
fn answer(request: &Request, found: &Found, change: Option<&Change>) -> Answer {
    let shown = change.map(|change| &change.after).or(found.aggregate.as_ref()).expect("a deployment");
    let body =
        if request.key.is_some() { json!({"deployment": json!(DeploymentView::of(shown))}) } else { Value::Null };
    let version = shown.deployment.version;
    match created(request, found.command.as_ref()) {
        Some(path) => Answer::created(body, version, format!("/api/v1/deployments/{}{path}", shown.deployment.id)),
        None => Answer::versioned(body, version),
    }
}

/// The path of the record that a request creates, after that of its deployment.
fn created(request: &Request, command: Option<&Command>) -> Option<String> {
    match (&request.wish, command) {
        (Wish::Create { .. }, _) | (_, Some(Command::Subscribe(_))) => Some(String::new()),
        (_, Some(Command::AttachAddon(id, _))) => Some(format!("/subscription/addons/{id}")),
        (_, Some(Command::AddResource(resource))) => Some(format!("/resources/{}", resource.id)),
        _ => None,
    }
}
