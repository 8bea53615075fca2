//! The tenant: a customer, the owner of deployments. This module has its fields, who may change them, and the events of
//! its history. The amounts that a tenant owes follow from its deployments and are not here.

use serde::{Deserialize, Serialize};

use super::actor::{Actor, Grant};
use super::decide::Rejection;
use super::event::Changed;
use super::policy::DunningPolicy;
use super::powers::Power;
use super::tenant_rules::{TenantRules, UnsubscribedRule};
use super::values::{BillingAddress, DisplayName, EmailAddress, Notes, OperationId, Reason, TaxId, Timestamp};

/// The greatest tax rate, in basis points: 100 percent.
pub const MAX_TAX_RATE_BASIS_POINTS: i64 = 10_000;

/// The most days that a deployment can stay active without a subscription before it is paused.
pub const MAX_UNSUBSCRIBED_DAYS: i64 = 3_650;

/// The greatest quota of live deployments.
pub const MAX_DEPLOYMENT_QUOTA: i64 = 1_000_000;

/// The fields of a tenant. Its id is not among them: it is known to everyone who reads or writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "TenantFields"))]
pub struct Tenant {
    /// The name of the customer.
    pub name: Option<DisplayName>,
    /// The address on its invoices.
    pub billing_address: Option<BillingAddress>,
    /// Where its invoices are sent.
    pub email: Option<EmailAddress>,
    /// Its tax id, such as a VAT number.
    pub tax_id: Option<TaxId>,
    /// Its tax rate, in basis points: 1900 is 19 percent. Invoices that are issued from now on have tax at this rate.
    pub tax_rate_basis_points: u32,
    /// The most live deployments that it can have; null for no limit.
    pub deployment_quota: Option<u32>,
    /// Its hold; null without one. While it is held, its deployments do not become active and none is created.
    #[serde(default)]
    pub hold: Option<TenantHold>,
    /// After how many days without a live subscription an active deployment is paused; null for never.
    #[serde(default)]
    pub unsubscribed_after_days: Option<u32>,
    /// When `unsubscribed_after_days` was set.
    #[serde(default)]
    pub unsubscribed_since: Option<Timestamp>,
    /// The sequence of the event that last changed a rule that its deployments follow: the hold,
    /// `unsubscribed_after_days` or the tax rate; 0 if none did.
    #[serde(default)]
    pub rules_version: u64,
    /// The sequence of the event that last changed its dunning policy; 0 if none did.
    #[serde(default)]
    pub policy_version: u64,
    /// The operation that copies the last change of such a rule to its deployments.
    #[serde(default)]
    pub operation_id: Option<OperationId>,
    /// The sequence of its last event: 0 before the first change, and higher after every change.
    pub version: u64,
    /// When its last event occurred; null before the first change.
    pub updated_at: Option<Timestamp>,
}

/// The hold of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct TenantHold {
    /// When it began.
    pub since: Timestamp,
    /// The operator who gave its reason.
    pub by: String,
    /// The reason.
    pub reason: Reason,
    /// Notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Notes>,
}

/// The command that holds a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldTenant {
    /// The reason.
    pub reason: Reason,
    /// Notes, for the histories of the tenant and its deployments.
    pub notes: Option<Notes>,
}

/// New values of a tenant's fields: `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateTenant {
    /// See [`Tenant::name`].
    pub name: Option<Option<DisplayName>>,
    /// See [`Tenant::billing_address`].
    pub billing_address: Option<Option<BillingAddress>>,
    /// See [`Tenant::email`].
    pub email: Option<Option<EmailAddress>>,
    /// See [`Tenant::tax_id`].
    pub tax_id: Option<Option<TaxId>>,
    /// See [`Tenant::tax_rate_basis_points`].
    pub tax_rate_basis_points: Option<u32>,
    /// See [`Tenant::deployment_quota`].
    pub deployment_quota: Option<Option<u32>>,
    /// See [`Tenant::unsubscribed_after_days`].
    pub unsubscribed_after_days: Option<Option<u32>>,
}

