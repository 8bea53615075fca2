//! The requests of clients, chosen at random from the records that the world has. [`super::commands`] makes the command
//! of each; [`crate::conformance`] sends the same requests over HTTP.

use arcadia_domain::{
    Actor, Aggregate, AnchorMode, Authority, Currency, DeploymentId, Effective, Invoice, InvoiceNumber, InvoiceStatus,
    Invoiced, OperationCommand, PaymentReference, PlanTerms, Postponement, Proration, ResourceId, Scope, ShortCode,
    Slug, State, SubscriptionAddonId, TenantId, Timestamp,
};
use arcadia_functions::auth::Principal;
use arcadia_functions::{Route, find_route};
use arcadia_store::{items, keys};
use chrono::TimeDelta;
use lambda_http::http::Method;

use super::world::World;

/// The tenants and slugs of new deployments: so few that callers meet.
const PLACES: [(&str, &str); 3] = [("acme", "shop"), ("acme", "blog"), ("umbra", "shop")];
/// Codes of the plans on offer.
pub const PLANS: [&str; 3] = ["studio", "team", "yearly"];
/// Code of the add-on on offer.
pub const ADDON: &str = "storage_50gb";
/// Codes of the coupons on offer.
pub const COUPONS: [&str; 2] = ["partner", "start"];
/// The kind of the commands that only operations give.
pub const OPERATION: &str = "operation";

/// A request of a client, before it is sent. All times in it are absolute, so a repetition is the same request.
#[derive(Debug, Clone)]
pub enum Wish {
    /// Create a deployment, in trial if that has an end.
    Create { tenant_id: TenantId, slug: Slug, trial_ends_at: Option<Timestamp> },
    /// A command on a deployment.
    Do(DeploymentId, Act),
}

/// A command on a deployment, as a client gives it.
#[derive(Debug, Clone)]
pub enum Act {
    Transition { to: State, resume_at: Option<Timestamp> },
    Update { name: String, suspend: Option<bool> },
    AddResource,
    DeleteResource(ResourceId),
    Subscribe { plan: ShortCode, addons: usize, anchor_mode: AnchorMode, trial_ends_at: Option<Timestamp> },
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
    GrantDiscount(ShortCode),
    RemoveDiscount,
    Operation(OperationCommand),
}

