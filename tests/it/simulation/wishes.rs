//! What clients want, chosen at random from what the world has, and how a server makes a command of it.

use arcadia_domain::{
    Actor, Addon, Aggregate, Amount, AnchorMode, Authority, ChangePlan, Command, Correct, Correction, Coupon,
    CreateDeployment, CreditNote, Currency, DeploymentId, Effective, Extent, GrantDiscount, Invoice, InvoiceNumber,
    InvoiceStatus, Invoiced, OneOff, Pay, PayBack, Payment, PaymentReference, Postponement, Proration, Refund,
    Rejection, RemoveDiscount, Resource, ResourceId, ReversalKind, Scope, ShortCode, Slug, State, Subscribe,
    SubscriptionAddonId, SubscriptionId, TenantId, TenantRules, Timestamp, Transition, UnsubscribedRule,
    UpdateDeployment,
};
use arcadia_functions::Error;
use arcadia_functions::auth::Principal;
use arcadia_store::Offer;
use chrono::TimeDelta;

use super::world::World;

/// Who owns which slug: so few that callers meet.
const PLACES: [(&str, &str); 3] = [("acme", "shop"), ("acme", "blog"), ("umbra", "shop")];
/// The plans on offer.
pub const PLANS: [&str; 3] = ["studio", "team", "yearly"];
/// The add-on on offer.
pub const ADDON: &str = "storage_50gb";
/// The coupons on offer.
pub const COUPONS: [&str; 2] = ["partner", "start"];

/// What a client wants.
#[derive(Debug, Clone)]
pub enum Wish {
    /// A new deployment, in trial for so many days.
    Create { tenant_id: TenantId, slug: Slug, trial_days: Option<i64> },
    /// Something of a deployment.
    Do(DeploymentId, Act),
}

/// What can be wanted of a deployment.
#[derive(Debug, Clone)]
pub enum Act {
    Transition { to: State, resume_in_days: Option<i64> },
    Update { name: String, suspend: Option<bool> },
    AddResource,
    DeleteResource(ResourceId),
    Subscribe { plan: ShortCode, addons: usize, anchor_mode: AnchorMode, trial_days: Option<i64> },
    Attach,
    Detach(SubscriptionAddonId),
    ChangePlan { plan: ShortCode, effective: Effective, proration: Proration },
    WithdrawPlanChange,
    Cancel(Effective),
    WithdrawCancellation,
    ExtendTrial { to: Timestamp },
    Pay { number: InvoiceNumber, reference: PaymentReference, amount_cents: i64, currency: Currency },
    Void(InvoiceNumber),
    Charge { when: Invoiced },
    Grant { cents: i64 },
    CreditNote { number: InvoiceNumber, reference: Option<PaymentReference> },
    Refund { reference: PaymentReference, cents: i64 },
    Reverse { number: InvoiceNumber, reference: PaymentReference },
    WriteOff(InvoiceNumber),
    WithdrawWriteOff(InvoiceNumber),
    MoveDueDate { number: InvoiceNumber, to: Timestamp },
    Postpone(Postponement),
    FollowTenant { held: bool, days: Option<u32>, tax_rate: u32 },
    GrantDiscount(ShortCode),
    RemoveDiscount,
}

/// What a server has read.
#[derive(Default)]
pub struct Found {
    pub aggregate: Option<Aggregate>,
    pub invoice: Option<Invoice>,
    pub refund: Option<Refund>,
    pub resource: Option<Resource>,
    pub offer: Offer,
    pub coupon: Option<Coupon>,
}

impl Wish {
    /// Whether it is a POST, which can have an idempotency key.
    pub fn is_post(&self) -> bool {
        match self {
            Self::Create { .. } => true,
            Self::Do(_, act) => !matches!(
                act,
                Act::Update { .. }
                    | Act::DeleteResource(_)
                    | Act::Detach(_)
                    | Act::WithdrawPlanChange
                    | Act::WithdrawCancellation
                    | Act::WithdrawWriteOff(_)
                    | Act::MoveDueDate { .. }
                    | Act::Postpone(_)
                    | Act::FollowTenant { .. }
                    | Act::RemoveDiscount
            ),
        }
    }