/// One change of a tenant, in its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct TenantEvent {
    /// Its place in the tenant's history: 1, 2, 3 and so on without gaps.
    pub sequence: u64,
    /// The kind of change, as `type` and `data`.
    #[serde(flatten)]
    pub kind: TenantEventKind,
    /// The reason that the actor gave.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// The actor's notes.
    #[serde(default)]
    pub notes: Option<Notes>,
    /// The actor: the token's subject.
    pub actor: String,
    /// When the event occurred.
    pub occurred_at: Timestamp,
}

/// The kind of change of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum TenantEventKind {
    /// Some of the tenant's fields changed.
    Updated(TenantUpdated),
    /// The tenant's dunning policy changed.
    DunningPolicyChanged(Changed<DunningPolicy>),
    /// The tenant was held, or the reason or the notes of its hold changed.
    Held {
        /// The hold.
        hold: TenantHold,
        /// The operation that copies it to the tenant's deployments.
        operation_id: OperationId,
    },
    /// The tenant was released from its hold.
    Released {
        /// The hold that ended.
        hold: TenantHold,
        /// The operation that copies the release to the tenant's deployments.
        operation_id: OperationId,
    },
}

impl TenantEventKind {
    /// Its `type`, as stored and published.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Updated(_) => "updated",
            Self::DunningPolicyChanged(_) => "dunning_policy_changed",
            Self::Held { .. } => "held",
            Self::Released { .. } => "released",
        }
    }
}

/// The fields that an update of a tenant changed; other fields are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct TenantUpdated {
    /// The name of the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Changed<Option<DisplayName>>>,
    /// The address on its invoices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Changed<Option<BillingAddress>>>,
    /// Where its invoices are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Changed<Option<EmailAddress>>>,
    /// Its tax id, such as a VAT number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<Changed<Option<TaxId>>>,
    /// Its tax rate, in basis points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_rate_basis_points: Option<Changed<u32>>,
    /// The most live deployments that it can have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_quota: Option<Changed<Option<u32>>>,
    /// After how many days without a live subscription an active deployment is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribed_after_days: Option<Changed<Option<u32>>>,
    /// The operation that copies `unsubscribed_after_days` and the tax rate to its deployments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<OperationId>,
}

/// A change of a tenant to write in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantChange {
    /// The tenant that the decision read.
    pub before: Tenant,
    /// The tenant after the change.
    pub after: Tenant,
    /// The event of the change.
    pub event: TenantEvent,
    /// The new dunning policy, if the change sets it.
    pub dunning_policy: Option<DunningPolicy>,
}

impl TenantChange {
    /// The change with a reason and notes on its event, unless that has its own.
    #[must_use]
    pub fn because(mut self, reason: Option<Reason>, notes: Option<Notes>) -> Self {
        self.event.reason = self.event.reason.or(reason);
        self.event.notes = self.event.notes.or(notes);
        self
    }
}

