//! Generates the life of one deployment: its users' commands, payments, and the scheduled steps between them. The
//! domain decides and the store stores everything; only the times and commands are generated.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arcadia_domain::{
    Actor, Aggregate, AnchorMode, Authority, Change, ChangePlan, Command, CreateDeployment, Created, DeploymentId,
    Effective, Event, EventKind, Figures, GrantDiscount, Invoice, InvoiceNumber, InvoiceStatus, Pay, Payment,
    Proration, Resource, ResourceId, State, Subscribe, SubscriptionAddonId, SubscriptionId, TenantId, TenantRules,
    Timestamp, Transition, UpdateDeployment, create, decide, follow_invoices, step,
};
use arcadia_functions::runtime::App;
use arcadia_store::StoreError;
use chrono::{Datelike as _, TimeDelta};
use fastrand::Rng;
use uuid::{Builder, Uuid};

use super::DemoError;
use super::cast::{Part, pick};
use super::catalog::{Shop, operator};

/// Maximum number of actions on one deployment.
const MAX_DEEDS: usize = 10_000;
/// Maximum number of attempts to store a change.
const MAX_ATTEMPTS: u32 = 10;
const DAY_S: i64 = 24 * 60 * 60;
const TRIAL_DAYS: i64 = 14;
const PLANS: &[&str] = &["solo", "solo", "studio", "studio", "studio", "studio", "team", "team_yearly"];
const KINDS: &[&str] = &["app_instance", "database", "bucket", "domain"];
const TITLES: &[&str] = &["Next", "Classic", "(new)", "EU", "Beta", "2.0"];

/// Shared by all deployments of a history.
#[derive(Debug)]
pub struct Stage {
    pub app: App,
    pub shop: Shop,
    /// The rules of each tenant for its deployments.
    pub rules: HashMap<TenantId, TenantRules>,
    /// End of the history.
    pub until: Timestamp,
}

/// Counts over deployments.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Number of transactions.
    pub commits: u64,
    /// Number of commands rejected by a rule.
    pub refused: u64,
    /// Number of events.
    pub events: u64,
    /// Number of issued invoices.
    pub invoices: u64,
    /// Number of recorded payments.
    pub payments: u64,
    /// Number of deployments by final state.
    pub states: BTreeMap<&'static str, u64>,
    /// Changes to the figures of the business by month, with the time of the first change in the month.
    pub figures: BTreeMap<(i32, u32), (Timestamp, Figures)>,
}

/// How a tenant pays.
enum Payer {
    /// On time, except for an occasional failed card.
    Prompt,
    /// Often after the due date.
    Late,
    /// Never again after this number of invoices.
    Fading(u32),
}

/// A planned action of a user.
enum Deed {
    AddResource,
    DeleteResource(ResourceId),
    Subscribe,
    /// Pays the amount due divided by this number.
    Pay(InvoiceNumber, i64),
    Void(InvoiceNumber),
    /// An operator grants the discount of a coupon.
    Discount(&'static str),
    /// A month has passed; perhaps the user does something.
    Whim,
    Resume,
    Leave,
    Return,
    /// An operator ends the hold.
    Release,
}

/// One deployment and its planned actions.
pub struct Life {
    stage: Arc<Stage>,
    part: Part,
    aggregate: Aggregate,
    invoices: BTreeMap<InvoiceNumber, Invoice>,
    resources: BTreeMap<ResourceId, Resource>,
    payer: Payer,
    /// Planned actions; the number distinguishes actions at the same time.
    agenda: BTreeMap<(Timestamp, usize), Deed>,
    planned: usize,
    tally: Tally,
}

impl Life {
    /// Generates a deployment from its creation to the end of the history.
    pub async fn live(stage: Arc<Stage>, part: Part) -> Result<Tally, DemoError> {
        let mut life = Self::begin(stage, part).await?;
        for _ in 0..MAX_DEEDS {
            let due = life.aggregate.next_action().map(|next| next.at);
            let wish = life.agenda.first_key_value().map(|((at, _), _)| *at);
            let Some(at) = due.into_iter().chain(wish).min().filter(|at| *at <= life.stage.until) else { break };
            if due == Some(at) {
                life.step(at).await?;
            } else if let Some((_, deed)) = life.agenda.pop_first() {
                life.act(deed, at).await?;
            }
        }
        *life.tally.states.entry(life.aggregate.deployment.state.as_str()).or_default() += 1;
        Ok(life.tally)
    }

