//! The catalog, and the lifecycle map.

use arcadia_api::answer::{
    AddonAnswer, AddonList, CatalogEventList, CouponAnswer, CouponList, Lifecycle, LifecycleTransition, PlanAnswer,
    PlanDetails, PlanList, PlanVersionAnswer, PlanVersionDryRun,
};
use arcadia_domain::{Addon, Authority, CatalogEventKind, Coupon, Plan, PlanVersion};

use super::operations::preview;
use super::{list, off, why, words_of};
use crate::client::text::{BOLD, Cell, DIM, Text, WAITING, cell, date, minute, money, name_of, plain, state, status};

fn version_row(version: &PlanVersion) -> Vec<Cell> {
    vec![
        plain(&format!("v{}", version.version)),
        plain(&money(version.price_cents, version.currency)).right(),
        plain(&name_of(version.interval)),
        plain(&format!("{} days", version.trial_days)),
        plain(&date(version.published_at)),
    ]
}

pub fn plans(page: &PlanList) -> Text {
    let heads = ["plan", "name", "status", "newest", "price", "interval", "trial", "published"];
    list(&heads, &page.plans, |one| {
        let mut row = vec![cell(BOLD, one.code.as_str()), plain(one.name.as_str()), status(one.status)];
        row.extend(one.newest_version.iter().flat_map(version_row));
        row
    })
}

pub fn plan(answer: &PlanAnswer<'_>) -> Text {
    plan_line(&answer.plan)
}

fn plan_line(one: &Plan) -> Text {
    let mut text = Text::default();
    let revision = format!("  {}, revision {}", one.name, one.revision);
    text.line([cell(BOLD, one.code.as_str()), plain(" is "), status(one.status), cell(DIM, &revision)]);
    text
}

/// Formats a plan with its versions.
pub fn plan_details(answer: &PlanDetails<'_>) -> Text {
    let mut text = plan_line(&answer.plan);
    let rows = answer.versions.iter().map(|one| {
        let mut row = version_row(one);
        row.push(status(one.status));
        if let Some(by) = one.replaced_by {
            row.push(plain(&format!("v{by} from {}", one.effective_from.map(date).unwrap_or_default())));
        }
        row
    });
    let heads = ["version", "price", "interval", "trial", "published", "status", "replaced by"];
    text.list(&heads, rows.collect());
    text
}

fn published(is: &str, version: &PlanVersion, replaced: Option<&PlanVersion>) -> Text {
    let mut text = Text::default();
    let price = format!("{} a {}", money(version.price_cents, version.currency), words_of(version.interval));
    let what = format!(" v{} {is} published: {price}", version.version);
    text.line([cell(BOLD, version.plan_code.as_str()), plain(&what)]);
    if let Some(replaced) = replaced {
        let from = replaced.effective_from.map(date).unwrap_or_default();
        text.line([plain(&format!("v{} {is} closed; its subscriptions change from {from} on", replaced.version))]);
    }
    text
}

pub fn plan_version(answer: &PlanVersionAnswer<'_>) -> Text {
    let mut text = published("is", &answer.plan_version, answer.replaced.as_deref());
    if let Some(id) = answer.operation_id {
        text.line([plain(&format!("operation {id} announces the change (arcadia operations watch {id})"))]);
    }
    text
}

/// Formats the dry run of a publication.
pub fn plan_version_dry_run(answer: &PlanVersionDryRun<'_>) -> Text {
    let mut text = published("would be", &answer.plan_version, answer.replaced.as_deref());
    match answer.matching {
        Some(matching) => text.append(&preview(matching, &answer.preview)),
        None => text.line([cell(WAITING, "Dry run: nothing was stored.")]),
    }
    text
}

pub fn addons(page: &AddonList) -> Text {
    list(&["add-on", "name", "status", "price", "grants"], &page.addons, |one| {
        vec![
            cell(BOLD, one.code.as_str()),
            plain(one.name.as_str()),
            status(one.status),
            plain(&prices(one)).right(),
            plain(&format!("{} {}", one.quantity, one.unit)),
        ]
    })
}

/// The prices of an add-on: the one of an interval without its own, and those of intervals.
fn prices(addon: &Addon) -> String {
    let own = addon.interval_prices.iter();
    let own = own.map(|(interval, cents)| format!(", {} a {}", money(*cents, addon.currency), words_of(interval)));
    format!("{}{}", money(addon.price_cents, addon.currency), own.collect::<String>())
}

