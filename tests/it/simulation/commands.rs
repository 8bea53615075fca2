//! The command that a server makes of a request and of the records that it has read, as the handlers in
//! `functions/src/` and `functions/src/operations/command.rs` make it.

use arcadia_domain::{
    Aggregate, Amount, AnnouncePrice, ChangePlan, Command, Correct, Correction, Coupon, CreateDeployment, Created,
    CreditNote, Currency, DeploymentId, DunningPolicy, Extent, GrantDiscount, Invoice, OneOff, OperationCommand, Pay,
    PayBack, Payment, Reason, Refund, Rejection, RemoveDiscount, Resource, ResourceId, ReversalKind, ShortCode, Slug,
    State, Subscribe, SubscriptionAddonId, SubscriptionId, TenantId, TenantRules, Timestamp, Transition,
    UpdateDeployment,
};
use arcadia_functions::Error;
use arcadia_store::{Offer, TenantLimits};

use super::wishes::{ADDON, Act};
use super::world::World;
use crate::harness::world::DEFAULT_REGION;

/// The reason of a credit, which needs one.
pub const GOODWILL: &str = "goodwill";
/// The description of a charge made once.
pub const MIGRATION: &str = "Migration";
/// The amount of a charge made once, in US cents.
pub const MIGRATION_CENTS: i64 = 700;

/// The records that a server has read for a request.
#[derive(Default)]
pub struct Found {
    pub aggregate: Option<Aggregate>,
    pub invoice: Option<Invoice>,
    pub refund: Option<Refund>,
    pub resource: Option<Resource>,
    pub offer: Offer,
    pub coupon: Option<Coupon>,
    /// The limits of the tenant's new deployments, with its rules.
    pub limits: Option<TenantLimits>,
    /// The tenant's dunning policy, once it was read.
    pub policy: Option<DunningPolicy>,
    /// The price change that the subscription missed.
    pub successor: Option<AnnouncePrice>,
    /// The command, once it was made of the records above. It stays the same while more records are read.
    pub command: Option<Command>,
}