    async fn begin(stage: Arc<Stage>, mut part: Part) -> Result<Self, DemoError> {
        let now = part.born_at;
        let user = user(&part);
        let rng = &mut part.rng;
        let in_trial = part.is_first && rng.u8(0..10) < 8;
        // Only the platform can create a deployment in `trial`.
        let creator = if in_trial { operator() } else { user };
        let templated = rng.bool();
        let command = CreateDeployment {
            id: DeploymentId::new(new_id(rng, now)),
            state: in_trial.then_some(State::Trial),
            created: Created {
                llm_mode: pick(rng, &["managed", "managed", "byo_key"]).parse().ok(),
                template_code: if templated { "starter".parse().ok() } else { None },
                template_version: if templated { "1.4.2".parse().ok() } else { None },
                trial_ends_at: in_trial.then(|| now + TimeDelta::days(TRIAL_DAYS)),
                tenant_rules: stage.rules.get(&part.tenant.id).copied().unwrap_or_default(),
                ..Created::new(part.tenant.id.clone(), part.slug.clone(), part.tenant.region.clone())
            },
        };
        let created = create(command, &creator, now)?;
        let payer = match rng.u8(0..100) {
            0..=71 => Payer::Prompt,
            72..=89 => Payer::Late,
            _ => Payer::Fading(rng.u32(1..12)),
        };
        // Some trials do not lead to a subscription.
        let subscribes = !in_trial || rng.u8(0..10) < 8;
        let first_day = if in_trial { 3_600..TRIAL_DAYS * DAY_S } else { 60..DAY_S };
        let mut life = Self {
            stage,
            part,
            aggregate: created.after.clone(),
            invoices: BTreeMap::new(),
            resources: BTreeMap::new(),
            payer,
            agenda: BTreeMap::new(),
            planned: 0,
            tally: Tally::default(),
        };
        life.commit(created, now).await?;
        if life.part.rng.u8(0..10) < 6 {
            life.plan(now, 60..900, Deed::AddResource);
        }
        if subscribes {
            life.plan(now, first_day, Deed::Subscribe);
        }
        life.plan(now, 20 * DAY_S..40 * DAY_S, Deed::Whim);
        Ok(life)
    }