pub fn addon(answer: &AddonAnswer<'_>) -> Text {
    let (one, mut text) = (&answer.addon, Text::default());
    let price = prices(one);
    let grants = format!(", {price} for {} {}, revision {}", one.quantity, one.unit, one.revision);
    text.line([cell(BOLD, one.code.as_str()), plain(" is "), status(one.status), plain(&grants)]);
    text
}

/// How long a coupon discounts a subscription.
fn duration(coupon: &Coupon) -> String {
    coupon.periods.map_or_else(|| name_of(coupon.duration), |periods| format!("for {periods} periods"))
}

/// How often a coupon was granted, and how often it can be.
fn redemptions(coupon: &Coupon) -> String {
    match coupon.max_redemptions {
        Some(most) => format!("{} of {most}", coupon.redemptions),
        None => coupon.redemptions.to_string(),
    }
}

fn off_coupon(coupon: &Coupon) -> String {
    off(coupon.percent_basis_points, coupon.amount_cents.zip(coupon.currency))
}

pub fn coupons(page: &CouponList) -> Text {
    list(&["coupon", "name", "status", "takes", "duration", "granted"], &page.coupons, |one| {
        vec![
            cell(BOLD, one.code.as_str()),
            plain(one.name.as_str()),
            status(one.status),
            plain(&off_coupon(one)).right(),
            plain(&duration(one)),
            plain(&redemptions(one)).right(),
        ]
    })
}

pub fn coupon(answer: &CouponAnswer<'_>) -> Text {
    let (one, mut text) = (&answer.coupon, Text::default());
    let terms = format!(", {}, {}, revision {}", off_coupon(one), duration(one), one.revision);
    text.line([cell(BOLD, one.code.as_str()), plain(" is "), status(one.status), plain(&terms)]);
    let plans: Vec<&str> = one.plans.iter().map(|code| code.as_str()).collect();
    let plans = if plans.is_empty() { "all plans".to_owned() } else { plans.join(", ") };
    let until = one.redeem_by.map(|at| format!(", until {} UTC", minute(at)));
    let granted = format!("granted {}{}", redemptions(one), until.unwrap_or_default());
    text.line([plain(&format!("for {plans}; {granted}"))]);
    text
}

pub fn catalog_events(page: &CatalogEventList) -> Text {
    list(&["when", "what", "record", "revision", "who", "why"], &page.events, |event| {
        let record = match &event.kind {
            CatalogEventKind::PlanVersionPublished { plan_version: new, .. } => {
                format!("{} version {}", new.plan_code, new.version)
            }
            _ => event.record().code().to_string(),
        };
        vec![
            plain(&minute(event.occurred_at)),
            plain(event.kind.name()),
            cell(BOLD, &record),
            plain(&event.revision.to_string()).right(),
            cell(DIM, &event.actor),
            why(event),
        ]
    })
}

/// The lists of a transition with the roles that may make it only under a condition, and that condition.
type Condition = (fn(&LifecycleTransition) -> &[Authority], &'static str);
const CONDITIONS: [Condition; 3] = [
    (|step| &step.only_while_nothing_is_owed, "nothing is owed"),
    (|step| &step.only_while_nothing_is_overdue, "nothing is overdue"),
    (|step| &step.only_while_not_held, "it is not on hold"),
];

pub fn lifecycle(map: &Lifecycle) -> Text {
    let mut text = Text::default();
    for (n, one) in map.states.iter().enumerate() {
        if n > 0 {
            text.gap();
        }
        let initial = if one.initial { "  (initial state)" } else { "" };
        text.line([state(one.state), plain(&format!("  {}", one.description)), cell(DIM, initial)]);
        let rows = one.transitions.iter().map(|step| {
            let who = step.permitted.iter().map(|who| {
                let conditions = CONDITIONS.iter().filter(|(list, _)| list(step).contains(who));
                let conditions: Vec<&str> = conditions.map(|(_, condition)| *condition).collect();
                let name = who.as_str();
                if conditions.is_empty() {
                    name.to_owned()
                } else {
                    format!("{name} (while {})", conditions.join(" and "))
                }
            });
            vec![plain("\u{2192}"), state(step.to_state), cell(DIM, &who.collect::<Vec<_>>().join(", "))]
        });
        text.table(2, &rows.collect::<Vec<_>>());
    }
    text
}