/// Decides on new values of a tenant's fields; `None` if they change nothing. `operation_id` is of the operation that
/// copies changed rules to its deployments.
///
/// # Errors
/// [`Rejection::FieldNotPermitted`] if the caller may not set one of the fields, whatever its value.
pub fn update_tenant(
    tenant: &Tenant,
    command: UpdateTenant,
    operation_id: OperationId,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<TenantChange>, Rejection> {
    admit(&command, actor)?;
    let UpdateTenant {
        name,
        billing_address,
        email,
        tax_id,
        tax_rate_basis_points,
        deployment_quota,
        unsubscribed_after_days,
    } = command;
    let unsubscribed_after_days =
        unsubscribed_after_days.and_then(|new| Changed::between(&tenant.unsubscribed_after_days, &new));
    let tax_rate_basis_points =
        tax_rate_basis_points.and_then(|new| Changed::between(&tenant.tax_rate_basis_points, &new));
    let changes_rules = unsubscribed_after_days.is_some() || tax_rate_basis_points.is_some();
    let updated = TenantUpdated {
        name: name.and_then(|new| Changed::between(&tenant.name, &new)),
        billing_address: billing_address.and_then(|new| Changed::between(&tenant.billing_address, &new)),
        email: email.and_then(|new| Changed::between(&tenant.email, &new)),
        tax_id: tax_id.and_then(|new| Changed::between(&tenant.tax_id, &new)),
        tax_rate_basis_points,
        deployment_quota: deployment_quota.and_then(|new| Changed::between(&tenant.deployment_quota, &new)),
        operation_id: changes_rules.then_some(operation_id),
        unsubscribed_after_days,
    };
    let is_changed = updated != TenantUpdated::default();
    Ok(is_changed.then(|| change(tenant, TenantEventKind::Updated(updated), actor, now)))
}

/// Decides on a new dunning policy of a tenant; `None` if it is the present one.
#[must_use]
pub fn set_dunning_policy(
    tenant: &Tenant,
    (present, new): (DunningPolicy, DunningPolicy),
    actor: &Actor,
    now: Timestamp,
) -> Option<TenantChange> {
    let changed = Changed::between(&present, &new)?;
    let change = change(tenant, TenantEventKind::DunningPolicyChanged(changed), actor, now);
    Some(TenantChange { dunning_policy: Some(new), ..change })
}

/// Decides on holding a tenant; `None` if it is held for this reason already, with these notes or if none are given.
/// Another reason keeps the beginning of the hold. `operation_id` is of the operation that copies the hold to its deployments.
///
/// # Errors
/// [`Rejection::RoleNotPermitted`] unless the caller is `platform_admin`.
pub fn hold_tenant(
    tenant: &Tenant,
    command: HoldTenant,
    operation_id: OperationId,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<TenantChange>, Rejection> {
    admit_hold(actor)?;
    let HoldTenant { reason, notes } = command;
    let is_same = |hold: &TenantHold| hold.reason == reason && (notes.is_none() || hold.notes == notes);
    if tenant.hold.as_ref().is_some_and(is_same) {
        return Ok(None);
    }
    let since = tenant.hold.as_ref().map_or_else(|| tenant.not_before(now), |hold| hold.since);
    let hold = TenantHold { since, by: actor.id.clone(), reason: reason.clone(), notes: notes.clone() };
    let held = change(tenant, TenantEventKind::Held { hold, operation_id }, actor, now);
    Ok(Some(held.because(Some(reason), notes)))
}

/// Decides on releasing a tenant from its hold; `None` if it is not held. `operation_id` is of the operation that copies
/// the release to its deployments.
///
/// # Errors
/// [`Rejection::RoleNotPermitted`] unless the caller is `platform_admin`.
pub fn release_tenant(
    tenant: &Tenant,
    operation_id: OperationId,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<TenantChange>, Rejection> {
    admit_hold(actor)?;
    let released = |hold| change(tenant, TenantEventKind::Released { hold, operation_id }, actor, now);
    Ok(tenant.hold.clone().map(released))
}

fn admit_hold(actor: &Actor) -> Result<(), Rejection> {
    match Power::HoldTenant.grant(actor.authority) {
        Grant::Always => Ok(()),
        Grant::Limited(_) | Grant::Never => Err(Rejection::RoleNotPermitted),
    }
}

/// Refuses fields that the caller may not set. Other roles than `platform_admin` may only set where invoices go.
fn admit(command: &UpdateTenant, actor: &Actor) -> Result<(), Rejection> {
    let UpdateTenant {
        name,
        billing_address: _,
        email: _,
        tax_id,
        tax_rate_basis_points,
        deployment_quota,
        unsubscribed_after_days,
    } = command;
    match Power::SetTenant.grant(actor.authority) {
        Grant::Always => return Ok(()),
        Grant::Limited(_) => {}
        Grant::Never => return Err(Rejection::RoleNotPermitted),
    }
    for (field, is_set) in [
        ("name", name.is_some()),
        ("tax_id", tax_id.is_some()),
        ("tax_rate_basis_points", tax_rate_basis_points.is_some()),
        ("deployment_quota", deployment_quota.is_some()),
        ("unsubscribed_after_days", unsubscribed_after_days.is_some()),
    ] {
        if is_set {
            return Err(Rejection::FieldNotPermitted { field });
        }
    }
    Ok(())
}

fn change(tenant: &Tenant, kind: TenantEventKind, actor: &Actor, now: Timestamp) -> TenantChange {
    let occurred_at = tenant.not_before(now);
    let (sequence, actor) = (tenant.version + 1, actor.id.clone());
    let event = TenantEvent { sequence, kind, reason: None, notes: None, actor, occurred_at };
    TenantChange { before: tenant.clone(), after: tenant.after(&event), event, dunning_policy: None }
}

impl Tenant {
    /// The rules that its deployments follow.
    #[must_use]
    pub fn rules(&self) -> TenantRules {
        let unsubscribed = self.unsubscribed_after_days.zip(self.unsubscribed_since);
        let unsubscribed = unsubscribed.map(|(after_days, since)| UnsubscribedRule { after_days, since });
        TenantRules {
            version: self.rules_version,
            held: self.hold.is_some(),
            unsubscribed,
            tax_rate_basis_points: self.tax_rate_basis_points,
        }
    }

    /// `now`, or the time of its last event if that is later: times in a history never go back, even if the clock of
    /// this machine is behind another's.
    fn not_before(&self, now: Timestamp) -> Timestamp {
        self.updated_at.map_or(now, |updated_at| now.max(updated_at))
    }

    /// The tenant after its next event.
    fn after(&self, event: &TenantEvent) -> Self {
        let mut after = self.clone();
        match &event.kind {
            TenantEventKind::Updated(updated) => after.apply(updated.clone(), event),
            TenantEventKind::DunningPolicyChanged(_) => after.policy_version = event.sequence,
            TenantEventKind::Held { hold, operation_id } => {
                after.hold = Some(hold.clone());
                (after.rules_version, after.operation_id) = (event.sequence, Some(*operation_id));
            }
            TenantEventKind::Released { hold: _, operation_id } => {
                after.hold = None;
                (after.rules_version, after.operation_id) = (event.sequence, Some(*operation_id));
            }
        }
        after.version = event.sequence;
        after.updated_at = Some(event.occurred_at);
        after
    }

    fn apply(&mut self, updated: TenantUpdated, event: &TenantEvent) {
        let TenantUpdated {
            name,
            billing_address,
            email,
            tax_id,
            tax_rate_basis_points,
            deployment_quota,
            unsubscribed_after_days,
            operation_id,
        } = updated;
        if let Some(changed) = &unsubscribed_after_days {
            self.unsubscribed_since = changed.to.map(|_| event.occurred_at);
        }
        if operation_id.is_some() {
            (self.rules_version, self.operation_id) = (event.sequence, operation_id);
        }
        set(&mut self.unsubscribed_after_days, unsubscribed_after_days);
        set(&mut self.name, name);
        set(&mut self.billing_address, billing_address);
        set(&mut self.email, email);
        set(&mut self.tax_id, tax_id);
        set(&mut self.tax_rate_basis_points, tax_rate_basis_points);
        set(&mut self.deployment_quota, deployment_quota);
    }
}

fn set<T>(field: &mut T, changed: Option<Changed<T>>) {
    if let Some(changed) = changed {
        *field = changed.to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Authority;

    fn actor(authority: Authority) -> Actor {
        Actor { id: "user-1".to_owned(), authority }
    }

    fn id(n: u128) -> OperationId {
        OperationId::new(uuid::Uuid::from_u128(n))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_tenants_user_sets_where_invoices_go_and_nothing_else() {
        let (user, admin) = (actor(Authority::TenantUser), actor(Authority::PlatformAdmin));
        let address = UpdateTenant {
            billing_address: Some("Hafenstrasse 1".parse().ok()),
            email: Some("billing@acme.example".parse().ok()),
            ..UpdateTenant::default()
        };
        let changed = update_tenant(&Tenant::default(), address, id(1), &user, at(0)).unwrap().unwrap();
        assert_eq!(changed.after.billing_address.unwrap().as_str(), "Hafenstrasse 1");
        assert_eq!((changed.after.version, changed.event.sequence), (1, 1));
        for (field, command) in [
            ("name", UpdateTenant { name: Some(None), ..UpdateTenant::default() }),
            ("tax_id", UpdateTenant { tax_id: Some(None), ..UpdateTenant::default() }),
            ("tax_rate_basis_points", UpdateTenant { tax_rate_basis_points: Some(0), ..UpdateTenant::default() }),
            ("deployment_quota", UpdateTenant { deployment_quota: Some(None), ..UpdateTenant::default() }),
            (
                "unsubscribed_after_days",
                UpdateTenant { unsubscribed_after_days: Some(None), ..UpdateTenant::default() },
            ),
        ] {
            let refused = update_tenant(&Tenant::default(), command.clone(), id(1), &user, at(0));
            assert_eq!(refused, Err(Rejection::FieldNotPermitted { field }));
            assert_eq!(update_tenant(&Tenant::default(), command, id(1), &admin, at(0)), Ok(None), "nothing changes");
        }
        for authority in [Authority::PaymentProvider, Authority::DataPlane] {
            let refused = update_tenant(&Tenant::default(), UpdateTenant::default(), id(1), &actor(authority), at(0));
            assert_eq!(refused, Err(Rejection::RoleNotPermitted));
        }
    }

    #[test]
    fn an_event_tells_only_what_changed_and_time_does_not_go_back() {
        let admin = actor(Authority::PlatformAdmin);
        let quota = |quota| UpdateTenant { deployment_quota: Some(quota), ..UpdateTenant::default() };
        let first = update_tenant(&Tenant::default(), quota(Some(3)), id(1), &admin, at(10)).unwrap().unwrap();
        let second = update_tenant(&first.after, quota(None), id(1), &admin, at(5)).unwrap().unwrap();
        assert_eq!((second.after.version, second.event.occurred_at), (2, at(10)));
        let told = serde_json::to_value(&second.event).unwrap();
        assert_eq!(told["type"], "updated");
        assert_eq!(told["data"], serde_json::json!({"deployment_quota": {"from": 3, "to": null}}));
        assert_eq!(serde_json::from_value::<TenantEvent>(told).unwrap(), second.event);
        assert_eq!(update_tenant(&first.after, quota(Some(3)), id(1), &admin, at(20)), Ok(None));
    }

    #[test]
    fn a_new_dunning_policy_is_an_event_and_the_same_one_is_not() {
        let (admin, present) = (actor(Authority::PlatformAdmin), DunningPolicy::default());
        let patient = DunningPolicy { payment_terms_days: 30, ..present };
        let tenant = Tenant { version: 4, ..Tenant::default() };
        let change = set_dunning_policy(&tenant, (present, patient), &admin, at(0)).unwrap();
        assert_eq!((change.after.version, change.dunning_policy), (5, Some(patient)));
        assert_eq!(change.event.kind.name(), "dunning_policy_changed");
        assert_eq!(set_dunning_policy(&tenant, (present, present), &admin, at(0)), None);
    }

    #[test]
    fn a_hold_keeps_its_beginning_and_the_same_one_is_no_event() {
        let admin = actor(Authority::PlatformAdmin);
        let command = |reason: &str| HoldTenant { reason: reason.parse().unwrap(), notes: None };
        let before = Tenant { version: 4, updated_at: Some(at(10)), ..Tenant::default() };
        let held = hold_tenant(&before, command("abuse"), id(1), &admin, at(5)).unwrap().unwrap().after;
        assert_eq!(
            (held.rules(), held.operation_id),
            (TenantRules { version: 5, held: true, unsubscribed: None, ..TenantRules::default() }, Some(id(1)))
        );
        assert_eq!(held.hold.as_ref().unwrap().since, at(10), "time does not go back");
        assert_eq!(hold_tenant(&held, command("abuse"), id(2), &admin, at(20)), Ok(None));
        let other = hold_tenant(&held, command("fraud"), id(2), &admin, at(20)).unwrap().unwrap();
        let hold = other.after.hold.clone().unwrap();
        assert_eq!((hold.since, hold.reason.as_str(), other.event.kind.name()), (at(10), "fraud", "held"));
        let released = release_tenant(&other.after, id(3), &admin, at(30)).unwrap().unwrap();
        assert_eq!(
            released.after.rules(),
            TenantRules { version: 7, held: false, unsubscribed: None, ..TenantRules::default() }
        );
        assert_eq!((released.after.operation_id, released.event.kind.name()), (Some(id(3)), "released"));
        assert_eq!(release_tenant(&released.after, id(4), &admin, at(40)), Ok(None));
        for authority in [Authority::TenantUser, Authority::PaymentProvider, Authority::DataPlane] {
            let refused = hold_tenant(&before, command("abuse"), id(1), &actor(authority), at(0));
            assert_eq!(refused, Err(Rejection::RoleNotPermitted));
            assert_eq!(release_tenant(&held, id(1), &actor(authority), at(0)), Err(Rejection::RoleNotPermitted));
        }
    }

    #[test]
    fn a_tax_rate_is_a_rule_that_an_operation_copies() {
        let admin = actor(Authority::PlatformAdmin);
        let rate = |rate| UpdateTenant { tax_rate_basis_points: Some(rate), ..UpdateTenant::default() };
        let before = Tenant { version: 4, ..Tenant::default() };
        let set = update_tenant(&before, rate(1_900), id(1), &admin, at(0)).unwrap().unwrap().after;
        let rules = TenantRules { version: 5, tax_rate_basis_points: 1_900, ..TenantRules::default() };
        assert_eq!((set.rules(), set.operation_id), (rules, Some(id(1))));
        assert_eq!(update_tenant(&set, rate(1_900), id(2), &admin, at(0)), Ok(None));
        let none = update_tenant(&set, rate(0), id(2), &admin, at(0)).unwrap().unwrap().after;
        assert_eq!(none.rules(), TenantRules { version: 6, ..TenantRules::default() });
    }

    #[test]
    fn days_without_a_subscription_count_from_when_they_were_set() {
        let admin = actor(Authority::PlatformAdmin);
        let days = |days| UpdateTenant { unsubscribed_after_days: Some(days), ..UpdateTenant::default() };
        let set = update_tenant(&Tenant::default(), days(Some(30)), id(1), &admin, at(10)).unwrap().unwrap().after;
        let rule = UnsubscribedRule { after_days: 30, since: at(10) };
        assert_eq!(
            set.rules(),
            TenantRules { version: 1, held: false, unsubscribed: Some(rule), ..TenantRules::default() }
        );
        assert_eq!(set.operation_id, Some(id(1)));
        assert_eq!(
            update_tenant(&set, days(Some(30)), id(2), &admin, at(20)),
            Ok(None),
            "setting it again changes nothing"
        );
        let other = UpdateTenant { deployment_quota: Some(Some(1)), ..UpdateTenant::default() };
        let other = update_tenant(&set, other, id(2), &admin, at(20)).unwrap().unwrap().after;
        assert_eq!((other.rules(), other.operation_id, other.version), (set.rules(), Some(id(1)), 2));
        let never = update_tenant(&other, days(None), id(3), &admin, at(30)).unwrap().unwrap().after;
        assert_eq!(
            never.rules(),
            TenantRules { version: 3, held: false, unsubscribed: None, ..TenantRules::default() }
        );
    }
}