    /// Takes the due step, a little after its time, as the schedule does.
    async fn step(&mut self, due: Timestamp) -> Result<(), DemoError> {
        let at = (due + TimeDelta::milliseconds(self.part.rng.i64(400..60_000))).min(self.stage.until);
        let policy = self.part.tenant.policy.unwrap_or_default();
        match step(&self.aggregate, Some(policy), at) {
            Ok(Some(change)) => self.commit(change, at).await,
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Carries out an action if it still makes sense and no rule rejects it.
    async fn act(&mut self, deed: Deed, at: Timestamp) -> Result<(), DemoError> {
        let now = at.max(self.aggregate.deployment.updated_at);
        let Some((actor, command)) = self.command(deed, now) else { return Ok(()) };
        let policy = self.part.tenant.policy.unwrap_or_default();
        match decide(&self.aggregate, command, &actor, Some(policy), now) {
            Ok(Some(change)) => match self.commit(change, now).await {
                // Existing plans in the catalog can have trials that a tenant's deployments compete for, and existing
                // coupons a limit.
                Err(DemoError::Store(
                    StoreError::TrialTaken | StoreError::CouponExhausted | StoreError::CatalogConflict,
                )) => self.tally.refused += 1,
                committed => return committed,
            },
            Ok(None) => {}
            Err(_) => self.tally.refused += 1,
        }
        Ok(())
    }

    /// Stores a change and plans the reactions to it.
    async fn commit(&mut self, change: Change, now: Timestamp) -> Result<(), DemoError> {
        // This is the only id that does not follow from the seed: DynamoDB recognises repeated requests by it, in all
        // tables.
        let id = self.stage.app.new_commit_id();
        let mut attempt = 1;
        // On a busy machine this can take long. Repeating the same commit is safe.
        while let Err(error) = self.stage.app.store.commit(&change, id, None).await {
            if attempt == MAX_ATTEMPTS || !matches!(error, StoreError::Unavailable(_)) {
                return Err(error.into());
            }
            attempt += 1;
        }
        self.tally.count(now, &Figures::of_change(change.before.as_ref(), &change.after));
        let Change { after, events, resource, .. } = change;
        self.tally.commits += 1;
        self.tally.events += events.len() as u64;
        self.aggregate = after;
        self.resources.extend(resource.map(|resource| (resource.id, resource)));
        for event in &events {
            if let Err(number) = follow_invoices(&mut self.invoices, event) {
                unreachable!("an event names an invoice that was issued: {number}");
            }
            self.react(event, now);
        }
        Ok(())
    }

    fn react(&mut self, event: &Event, now: Timestamp) {
        match &event.kind {
            EventKind::InvoiceOpened { invoice, .. } => {
                self.tally.invoices += 1;
                if invoice.status == InvoiceStatus::Open {
                    self.plan_payment(&invoice.number, now);
                }
            }
            EventKind::PaymentReceived { .. } => self.tally.payments += 1,
            EventKind::Subscribed { .. } => self.plan_discount(now),
            EventKind::SubscriptionCancelled { .. } => {
                let deed = if self.part.rng.u8(0..10) < 3 { Deed::Subscribe } else { Deed::Leave };
                self.plan(now, 2 * DAY_S..20 * DAY_S, deed);
            }
            _ => {}
        }
        if event.to_state == Some(State::Cancelled) {
            let live: Vec<ResourceId> =
                self.resources.values().filter(|resource| resource.deleted_at.is_none()).map(|r| r.id).collect();
            for id in live {
                self.plan(now, DAY_S..5 * DAY_S, Deed::DeleteResource(id));
            }
            if self.part.rng.u8(0..10) == 0 {
                self.plan(now, 5 * DAY_S..40 * DAY_S, Deed::Return);
            }
        }
    }

    fn plan_payment(&mut self, number: &InvoiceNumber, now: Timestamp) {
        if self.part.rng.u8(0..150) == 0 {
            return self.plan(now, 600..DAY_S, Deed::Void(number.clone()));
        }
        let pay = |part| Deed::Pay(number.clone(), part);
        match &mut self.payer {
            Payer::Fading(0) => {}
            Payer::Fading(left) => {
                *left -= 1;
                self.plan(now, 600..3 * DAY_S, pay(1));
            }
            Payer::Prompt if self.part.rng.u8(0..30) == 0 => self.plan(now, 8 * DAY_S..13 * DAY_S, pay(1)),
            Payer::Prompt => self.plan(now, 300..2 * DAY_S, pay(1)),
            Payer::Late if self.part.rng.u8(0..6) == 0 => {
                self.plan(now, 3 * DAY_S..9 * DAY_S, pay(2));
                self.plan(now, 10 * DAY_S..30 * DAY_S, pay(1));
            }
            Payer::Late => self.plan(now, 4 * DAY_S..26 * DAY_S, pay(1)),
        }
    }

    /// Plans a discount for some deployments. The choice follows from the id and uses no random number, so it changes
    /// nothing else.
    fn plan_discount(&mut self, now: Timestamp) {
        let code = match self.aggregate.deployment.id.as_uuid().as_u128() % 24 {
            0 | 1 => "partners",
            2 => "education",
            3 | 4 => "welcome",
            _ => return,
        };
        self.planned += 1;
        self.agenda.insert((now + TimeDelta::hours(1), self.planned), Deed::Discount(code));
    }

    /// Plans an action after a random number of seconds in the range.
    fn plan(&mut self, now: Timestamp, seconds: Range<i64>, deed: Deed) {
        let later = TimeDelta::milliseconds(self.part.rng.i64(seconds.start * 1_000..seconds.end * 1_000));
        self.planned += 1;
        self.agenda.insert((now + later, self.planned), deed);
    }

    fn command(&mut self, deed: Deed, now: Timestamp) -> Option<(Actor, Command)> {
        let user = user(&self.part);
        Some(match deed {
            Deed::AddResource => (data_plane(), self.add_resource(now)?),
            Deed::DeleteResource(id) => (data_plane(), Command::DeleteResource(self.resources.get(&id)?.clone())),
            Deed::Subscribe => (user, self.subscribe(now)?),
            Deed::Pay(number, part) => {
                (actor("card-payments", Authority::PaymentProvider), self.pay(&number, part, now)?)
            }
            Deed::Void(number) => (operator(), Command::Void(self.invoices.get(&number)?.clone())),
            Deed::Discount(code) => {
                let (coupon, reason) = (self.stage.shop.coupon(code)?.clone(), "negotiated".parse().ok());
                (operator(), Command::GrantDiscount(GrantDiscount { coupon, reason, notes: None }))
            }
            Deed::Whim => return self.whim(user, now),
            Deed::Resume => (user, transition(State::Active, "back_again")),
            Deed::Leave => (user, transition(State::Cancelled, "no_longer_needed")),
            Deed::Return => (user, transition(State::Active, "reconsidered")),
            Deed::Release => (operator(), hold(false)),
        })
    }

    fn add_resource(&mut self, now: Timestamp) -> Option<Command> {
        let rng = &mut self.part.rng;
        let id = new_id(rng, now);
        Some(Command::AddResource(Resource {
            id: ResourceId::new(id),
            deployment_id: self.aggregate.deployment.id,
            kind: pick(rng, KINDS).parse().ok()?,
            provider_reference: format!("res-{}", id.simple()).parse().ok()?,
            region: self.aggregate.deployment.region.clone(),
            created_at: now,
            deleted_at: None,
            version: 0,
        }))
    }

    fn subscribe(&mut self, now: Timestamp) -> Option<Command> {
        let Part { tenant, rng, .. } = &mut self.part;
        let code = if tenant.pays_in_euro { "studio_eur" } else { pick(rng, PLANS) };
        let plan = self.stage.shop.plan(code, now)?.clone();
        let version = plan.newest_version.clone()?;
        let on_offer = self.stage.shop.addons(version.currency);
        let mut addons = Vec::new();
        for addon in on_offer {
            if rng.u8(0..5) == 0 {
                addons.push((SubscriptionAddonId::new(new_id(rng, now)), addon.clone()));
            }
        }
        // Add-ons are stored by id, so sorted ids keep the order of the request.
        addons.sort_by_key(|(id, _)| *id);
        Some(Command::Subscribe(Subscribe {
            id: SubscriptionId::new(new_id(rng, now)),
            plan,
            version,
            addons,
            anchor_mode: if rng.u8(0..4) == 0 { AnchorMode::Now } else { AnchorMode::Calendar },
            trial_ends_at: None,
            trial_claimed_by: None,
        }))
    }

    fn pay(&mut self, number: &InvoiceNumber, part: i64, now: Timestamp) -> Option<Command> {
        let invoice = self.invoices.get(number)?.clone();
        let amount_cents = (invoice.due_cents() / part).max(1);
        let reference = format!("pay_{:016x}", self.part.rng.u64(..)).parse().ok()?;
        let currency = invoice.currency;
        Some(Command::Pay(Pay::new(invoice, Payment::new(reference, amount_cents, now), currency)))
    }

    /// A user's monthly command; usually none.
    fn whim(&mut self, user: Actor, now: Timestamp) -> Option<(Actor, Command)> {
        if self.aggregate.deployment.state == State::Archived {
            return None;
        }
        self.plan(now, 20 * DAY_S..40 * DAY_S, Deed::Whim);
        let command = match self.part.rng.u8(0..100) {
            0..=3 => self.change_plan("team", Effective::Immediate, now)?,
            4..=5 => self.change_plan("solo", Effective::PeriodEnd, now)?,
            6..=10 => {
                let currency = self.aggregate.live_subscription()?.terms.currency;
                let addon = self.stage.shop.addons(currency).into_iter().next_back()?.clone();
                Command::AttachAddon(SubscriptionAddonId::new(new_id(&mut self.part.rng, now)), addon)
            }
            11..=12 => Command::DetachAddon(self.aggregate.addons.first()?.id),
            13..=15 => self.pause(now),
            16..=17 => Command::CancelSubscription(Effective::PeriodEnd),
            18 => Command::WithdrawCancellation,
            19 => transition(State::Cancelled, "too_expensive"),
            20..=22 => {
                let slug = &self.aggregate.deployment.slug;
                let display_name = format!("{slug} {}", pick(&mut self.part.rng, TITLES)).parse().ok();
                Command::Update(UpdateDeployment { display_name, ..UpdateDeployment::default() })
            }
            23 => {
                self.plan(now, 5 * DAY_S..30 * DAY_S, Deed::Release);
                return Some((operator(), hold(true)));
            }
            24..=26 => return Some((data_plane(), self.add_resource(now)?)),
            _ => return None,
        };
        Some((user, command))
    }

    fn change_plan(&mut self, code: &str, effective: Effective, now: Timestamp) -> Option<Command> {
        let plan = self.stage.shop.plan(code, now)?.clone();
        let version = plan.newest_version.clone()?;
        let (proration, drop_incompatible) = (Proration::Prorate, false);
        let trial_claimed_by = None;
        Some(Command::ChangePlan(ChangePlan {
            plan,
            version,
            effective,
            proration,
            drop_incompatible,
            trial_claimed_by,
        }))
    }

    fn pause(&mut self, now: Timestamp) -> Command {
        let resume_at = if self.part.rng.bool() {
            Some(now + TimeDelta::seconds(self.part.rng.i64(7 * DAY_S..60 * DAY_S)))
        } else {
            self.plan(now, 7 * DAY_S..60 * DAY_S, Deed::Resume);
            None
        };
        let (to_state, reason, notes) = (State::Paused, "seasonal_break".parse().ok(), None);
        Command::Transition(Transition { to_state, reason, notes, resume_at: Some(resume_at) })
    }
}

/// Generates a UUIDv7 from a deployment's seed.
fn new_id(rng: &mut Rng, now: Timestamp) -> Uuid {
    let mut random = [0; 10];
    rng.fill(&mut random);
    Builder::from_unix_timestamp_millis(u64::try_from(now.timestamp_millis()).unwrap_or_default(), &random).into_uuid()
}

fn actor(id: &str, authority: Authority) -> Actor {
    Actor { id: id.to_owned(), authority }
}

fn data_plane() -> Actor {
    actor("provisioner", Authority::DataPlane)
}

fn user(part: &Part) -> Actor {
    actor(&part.tenant.user, Authority::TenantUser)
}

fn transition(to_state: State, reason: &str) -> Command {
    Command::Transition(Transition { to_state, reason: reason.parse().ok(), notes: None, resume_at: None })
}

fn hold(billing_action_suspended: bool) -> Command {
    let billing_action_suspended = Some(billing_action_suspended);
    Command::Update(UpdateDeployment { billing_action_suspended, ..UpdateDeployment::default() })
}

impl Tally {
    /// Adds the counts of another deployment.
    pub fn add(&mut self, other: Self) {
        let Self { commits, refused, events, invoices, payments, states, figures } = other;
        self.commits += commits;
        self.refused += refused;
        self.events += events;
        self.invoices += invoices;
        self.payments += payments;
        for (state, count) in states {
            *self.states.entry(state).or_default() += count;
        }
        for (at, figures) in figures.into_values() {
            self.count(at, &figures);
        }
    }

    /// Adds the changes to the figures made by a change at `at`.
    fn count(&mut self, at: Timestamp, figures: &Figures) {
        let (first, sum) = self.figures.entry((at.year(), at.month())).or_insert_with(|| (at, Figures::default()));
        *first = at.min(*first);
        sum.add_all(figures, 1);
    }
}
