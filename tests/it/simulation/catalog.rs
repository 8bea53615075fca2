//! The records that no request of the simulator writes: the catalog, and the rules and policies of tenants. Each change
//! is returned as the items to put, so that [`crate::conformance`] can put them into a real table too.

use arcadia_domain::{
    Addon, CatalogStatus, Coupon, DunningPolicy, Interval, Plan, TenantId, TenantRules, Timestamp, UnsubscribedRule,
    replace_version,
};
use arcadia_store::item::{Item, from_item, to_item};
use arcadia_store::{TenantLimits, items, keys};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;

use super::wishes::{ADDON, COUPONS, PLANS};
use super::world::World;
use crate::harness::goods::{self, Off};

/// The tenant that can have a policy and rules of its own.
const ACME: &str = "acme";

/// The first catalog, and in half of the worlds a tenant's own policy.
pub fn first(world: &mut World) -> Vec<Item> {
    let now = world.now;
    let mut all: Vec<Item> =
        (0..PLANS.len()).flat_map(|index| version(&plan(index, now), index, 2_900, now).0).collect();
    all.push(items::from_addon(&addon(750, now)).expect("an add-on"));
    all.extend((0..COUPONS.len()).map(|index| items::from_coupon(&coupon(index, now)).expect("a coupon")));
    if world.chance(2) {
        let policy = DunningPolicy { payment_terms_days: 3, suspended_after_days: 5, ..DunningPolicy::default() };
        all.push(items::from_dunning_policy(&tenant(), &policy, 0).expect("a policy"));
    }
    all
}

/// A change of the catalog, which leaves the prices of existing add-ons and subscriptions alone.
pub fn reprice(world: &mut World) -> Vec<Item> {
    let price_cents = i64::try_from(500 + world.random.below(1_000)).expect("a price");
    let now = world.now;
    if world.chance(3) {
        // A revision keeps the number of grants.
        let index = world.random.below(COUPONS.len());
        let old = world.table.get(&keys::coupon(&coupon(index, now).code)).expect("a coupon");
        let Coupon { revision, redemptions, .. } = items::to_coupon(old.clone()).expect("a coupon");
        let revised = Coupon { revision: revision + 1, redemptions, ..coupon(index, now) };
        return vec![items::from_coupon(&revised).expect("a coupon")];
    }
    if world.chance(2) {
        return vec![items::from_addon(&addon(price_cents, now)).expect("an add-on")];
    }
    let index = world.random.below(PLANS.len());
    let old = world.table.get(&keys::plan(&plan(index, now).code)).expect("a plan");
    let plan = items::to_plan(old.clone()).expect("a plan");
    let (mut all, new) = version(&plan, index, 10 * price_cents, now);
    if world.chance(2) {
        let replaced = plan.newest_version.expect("a version");
        let new = new.newest_version.expect("a version");
        let effective_from = now + TimeDelta::days(if world.chance(2) { 0 } else { 20 });
        let closed = replace_version(&replaced, &new, effective_from, now).expect("a replacement");
        all.push(items::from_plan_version(&closed).expect("a version"));
    }
    all
}

/// New rules of a tenant. Its deployments follow them when an operation copies them.
pub fn change_rules(world: &mut World) -> Vec<Item> {
    let key = keys::tenant_limits(&tenant());
    // A tenant without deployments has no limits.
    let Some(mut item) = world.table.get(&key).cloned() else { return Vec::new() };
    let limits: TenantLimits = from_item(item.clone()).expect("limits");
    let rules = TenantRules {
        version: limits.rules().version + 1,
        held: world.chance(3),
        unsubscribed: world.chance(2).then_some(UnsubscribedRule { after_days: 9, since: world.now }),
        tax_rate_basis_points: *world.random.pick(&[0, 700, 1_900]),
    };
    item.insert("rules".to_owned(), AttributeValue::M(to_item(&rules).expect("rules")));
    vec![item]
}

fn tenant() -> TenantId {
    ACME.parse().expect("a tenant")
}

/// The items of a plan with a new version, and that plan.
fn version(plan: &Plan, index: usize, price_cents: i64, now: Timestamp) -> (Vec<Item>, Plan) {
    let (interval, trial_days) = [(Interval::Month, 0), (Interval::Month, 14), (Interval::Year, 0)][index];
    let usd = "USD".parse().expect("a currency");
    let (plan, version) = plan.publish(price_cents, usd, interval, trial_days, now);
    (vec![items::from_plan(&plan).expect("a plan"), items::from_plan_version(&version).expect("a version")], plan)
}

fn plan(index: usize, now: Timestamp) -> Plan {
    Plan {
        code: PLANS[index].parse().expect("a code"),
        name: PLANS[index].parse().expect("a name"),
        status: CatalogStatus::Active,
        newest_version: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

fn addon(price_cents: i64, now: Timestamp) -> Addon {
    goods::addon(ADDON, price_cents, "USD", now)
}

/// A coupon for a third off without an end, or one for an amount off two periods, which can be granted twice.
fn coupon(index: usize, now: Timestamp) -> Coupon {
    let code = COUPONS[index];
    if index == 1 {
        let coupon = goods::coupon(code, Off::Amount(1_000, "USD"), Some(2), &PLANS[..1], now);
        return Coupon { max_redemptions: Some(2), ..coupon };
    }
    goods::coupon(code, Off::Part(3_333), None, &[], now)
}