    /// Something that makes sense now, or nearly.
    pub fn random(world: &mut World) -> Self {
        let known: Vec<DeploymentId> = world.audit.deployments().collect();
        if known.is_empty() || world.chance(12) {
            let (tenant_id, slug) = *world.random.pick(&PLACES);
            let (tenant_id, slug) = (tenant_id.parse().expect("a tenant"), slug.parse().expect("a slug"));
            return Self::Create { tenant_id, slug, trial_days: world.chance(3).then_some(14) };
        }
        let id = *world.random.pick(&known);
        Self::Do(id, Act::random(world, id))
    }

    /// Who wants it.
    pub fn principal(&self, world: &mut World) -> Principal {
        let tenant_id = match self {
            Self::Create { tenant_id, .. } => tenant_id.clone(),
            Self::Do(id, _) => world.audit.aggregate(*id).deployment.tenant_id.clone(),
        };
        if matches!(self, Self::Do(_, act) if act.is_for_platform()) || world.chance(2) {
            let actor = Actor { id: "ada".to_owned(), authority: Authority::PlatformAdmin };
            return Principal { actor, scope: Scope::All };
        }
        if matches!(self, Self::Do(_, Act::AddResource | Act::DeleteResource(_))) && !world.chance(4) {
            let actor = Actor { id: "plane".to_owned(), authority: Authority::DataPlane };
            return Principal { actor, scope: Scope::All };
        }
        let actor = Actor { id: "bob".to_owned(), authority: Authority::TenantUser };
        Principal { actor, scope: Scope::Tenant(tenant_id) }
    }
}

impl Act {
    fn random(world: &mut World, id: DeploymentId) -> Self {
        let aggregate = world.audit.aggregate(id).clone();
        let plan = world.random.pick(&PLANS).parse().expect("a code");
        let effective = *world.random.pick(&[Effective::Immediate, Effective::PeriodEnd]);
        if aggregate.live_subscription().is_none() && world.chance(3) {
            let anchor_mode = *world.random.pick(&[AnchorMode::Calendar, AnchorMode::Now]);
            let addons = world.random.below(3);
            return Self::Subscribe { plan, addons, anchor_mode, trial_days: world.chance(5).then_some(9) };
        }
        // Some delete twice.
        if let Some(resource) = world.audit.just_deleted(id)
            && world.chance(2)
        {
            return Self::DeleteResource(resource);
        }
        match world.random.below(53) {
            52 => {
                let tax_rate = *world.random.pick(&[0, 700, 1_900]);
                Self::FollowTenant { held: world.chance(2), days: world.chance(2).then_some(9), tax_rate }
            }
            48..=50 => Self::GrantDiscount(world.random.pick(&COUPONS).parse().expect("a code")),
            51 => Self::RemoveDiscount,
            40..=47 => Self::correction(world, id).unwrap_or(Self::Attach),
            0..=5 => {
                let targets = aggregate.deployment.state.targets();
                let to = if world.chance(3) || targets.is_empty() {
                    *world.random.pick(&[State::Active, State::Paused, State::Active])
                } else {
                    *world.random.pick(&targets)
                };
                // Not everything shall end soon.
                let to = if to == State::Cancelled && !world.chance(3) { State::Active } else { to };
                let resume_in_days = (to == State::Paused && world.chance(2)).then_some(20);
                Self::Transition { to, resume_in_days }
            }
            6..=8 => Self::Update {
                name: format!("name {}", world.random.below(3)),
                suspend: world.chance(6).then(|| world.random.below(2) == 0),
            },
            9 | 10 => Self::AddResource,
            11 => world.audit.resource(id).map_or(Self::AddResource, Self::DeleteResource),
            12..=16 => Self::Attach,
            17 | 18 => aggregate.addons.first().map_or(Self::Attach, |addon| Self::Detach(addon.id)),
            19..=22 => {
                let proration = *world.random.pick(&[Proration::Prorate, Proration::Prorate, Proration::None]);
                Self::ChangePlan { plan, effective, proration }
            }
            23 => Self::WithdrawPlanChange,
            24 => Self::Cancel(effective),
            25 => Self::WithdrawCancellation,
            26 => {
                let days = i64::try_from(world.random.below(30)).expect("some days");
                Self::ExtendTrial { to: world.now + TimeDelta::days(days) }
            }
            27 => Self::of_invoice(world, id, false).unwrap_or(Self::AddResource),
            _ => Self::of_invoice(world, id, true).unwrap_or(Self::Attach),
        }
    }