impl Wish {
    /// The route that the request is sent to; `None` for a command that only an operation on many deployments gives.
    pub fn route(&self) -> Option<&'static Route> {
        let handler = match self {
            Self::Create { .. } => "create_deployment",
            Self::Do(_, act) => act.handler()?,
        };
        Some(find_route(handler).expect("a route"))
    }

    /// Its kind: the name of its route's handler, or [`OPERATION`].
    pub fn kind(&self) -> &'static str {
        self.route().map_or(OPERATION, |route| route.handler)
    }

    /// Whether it is a POST, which can have an idempotency key.
    pub fn is_post(&self) -> bool {
        self.route().is_some_and(|route| route.method == Method::POST)
    }

    /// A random request that makes sense now, or nearly.
    pub fn random(world: &mut World) -> Self {
        let known: Vec<DeploymentId> = world.audit.deployments().collect();
        if known.is_empty() || world.chance(12) {
            let (tenant_id, slug) = *world.random.pick(&PLACES);
            let (tenant_id, slug) = (tenant_id.parse().expect("a tenant"), slug.parse().expect("a slug"));
            let trial_ends_at = world.chance(3).then_some(world.now + TimeDelta::days(14));
            return Self::Create { tenant_id, slug, trial_ends_at };
        }
        let id = *world.random.pick(&known);
        Self::Do(id, Act::random(world, id))
    }

    /// The caller.
    pub fn principal(&self, world: &mut World) -> Principal {
        let admin = Actor { id: "ada".to_owned(), authority: Authority::PlatformAdmin };
        let Some(route) = self.route() else { return Principal { actor: admin, scope: Scope::All } };
        let (tenant_id, is_new) = match self {
            Self::Create { tenant_id, .. } => (tenant_id.clone(), true),
            Self::Do(id, _) => (world.audit.aggregate(*id).deployment.tenant_id.clone(), false),
        };
        let is_of_resources = matches!(self, Self::Do(_, Act::AddResource | Act::DeleteResource(_)));
        // A few users of tenants try what only the platform may do.
        let is_for_platform = !route.audience.admits(Authority::TenantUser) && !is_of_resources && !world.chance(10);
        if is_for_platform || world.chance(2) {
            return Principal { actor: admin, scope: Scope::All };
        }
        if is_of_resources && !world.chance(4) {
            let actor = Actor { id: "plane".to_owned(), authority: Authority::DataPlane };
            return Principal { actor, scope: Scope::All };
        }
        // And a few try to reach another tenant's deployment.
        let is_stranger = !is_new && world.chance(12);
        let tenant_id = if is_stranger { "nosy".parse().expect("a tenant") } else { tenant_id };
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
            let trial_ends_at = world.chance(5).then_some(world.now + TimeDelta::days(9));
            return Self::Subscribe { plan, addons, anchor_mode, trial_ends_at };
        }
        // Some delete twice.
        if let Some(resource) = world.audit.just_deleted(id)
            && world.chance(2)
        {
            return Self::DeleteResource(resource);
        }
        match world.random.below(54) {
            52 | 53 => Self::operation(world, &aggregate).unwrap_or(Self::RemoveDiscount),
            51 => Self::RemoveDiscount,
            48..=50 => Self::GrantDiscount(world.random.pick(&COUPONS).parse().expect("a code")),
            40..=47 => Self::correction(world, id).unwrap_or(Self::Attach),
            0..=5 => Self::transition(world, aggregate.deployment.state),
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

    /// The name of its route's handler; `None` for a command that only an operation gives.
    const fn handler(&self) -> Option<&'static str> {
        Some(match self {
            Self::Transition { .. } => "transition_deployment",
            Self::Update { .. } => "update_deployment",
            Self::AddResource => "create_resource",
            Self::DeleteResource(_) => "delete_resource",
            Self::Subscribe { .. } => "subscribe_deployment",
            Self::Attach => "attach_addon",
            Self::Detach(_) => "detach_addon",
            Self::ChangePlan { .. } => "change_plan",
            Self::WithdrawPlanChange => "withdraw_plan_change",
            Self::Cancel(_) => "cancel_subscription",
            Self::WithdrawCancellation => "withdraw_cancellation",
            Self::ExtendTrial { .. } => "extend_trial",
            Self::Pay { .. } => "record_payment",
            Self::Void(_) => "void_invoice",
            Self::Charge { .. } => "add_charge",
            Self::Grant { .. } => "grant_credit",
            Self::CreditNote { .. } => "issue_credit_note",
            Self::Refund { .. } => "refund_balance",
            Self::Reverse { .. } => "reverse_payment",
            Self::WriteOff(_) => "write_off_invoice",
            Self::WithdrawWriteOff(_) => "withdraw_write_off",
            Self::MoveDueDate { .. } => "update_invoice",
            Self::GrantDiscount(_) => "grant_discount",
            Self::RemoveDiscount => "remove_discount",
            Self::Operation(_) => return None,
        })
    }

    /// The number of the invoice in its path, if any.
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
            | Self::WithdrawCancellation
            | Self::Operation(_) => None,
        }
    }

    fn transition(world: &mut World, state: State) -> Self {
        let targets = state.targets();
        let to = if world.chance(3) || targets.is_empty() {
            *world.random.pick(&[State::Active, State::Paused, State::Active])
        } else {
            *world.random.pick(&targets)
        };
        // Few deployments should end soon.
        let to = if to == State::Cancelled && !world.chance(3) { State::Active } else { to };
        let resume_at = (to == State::Paused && world.chance(2)).then_some(world.now + TimeDelta::days(20));
        Self::Transition { to, resume_at }
    }

    /// A command that only an operation gives: a later due date, the rules of the tenant, or a price change.
    fn operation(world: &mut World, aggregate: &Aggregate) -> Option<Self> {
        let by_days = OperationCommand::DueDate { postponement: Postponement::ByDays(10) };
        let until = OperationCommand::DueDate { postponement: Postponement::Until(world.now + TimeDelta::days(12)) };
        Some(Self::Operation(match world.random.below(6) {
            0 => by_days,
            1 => until,
            2 | 3 => OperationCommand::CopyTenantRules,
            _ => {
                let terms = &aggregate.live_subscription()?.terms;
                let version = world.table.get(&keys::plan_version(&terms.plan_code, terms.plan_version))?;
                let closed = items::to_plan_version(version.clone()).expect("a version");
                let next = world.table.get(&keys::plan_version(&terms.plan_code, closed.replaced_by?))?;
                let terms = PlanTerms::from(&items::to_plan_version(next.clone()).expect("a version"));
                let effective_from = closed.effective_from?;
                OperationCommand::AnnouncePrice { terms, replaces: closed.version, effective_from }
            }
        }))
    }

    /// A correction of what was charged or paid.
    fn correction(world: &mut World, id: DeploymentId) -> Option<Self> {
        let invoices: Vec<Invoice> = world.audit.invoices(id).cloned().collect();
        let cents = i64::try_from(world.random.below(4_000)).ok()? + 1;
        let reference = format!("refund-{}", world.random.below(6)).parse().ok()?;
        let wish = world.random.below(8);
        if invoices.is_empty() && wish > 2 {
            return None;
        }
        Some(match wish {
            0 => Self::Charge { when: *world.random.pick(&[Invoiced::Now, Invoiced::NextInvoice]) },
            1 => Self::Grant { cents },
            2 => Self::Refund { reference, cents },
            wish => {
                let invoice = world.random.pick(&invoices).clone();
                let number = invoice.number;
                match wish {
                    3 => Self::CreditNote { number, reference: world.chance(2).then_some(reference) },
                    4 => Self::Reverse { number, reference: invoice.payments.last()?.reference.clone() },
                    5 => Self::WriteOff(number),
                    6 => Self::WithdrawWriteOff(number),
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
        // So few references that some come twice, for this invoice or another.
        let reference = format!("ref-{}", world.random.below(12)).parse().expect("a reference");
        let amount_cents = (invoice.due_cents() / if world.chance(4) { 2 } else { 1 }).max(1);
        Some(Self::Pay { number, reference, amount_cents, currency: invoice.currency })
    }
}