impl Act {
    /// The command, made of the records that were read.
    pub fn command(&self, world: &mut World, found: &Found, now: Timestamp) -> Result<Command, Error> {
        let deployment = &found.aggregate.as_ref().ok_or(Error::NotFound("deployment"))?.deployment;
        Ok(match self.clone() {
            Self::Transition { to, resume_at } => Command::Transition(Transition {
                to_state: to,
                reason: None,
                notes: None,
                resume_at: resume_at.map(Some),
            }),
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
                region: deployment.region.clone(),
                created_at: now,
                deleted_at: None,
                version: 0,
            }),
            Self::DeleteResource(_) => {
                Command::DeleteResource(found.resource.clone().ok_or(Error::NotFound("resource"))?)
            }
            Self::Subscribe { .. } | Self::ChangePlan { .. } | Self::Attach => self.purchase(world, found, now)?,
            Self::Detach(id) => Command::DetachAddon(id),
            Self::WithdrawPlanChange => Command::WithdrawPlanChange,
            Self::Cancel(effective) => Command::CancelSubscription(effective),
            Self::WithdrawCancellation => Command::WithdrawCancellation,
            Self::ExtendTrial { to } => Command::ExtendTrial(to),
            Self::Pay { number: _, reference, amount_cents, currency } => {
                let payment = Payment::new(reference, amount_cents, now);
                Command::Pay(Pay::new(found.invoice.clone().ok_or(Error::NotFound("invoice"))?, payment, currency))
            }
            Self::Void(_) => Command::Void(found.invoice.clone().ok_or(Error::NotFound("invoice"))?),
            Self::Charge { .. }
            | Self::Grant { .. }
            | Self::CreditNote { .. }
            | Self::Refund { .. }
            | Self::Reverse { .. }
            | Self::WriteOff(_)
            | Self::WithdrawWriteOff(_)
            | Self::MoveDueDate { .. } => self.correct(found)?,
            Self::GrantDiscount(code) => Command::GrantDiscount(GrantDiscount {
                coupon: found.coupon.clone().ok_or(Rejection::UnknownCoupon(code))?,
                reason: None,
                notes: None,
            }),
            Self::RemoveDiscount => Command::RemoveDiscount(RemoveDiscount::default()),
            Self::Operation(OperationCommand::DueDate { postponement }) => {
                correct(Correction::Postpone(postponement), None)
            }
            Self::Operation(OperationCommand::AnnouncePrice { terms, replaces, effective_from }) => {
                Command::AnnouncePrice(AnnouncePrice { terms, replaces, effective_from })
            }
            Self::Operation(OperationCommand::CopyTenantRules) => {
                Command::FollowTenant(found.limits.unwrap_or_default().rules())
            }
            Self::Operation(command) => unreachable!("no client of the simulator starts {command:?}"),
        })
    }

    /// A command that buys from the catalog.
    fn purchase(&self, world: &mut World, found: &Found, now: Timestamp) -> Result<Command, Error> {
        let Offer { plan, version, addons, trial_claimed_by, dunning_policy: _ } = found.offer.clone();
        let addon = addons.into_iter().next();
        let addon = || addon.clone().ok_or_else(|| Rejection::UnknownAddon(ADDON.parse().expect("a code")));
        let offered = |code: &ShortCode| {
            let plan = plan.clone().ok_or_else(|| Rejection::UnknownPlan(code.clone()))?;
            let unknown = || Rejection::UnknownPlanVersion { plan_code: code.clone() };
            Ok::<_, Rejection>((plan, version.clone().ok_or_else(unknown)?))
        };
        Ok(match self {
            Self::Subscribe { plan, addons, anchor_mode, trial_ends_at } => {
                let (plan, version) = offered(plan)?;
                let new_addon = |_| Ok((SubscriptionAddonId::new(world.new_id(now)), addon()?));
                Command::Subscribe(Subscribe {
                    plan,
                    version,
                    addons: (0..*addons).map(new_addon).collect::<Result<_, Rejection>>()?,
                    id: SubscriptionId::new(world.new_id(now)),
                    anchor_mode: *anchor_mode,
                    trial_ends_at: *trial_ends_at,
                    trial_claimed_by,
                })
            }
            Self::ChangePlan { plan, effective, proration } => {
                let (plan, version) = offered(plan)?;
                let (effective, proration) = (*effective, *proration);
                let drop_incompatible = false;
                Command::ChangePlan(ChangePlan {
                    plan,
                    version,
                    effective,
                    proration,
                    drop_incompatible,
                    trial_claimed_by,
                })
            }
            Self::Attach => Command::AttachAddon(SubscriptionAddonId::new(world.new_id(now)), addon()?),
            act => unreachable!("{act:?} buys nothing"),
        })
    }

    /// A command that corrects what was charged or paid.
    fn correct(&self, found: &Found) -> Result<Command, Error> {
        let Found { invoice, refund, .. } = found;
        let usd: Currency = "USD".parse().expect("a currency");
        let invoice = || invoice.clone().ok_or(Error::NotFound("invoice"));
        Ok(match self.clone() {
            Self::Charge { when } => {
                let description = MIGRATION.parse().expect("a description");
                correct(
                    Correction::Charge(OneOff { description, amount_cents: MIGRATION_CENTS, currency: usd, when }),
                    None,
                )
            }
            Self::Grant { cents } => {
                let reason = Some(GOODWILL.parse().expect("a reason"));
                correct(Correction::Credit(Amount { amount_cents: cents, currency: usd }), reason)
            }
            Self::CreditNote { number: _, reference } => {
                let known = refund.clone();
                let pay_back = reference.map(|reference| PayBack { reference, known });
                let note = CreditNote { invoice: invoice()?, extent: Extent::Whole, pay_back };
                correct(Correction::CreditNote(note), None)
            }
            Self::Refund { reference, cents } => {
                let pay_back = PayBack { reference, known: refund.clone() };
                correct(Correction::Refund(pay_back, Amount { amount_cents: cents, currency: usd }), None)
            }
            Self::Reverse { number: _, reference } => {
                correct(Correction::ReversePayment(invoice()?, reference, ReversalKind::Chargeback), None)
            }
            Self::WriteOff(_) => correct(Correction::WriteOff(invoice()?), None),
            Self::WithdrawWriteOff(_) => correct(Correction::WithdrawWriteOff(invoice()?), None),
            Self::MoveDueDate { number: _, to } => correct(Correction::MoveDueDate(invoice()?, to), None),
            act => unreachable!("{act:?} corrects nothing"),
        })
    }
}

fn correct(correction: Correction, reason: Option<Reason>) -> Command {
    Command::Correct(Correct { correction, reason, notes: None })
}

/// The command that creates a deployment.
pub fn creation(
    world: &mut World,
    (tenant_id, slug, trial_ends_at): (&TenantId, &Slug, Option<Timestamp>),
    tenant_rules: TenantRules,
    now: Timestamp,
) -> CreateDeployment {
    CreateDeployment {
        id: DeploymentId::new(world.new_id(now)),
        state: trial_ends_at.map(|_| State::Trial),
        created: Created {
            trial_ends_at,
            tenant_rules,
            ..Created::new(tenant_id.clone(), slug.clone(), DEFAULT_REGION.parse().expect("a region"))
        },
    }
}