    /// Whether a tenant's user can only be refused.
    const fn is_for_platform(&self) -> bool {
        match self {
            Self::Pay { .. }
            | Self::Void(_)
            | Self::ExtendTrial { .. }
            | Self::Charge { .. }
            | Self::Grant { .. }
            | Self::CreditNote { .. }
            | Self::Refund { .. }
            | Self::Reverse { .. }
            | Self::WriteOff(_)
            | Self::WithdrawWriteOff(_)
            | Self::MoveDueDate { .. }
            | Self::Postpone(_)
            | Self::FollowTenant { .. }
            | Self::GrantDiscount(_)
            | Self::RemoveDiscount => true,
            Self::Transition { .. }
            | Self::Update { .. }
            | Self::AddResource
            | Self::DeleteResource(_)
            | Self::Subscribe { .. }
            | Self::Attach
            | Self::Detach(_)
            | Self::ChangePlan { .. }
            | Self::WithdrawPlanChange
            | Self::Cancel(_)
            | Self::WithdrawCancellation => false,
        }
    }

    /// The invoice that it is about, if any.
    pub const fn invoice(&self) -> Option<&InvoiceNumber> {
        match self {
            Self::Pay { number, .. }
            | Self::Void(number)
            | Self::CreditNote { number, .. }
            | Self::Reverse { number, .. }
            | Self::WriteOff(number)
            | Self::WithdrawWriteOff(number)
            | Self::MoveDueDate { number, .. } => Some(number),
            Self::Charge { .. }
            | Self::Grant { .. }
            | Self::Refund { .. }
            | Self::Postpone(_)
            | Self::FollowTenant { .. }
            | Self::GrantDiscount(_)
            | Self::RemoveDiscount
            | Self::ExtendTrial { .. }
            | Self::Transition { .. }
            | Self::Update { .. }
            | Self::AddResource
            | Self::DeleteResource(_)
            | Self::Subscribe { .. }
            | Self::Attach
            | Self::Detach(_)
            | Self::ChangePlan { .. }
            | Self::WithdrawPlanChange
            | Self::Cancel(_)
            | Self::WithdrawCancellation => None,
        }
    }

    /// The reference of the refund that it records, if any.
    pub const fn refund(&self) -> Option<&PaymentReference> {
        match self {
            Self::Refund { reference, .. } | Self::CreditNote { reference: Some(reference), .. } => Some(reference),
            _ => None,
        }
    }

    /// Something that went wrong, and is put right.
    fn correction(world: &mut World, id: DeploymentId) -> Option<Self> {
        let invoices: Vec<Invoice> = world.audit.invoices(id).cloned().collect();
        let cents = i64::try_from(world.random.below(4_000)).ok()? + 1;
        let reference = format!("refund-{}", world.random.below(6)).parse().ok()?;
        let wish = world.random.below(9);
        if invoices.is_empty() && wish > 3 {
            return None;
        }
        Some(match wish {
            0 => Self::Charge { when: *world.random.pick(&[Invoiced::Now, Invoiced::NextInvoice]) },
            1 => Self::Grant { cents },
            2 => Self::Refund { reference, cents },
            3 => Self::Postpone(match world.chance(2) {
                true => Postponement::ByDays(10),
                false => Postponement::Until(world.now + TimeDelta::days(12)),
            }),
            wish => {
                let invoice = world.random.pick(&invoices).clone();
                let number = invoice.number;
                match wish {
                    4 => Self::CreditNote { number, reference: world.chance(2).then_some(reference) },
                    5 => Self::Reverse { number, reference: invoice.payments.last()?.reference.clone() },
                    6 => Self::WriteOff(number),
                    7 => Self::WithdrawWriteOff(number),
                    _ => Self::MoveDueDate { number, to: world.now + TimeDelta::days(15) },
                }
            }
        })
    }

    /// A payment of an invoice, or its withdrawal.
    fn of_invoice(world: &mut World, id: DeploymentId, pays: bool) -> Option<Self> {
        let invoices: Vec<&Invoice> = world.audit.invoices(id).collect();
        let open: Vec<&Invoice> =
            invoices.iter().filter(|invoice| invoice.status == InvoiceStatus::Open).copied().collect();
        let choices = if open.is_empty() { invoices } else { open };
        if choices.is_empty() {
            return None;
        }
        let invoice = (*world.random.pick(&choices)).clone();
        let number = invoice.number.clone();
        if !pays {
            return Some(Self::Void(number));
        }
        // References so few that the same comes twice, for this invoice or another.
        let reference = format!("ref-{}", world.random.below(12)).parse().expect("a reference");
        let amount_cents = (invoice.due_cents() / if world.chance(4) { 2 } else { 1 }).max(1);
        Some(Self::Pay { number, reference, amount_cents, currency: invoice.currency })
    }

    /// The command that it comes to on what was read.
    pub fn command(&self, world: &mut World, found: Found, now: Timestamp) -> Result<Command, Error> {
        let Found { aggregate, invoice, refund, resource, offer, coupon } = found;
        let correct = |correction| Command::Correct(Correct { correction, reason: None, notes: None });
        let usd: Currency = "USD".parse().expect("a currency");
        let deployment = aggregate.ok_or(Error::NotFound)?.deployment;
        Ok(match self.clone() {
            Self::Transition { to, resume_in_days } => {
                let resume_at = resume_in_days.map(|days| now + TimeDelta::days(days));
                Command::Transition(Transition {
                    to_state: to,
                    reason: None,
                    notes: None,
                    resume_at: resume_at.map(Some),
                })
            }
            Self::Update { name, suspend } => Command::Update(UpdateDeployment {
                display_name: Some(name.parse().expect("a name")),
                billing_action_suspended: suspend,
                ..UpdateDeployment::default()
            }),
            Self::AddResource => Command::AddResource(Resource {
                id: ResourceId::new(world.new_id(now)),
                deployment_id: deployment.id,
                kind: "database".parse().expect("a kind"),
                provider_reference: "db-1".parse().expect("a reference"),
                region: deployment.region,
                created_at: now,
                deleted_at: None,
                version: 0,
            }),
            Self::DeleteResource(_) => Command::DeleteResource(resource.ok_or(Error::NotFound)?),
            Self::Subscribe { plan, addons, anchor_mode, trial_days } => {
                let addon: Option<Addon> = offer.addons.into_iter().next();
                let addon = addon.ok_or_else(|| Rejection::UnknownAddon(plan.clone()))?;
                Command::Subscribe(Subscribe {
                    id: SubscriptionId::new(world.new_id(now)),
                    plan: offer.plan.ok_or_else(|| Rejection::UnknownPlan(plan.clone()))?,
                    version: offer.version.ok_or(Rejection::UnknownPlanVersion { plan_code: plan })?,
                    addons: (0..addons).map(|_| (SubscriptionAddonId::new(world.new_id(now)), addon.clone())).collect(),
                    anchor_mode,
                    trial_ends_at: trial_days.map(|days| now + TimeDelta::days(days)),
                    trial_claimed_by: offer.trial_claimed_by,
                })
            }
            Self::Attach => {
                let addon = offer.addons.into_iter().next();
                let unknown = || Rejection::UnknownAddon(ADDON.parse().expect("a code"));
                Command::AttachAddon(SubscriptionAddonId::new(world.new_id(now)), addon.ok_or_else(unknown)?)
            }
            Self::Detach(id) => Command::DetachAddon(id),
            Self::ChangePlan { plan, effective, proration } => Command::ChangePlan(ChangePlan {
                plan: offer.plan.ok_or_else(|| Rejection::UnknownPlan(plan.clone()))?,
                version: offer.version.ok_or(Rejection::UnknownPlanVersion { plan_code: plan })?,
                effective,
                proration,
                drop_incompatible: false,
                trial_claimed_by: offer.trial_claimed_by,
            }),
            Self::WithdrawPlanChange => Command::WithdrawPlanChange,
            Self::Cancel(effective) => Command::CancelSubscription(effective),
            Self::WithdrawCancellation => Command::WithdrawCancellation,
            Self::ExtendTrial { to } => Command::ExtendTrial(to),
            Self::Pay { number: _, reference, amount_cents, currency } => {
                let payment = Payment::new(reference, amount_cents, now);
                Command::Pay(Pay::new(invoice.ok_or(Error::NotFound)?, payment, currency))
            }
            Self::FollowTenant { held, days, tax_rate } => {
                let version = deployment.tenant_rules.version + 1;
                let unsubscribed = days.map(|after_days| UnsubscribedRule { after_days, since: now });
                Command::FollowTenant(TenantRules { version, held, unsubscribed, tax_rate_basis_points: tax_rate })
            }
            Self::Void(_) => Command::Void(invoice.ok_or(Error::NotFound)?),
            Self::Charge { when } => correct(Correction::Charge(OneOff {
                description: "Migration".parse().expect("a description"),
                amount_cents: 700,
                currency: usd,
                when,
            })),
            Self::Grant { cents } => correct(Correction::Credit(Amount { amount_cents: cents, currency: usd })),
            Self::CreditNote { number: _, reference } => correct(Correction::CreditNote(CreditNote {
                invoice: invoice.ok_or(Error::NotFound)?,
                extent: Extent::Whole,
                pay_back: reference.map(|reference| PayBack { reference, known: refund }),
            })),
            Self::Refund { reference, cents } => correct(Correction::Refund(
                PayBack { reference, known: refund },
                Amount { amount_cents: cents, currency: usd },
            )),
            Self::Reverse { number: _, reference } => correct(Correction::ReversePayment(
                invoice.ok_or(Error::NotFound)?,
                reference,
                ReversalKind::Chargeback,
            )),
            Self::WriteOff(_) => correct(Correction::WriteOff(invoice.ok_or(Error::NotFound)?)),
            Self::WithdrawWriteOff(_) => correct(Correction::WithdrawWriteOff(invoice.ok_or(Error::NotFound)?)),
            Self::MoveDueDate { number: _, to } => {
                correct(Correction::MoveDueDate(invoice.ok_or(Error::NotFound)?, to))
            }
            Self::Postpone(postponement) => correct(Correction::Postpone(postponement)),
            Self::GrantDiscount(code) => Command::GrantDiscount(GrantDiscount {
                coupon: coupon.ok_or(Rejection::UnknownCoupon(code))?,
                reason: None,
                notes: None,
            }),
            Self::RemoveDiscount => Command::RemoveDiscount(RemoveDiscount::default()),
        })
    }
}

/// The command of a creation.
pub fn creation(
    world: &mut World,
    tenant_id: &TenantId,
    slug: &Slug,
    trial_days: Option<i64>,
    now: Timestamp,
) -> CreateDeployment {
    CreateDeployment {
        id: DeploymentId::new(world.new_id(now)),
        tenant_id: tenant_id.clone(),
        slug: slug.clone(),
        display_name: None,
        region: "eu-central-1".parse().expect("a region"),
        state: trial_days.map(|_| State::Trial),
        llm_mode: None,
        template_code: None,
        template_version: None,
        trial_ends_at: trial_days.map(|days| now + TimeDelta::days(days)),
        tenant_rules: TenantRules::default(),
    }
}
